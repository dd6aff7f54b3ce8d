"""The resolvers themselves: two C libraries, musl in two releases, Go's, and the usual tools."""

from __future__ import annotations

import hashlib
import platform
import shutil
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from kubectl_dnsdebug.parse.search import Libc
from tests.cluster import build
from tests.cluster.shell import Argument, run

HERE = Path(__file__).parent
GETENT = build.HERE / "programs" / "getent.c"
# A release of musl later than the one of Debian 12: as Debian 13 packs it, checked by its hash.
MUSL_LATER = "1.2.5"
MUSL_PACKAGE = "pool/main/m/musl/musl_1.2.5-3_amd64.deb"
MUSL_SHA256 = "4288deaf14438e6c237491be45f10e3e7badb2e723cedfb08ff1fe687b646c84"


def commands() -> Mapping[str, tuple[Libc, tuple[str, ...]]]:
    """Each client's words before the name, and whose walk it takes. Later musl where it is had."""
    go = build.find_go([HERE / "lookup"])
    key = build.digest(GETENT, HERE / "lookup", Path(__file__), go.version)
    built = build.cached("resolvers", key, _make)
    musl = f"/usr/lib/{platform.machine()}-linux-musl/libc.so"
    found = {
        "glibc": (Libc.GLIBC, ("getent", "ahosts")),
        "musl": (Libc.MUSL, (musl, str(built / "getent"), "ahosts")),
        "go": (Libc.GO, (str(built / "lookup"),)),
        "dig": (Libc.DIG, ("dig", "+search", "+tries=1", "+time=1", "+short")),
        "nslookup": (Libc.NSLOOKUP, ("nslookup", "-timeout=1", "-retry=0")),
        "busybox": (Libc.BUSYBOX, ("/bin/busybox", "nslookup")),
    }
    if (built / "musl").exists():
        later = (str(built / "musl"), str(built / "getent"), "ahosts")
        found[f"musl {MUSL_LATER}"] = (Libc.MUSL, later)
    return found


def _make(folder: Path) -> None:
    build.find_go([HERE / "lookup"]).build(HERE / "lookup", folder / "lookup")
    words: list[Argument] = ["musl-gcc", "-Os", "-s", "-o", folder / "getent", GETENT]
    run(*words)
    _later_musl(folder)


def _later_musl(folder: Path) -> None:
    """From the machine's own Debian mirror. Elsewhere there is none, and one client fewer."""
    targets = run("apt-get", "indextargets", "--format", "$(REPO_URI)", check=False).stdout
    for mirror in dict.fromkeys(targets.split()):
        try:
            with urllib.request.urlopen(f"{mirror}{MUSL_PACKAGE}", timeout=20) as reply:
                data = reply.read()
        except (urllib.error.URLError, OSError):
            continue
        if hashlib.sha256(data).hexdigest() != MUSL_SHA256:
            continue
        package = folder / "musl.deb"
        package.write_bytes(data)
        run("dpkg-deb", "-x", package, folder / "unpacked")
        shutil.copy(next((folder / "unpacked").rglob("libc.so")), folder / "musl")
        (folder / "musl").chmod(0o755)
        shutil.rmtree(folder / "unpacked")
        package.unlink()
        return
