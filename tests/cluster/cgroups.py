"""One control group a node, under which its kubelet keeps its pods; both cgroup versions."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.cluster.daemons import kill_all

ROOT = Path("/sys/fs/cgroup")
CONTROLLERS = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids")


def is_v2() -> bool:
    return (ROOT / "cgroup.controllers").exists()


def create(name: str) -> None:
    """Make the group; kubelet demands that its root exists in every hierarchy."""
    if is_v2():
        _delegate(ROOT)
        group = ROOT / name
        group.mkdir(exist_ok=True)
        _delegate(group)
        return
    for hierarchy in _v1_hierarchies():
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        if hierarchy.name == "cpuset":
            # A new v1 cpuset has no CPU and no memory, and no process can enter it.
            for file in ("cpuset.cpus", "cpuset.mems"):
                (group / file).write_text((hierarchy / file).read_text())


def _delegate(group: Path) -> None:
    """Let the children of a v2 group use the controllers that it has itself."""
    available = set((group / "cgroup.controllers").read_text().split())
    enabled = set((group / "cgroup.subtree_control").read_text().split())
    wanted = [name for name in CONTROLLERS if name in available - enabled]
    if not wanted:
        return
    line = " ".join(f"+{name}" for name in wanted)
    try:
        (group / "cgroup.subtree_control").write_text(line)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        # Inside a container the apparent root holds processes, and a v2 group hands on
        # controllers only while it holds none: they move into a leaf, as with systemd's
        # init.scope. It stays, since whoever enters later must not be moved about again.
        leaf = group / "init"
        leaf.mkdir(exist_ok=True)
        for _ in range(5):
            for pid in _pids(group):
                with suppress(ProcessLookupError, PermissionError):
                    (leaf / "cgroup.procs").write_text(str(pid))
        (group / "cgroup.subtree_control").write_text(line)


def _v1_hierarchies() -> Iterator[Path]:
    yield from (path for path in sorted(ROOT.iterdir()) if (path / "tasks").exists())


def groups(prefix: str) -> list[Path]:
    """The groups whose name begins so, in every hierarchy."""
    roots = [ROOT] if is_v2() else [*_v1_hierarchies(), ROOT / "unified"]
    return sorted(path for root in roots for path in root.glob(f"{prefix}*") if path.is_dir())


def _pids(group: Path) -> list[int]:
    try:
        return [int(word) for word in (group / "cgroup.procs").read_text().split() if word != "0"]
    except OSError:
        return []


def members(name: str, *, containing: str) -> list[int]:
    """The processes in groups below `name` whose own name contains this text."""
    roots = groups(name)
    paths = [path for root in roots[:1] for path in _tree(root) if containing in str(path)]
    return sorted(pid for path in paths for pid in _pids(path))


def _tree(group: Path) -> list[Path]:
    """The group and all below it, the deepest first. Groups come and go meanwhile: os.walk passes
    over those that are gone."""
    return [Path(folder) for folder, _, _ in os.walk(group, topdown=False)]


def remove(prefix: str, *, timeout: float = 10) -> None:
    """Kill whatever runs in the groups of this prefix and remove them."""
    deadline = time.monotonic() + timeout
    while found := groups(prefix):
        for group in found:
            for member in _tree(group):
                kill_all(_pids(member))
                # Fails while a killed process is still on its way out; the next round gets it.
                with suppress(OSError):
                    member.rmdir()
        if time.monotonic() > deadline:
            return
        if groups(prefix):
            time.sleep(0.05)
