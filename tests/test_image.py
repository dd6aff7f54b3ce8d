"""The contract of the image that probes run in: what the scripts use, and which image has it."""

from __future__ import annotations

import gzip
import io
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubectl_dnsdebug.plan import frames
from kubectl_dnsdebug.terminal.settings import DEFAULT_IMAGE
from tests.cluster import images
from tests.dns_server import DnsServer

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "images" / "dnsutils"
SCRIPTS = sorted((ROOT / "kubectl_dnsdebug" / "plan").glob("*.sh"))

# The public image. Its Dockerfile (kubernetes/kubernetes, test/images/agnhost) starts from Alpine
# and adds packages; 2.53 is the build on Alpine 3.19 (kubernetes#127057, promoted k8s.io#7262).
AGNHOST = {
    # the applets of Alpine's busybox that a probe could want (aports, main/busybox/busyboxconfig)
    "busybox": """[ arp arping ash awk base64 basename cat chmod chown chroot cksum clear cmp comm
        cp cut date dd df diff dirname dmesg du echo egrep env expand expr false fgrep find flock
        fold free getopt grep groups gunzip gzip head hexdump hostname id ifconfig install kill
        less ln ls lsof md5sum mkdir mkfifo mktemp more mount mountpoint mv nc netstat nice nl
        nohup nproc nsenter nslookup od paste pgrep pidof ping printenv printf ps pwd readlink
        realpath renice rev rm rmdir route sed seq setpriv setsid sh sha256sum shuf sleep sort
        split stat stty sum sync sysctl tac tail tar tee telnet test time timeout top touch tr
        traceroute true truncate tty umount uname uniq unshare uptime usleep vi watch wc wget
        which whoami xargs xxd yes zcat""",
    # of Alpine's own base system
    "musl-utils": "getconf getent iconv ldd",
    # added by the Dockerfile
    "bind-tools": "delv dig host mdig nslookup nsupdate",
    "iproute2": "bridge ip ss tc",
    "others": "bash curl iperf",
}
PUBLIC = {command for names in AGNHOST.values() for command in names.split()}
BUILT_IN = {"[", "echo", "false", "kill", "printf", "pwd", "test", "true"}


def contract() -> dict[str, bool]:
    """The table of the image's page: command, and whether the public image is said to have it."""
    rows = re.findall(r"^\| (`.+?`) \|.*\| (yes|no) \|$", (FOLDER / "README.md").read_text(), re.M)
    return {name: has == "yes" for cell, has in rows for name in re.findall(r"`(\S+)`", cell)}


def used(script: str) -> set[str]:
    """Commands of the scripts: known names where a command can stand."""
    code = re.sub(r"(^|\s)#.*", "", script)
    starts = r"(?:^|[|;&()!]|\b(?:then|do|else|if|while))\s*(?:(?:tool|limited) )?"
    names = set(re.findall(starts + r"([a-z]+)(?![\w(=)-])", code, re.MULTILINE))
    return (names & (PUBLIC | {"conntrack"})) - BUILT_IN


def functions() -> set[str]:
    """Of all scripts, which are put one before another."""
    return {
        name
        for path in SCRIPTS
        for name in re.findall(r"^(\w+)\(\)", path.read_text(), re.MULTILINE)
    }


def test_the_scripts_use_what_the_contract_names() -> None:
    commands = set().union(*(used(path.read_text()) for path in SCRIPTS)) - functions()
    assert {"dig", "sleep"} <= set(contract())
    assert commands <= set(contract())


def test_the_public_image_keeps_it_as_the_page_says() -> None:
    assert {name: name in PUBLIC for name in contract()} == contract()
    for page in (FOLDER / "README.md", ROOT / "docs" / "air-gapped.md"):
        named = set(re.findall(r"registry\.k8s\.io/[\w./-]+:[\w.]+", page.read_text()))
        assert named == {DEFAULT_IMAGE}


def test_the_image_names_its_user_by_number_and_builds_for_every_machine() -> None:
    dockerfile = (FOLDER / "Dockerfile").read_text()
    assert re.search(r"^USER (\d+):(\d+)$", dockerfile, re.MULTILINE)
    assert "platform" not in dockerfile
    assert not re.search(r"amd64|x86_64|arm64", dockerfile + (FOLDER / "rootfs.sh").read_text())
    assert not re.search(r"^(ENTRYPOINT|ENV|VOLUME|ADD)", dockerfile, re.MULTILINE)


# -- the runner, with those commands and no other ------------------------------------------------


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer() as running:
        yield running


def command(port: int) -> list[str]:
    """A run of every kind of probe."""
    question = f"@127.0.0.1 -p {port} -q web.shop. -t A +tries=1 +time=1"
    items = (
        f"gate s/gate dig {question}",
        f"again*3 s/1 dig {question}",
        f"typed -/1 nslookup -timeout=1 -retry=1 -port={port} web.shop. 127.0.0.1",
        "libc -/2 getent ahosts 127.0.0.1",
        "file -/3 file /etc/passwd",
        "app -/4 app",
    )
    return ["sh", "-c", frames.runner(), "dnsdebug", "15", "", *items]


def check(text: str) -> None:
    lines = text.splitlines()
    assert frames.finished(lines), text
    found = {each.probe: each for each in frames.read(lines, "here")}
    assert set(found) == {"gate", "again~1", "again~2", "again~3", "typed", "libc", "file", "app"}
    for each in found.values():
        assert not each.failure
        assert "not found" not in each.out
    assert "192.0.2.1" in found["gate"].out
    assert "192.0.2.1" in found["typed"].out
    assert "127.0.0.1" in found["libc"].out
    assert "root" in found["file"].out


@pytest.mark.skipif(
    not all(map(shutil.which, ("dash", "busybox", "dig", "nslookup"))), reason="tools missing here"
)
def test_the_runner_needs_nothing_else(tmp_path: Path, server: DnsServer) -> None:
    own = {"dig", "nslookup", "getent"}
    for name in contract():
        program = shutil.which(name if name in own else "dash" if name == "sh" else "busybox")
        assert program
        (tmp_path / name).symlink_to(program)
    done = subprocess.run(
        [tmp_path / "sh", *command(server.port)[1:]],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    check(done.stdout)


# -- the image itself, as the test cluster has it ------------------------------------------------


@pytest.fixture(scope="module")
def rootfs() -> Path:
    """Its only layer, unpacked."""
    layers = images.store().glob("containerd/*snapshotter*/snapshots/*/fs")
    (found,) = (layer for layer in layers if (layer / "usr/bin/dig").exists())
    return found


def inside(rootfs: Path, user: str, *words: str) -> str:
    """The words run as that user in the image; its /dev is this machine's, as a runtime's is."""
    mounts = 'mount --rbind /dev "$0/dev" && exec chroot --userspec="$@"'
    enter = ["unshare", "--mount", "sh", "-c", mounts, str(rootfs), user, str(rootfs)]
    done = subprocess.run([*enter, *words], capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.cluster
def test_the_image_has_every_command(rootfs: Path) -> None:
    script = 'for each; do command -v "$each" >/dev/null || echo "$each"; done'
    assert inside(rootfs, "65532:65532", "sh", "-c", script, "sh", *contract()) == ""


@pytest.mark.cluster
@pytest.mark.parametrize("user", ["65532:65532", "12345:0"])
def test_the_runner_works_in_the_image_as_any_user(
    rootfs: Path, server: DnsServer, user: str
) -> None:
    check(inside(rootfs, user, *command(server.port)))


@pytest.mark.cluster
def test_its_size_is_as_the_page_says(rootfs: Path) -> None:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as layer:
        layer.add(rootfs, arcname=".")
    compressed = len(gzip.compress(plain.getvalue(), 6)) / 1e6
    said = re.search(r"(\d+) MB compressed", (FOLDER / "README.md").read_text())
    assert said
    assert abs(compressed - int(said[1])) < 3
    assert compressed < 40
