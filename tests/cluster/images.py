"""The container images of a cluster, made without a daemon, and unpacked into a store once.

A docker-archive is a tar of one layer, a configuration and a manifest. Unpacking it into three
containerds at every `up` would take most of the time, so one store is filled once and each node
gets a copy whose files are hard links: containers write to their own overlay, never to a layer.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import shutil
import tarfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import build
from tests.cluster.daemons import kill_all, lives
from tests.cluster.shell import ClusterError, run, start, wait_for

REPOSITORY = "dnsdebug.test"
PAUSE = f"{REPOSITORY}/pause:1"
COREDNS = f"{REPOSITORY}/coredns:1"
DNSUTILS = f"{REPOSITORY}/dnsutils:1"
MUSL = f"{REPOSITORY}/musl:1"

ROOTFS = build.HERE.parent.parent / "images" / "dnsutils" / "rootfs.sh"
PROGRAMS = build.HERE / "programs"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A file system and what to run in it."""

    name: str
    root: Path
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""

    def save(self, path: Path) -> None:
        """Write it as a docker-archive. The same content gives the same bytes."""
        layer = _layer(self.root)
        config = {
            "architecture": ARCHITECTURES[platform.machine()],
            "os": "linux",
            "created": "2026-01-01T00:00:00Z",
            "config": {
                "Entrypoint": self.entrypoint or None,
                "Cmd": self.command or None,
                "User": self.user,
                "Env": [PATH],
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_sha256(layer)}"]},
            "history": [{"created_by": "tests.cluster"}],
        }
        blob = json.dumps(config).encode()
        manifest = [
            {"Config": f"{_sha256(blob)}.json", "RepoTags": [self.name], "Layers": ["layer.tar"]}
        ]
        files = {
            manifest[0]["Config"]: blob,
            "layer.tar": layer,
            "manifest.json": json.dumps(manifest).encode(),
        }
        with tarfile.open(path, "w") as archive:
            for name, data in files.items():
                entry = tarfile.TarInfo(str(name))
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _layer(root: Path) -> bytes:
    def anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        return entry

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in sorted(root.iterdir()):
            tar.add(path, arcname=path.name, filter=anonymous)
    return buffer.getvalue()


# -- the images --------------------------------------------------------------------------------


def _pause(root: Path) -> Image:
    run("gcc", "-static", "-Os", "-s", "-o", root / "pause", PROGRAMS / "pause.c")
    return Image(name=PAUSE, root=root, entrypoint=("/pause",))


def _coredns(root: Path, program: Path) -> Image:
    shutil.copy(program, root / "coredns")
    return Image(name=COREDNS, root=root, entrypoint=("/coredns",))


def _dnsutils(root: Path) -> Image:
    run(ROOTFS, root, timeout=300)
    return Image(name=DNSUTILS, root=root, command=("sleep", "infinity"), user="65532:65532")


def _musl(root: Path) -> Image:
    """Like Alpine: busybox, and a C library that resolves in musl's way. No dig."""
    for folder in ("bin", "lib", "usr/bin", "etc", "tmp"):
        (root / folder).mkdir(parents=True)
    machine = platform.machine()
    shutil.copy(f"/usr/lib/{machine}-linux-musl/libc.so", root / f"lib/ld-musl-{machine}.so.1")
    shutil.copy("/bin/busybox", root / "bin/busybox")
    for tool in run(root / "bin/busybox", "--list").stdout.split():
        if tool != "busybox":
            (root / "bin" / tool).symlink_to("busybox")
    run("musl-gcc", "-Os", "-s", "-o", root / "usr/bin/getent", PROGRAMS / "getent.c")
    (root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
    (root / "etc/os-release").write_text('ID=alpine\nPRETTY_NAME="musl with busybox"\n')
    return Image(name=MUSL, root=root, command=("sleep", "infinity"), user="65534:65534")


# -- the store ---------------------------------------------------------------------------------


def store() -> Path:
    """A containerd root in which all images are imported and unpacked."""
    coredns = build.coredns()
    version = run("containerd", "--version").stdout
    key = build.digest(coredns, PROGRAMS, ROOTFS, Path(__file__), version)
    return build.cached("images", key, lambda folder: _fill(folder, coredns), says="images")


def _fill(folder: Path, coredns: Path) -> None:
    roots = {name: folder / "work" / name for name in ("pause", "coredns", "dnsutils", "musl")}
    for root in roots.values():
        root.mkdir(parents=True)
    images = (
        _pause(roots["pause"]),
        _coredns(roots["coredns"], coredns),
        _dnsutils(roots["dnsutils"]),
        _musl(roots["musl"]),
    )
    _import(folder, images)
    shutil.rmtree(folder / "work")


def _import(folder: Path, images: Iterable[Image]) -> None:
    work = folder / "work"
    socket = work / "c.sock"
    config = work / "containerd.toml"
    config.write_text(
        f'version = 2\nroot = "{folder}/containerd"\nstate = "{work}/state"\n'
        f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "{socket}"\n'
        f'[ttrpc]\naddress = "{work}/c.ttrpc"\n'
        f'[plugins."io.containerd.internal.v1.opt"]\npath = "{work}/opt"\n'
    )
    daemon = start(["containerd", "-c", config], log=work / "containerd.log")
    try:
        ctr = ("ctr", "-a", socket, "-n", "k8s.io", "images")
        wait_for(
            "containerd answers", lambda: not run(*ctr, "ls", check=False).returncode, timeout=20
        )
        for image in images:
            archive = work / "image.tar"
            image.save(archive)
            run(*ctr, "import", archive)
            # The kubelet's image policy asks whether CRI made the image its own.
            run(*ctr, "label", image.name, "io.cri-containerd.image=managed")
    except ClusterError as error:
        log = (work / "containerd.log").read_text()[-2000:]
        raise ClusterError(f"{error}\n{log}") from None
    finally:
        daemon.terminate()
        with suppress(Exception):
            daemon.wait(timeout=10)
        if lives(daemon.pid):
            kill_all([daemon.pid])
            daemon.wait()


def clone_store(source: Path, destination: Path) -> None:
    """Give a node its own copy: databases are copied, everything else is hard-linked."""

    def link_or_copy(from_: str, to: str) -> str:
        if from_.endswith(".db"):
            return shutil.copy2(from_, to)
        try:
            os.link(from_, to, follow_symlinks=False)
        except OSError:  # another file system, or too many links
            shutil.copy2(from_, to, follow_symlinks=False)
        return to

    shutil.copytree(source / "containerd", destination, symlinks=True, copy_function=link_or_copy)
