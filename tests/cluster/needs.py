"""What this machine must have before a cluster can run on it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.cluster.node_agents import CNI_PLUGINS
from tests.cluster.shell import ClusterError, run

HERE = Path(__file__).parent

# Program, and the Debian package that has it.
PROGRAMS = {
    "conntrack": "conntrack",
    "containerd": "containerd",
    "dig": "bind9-dnsutils",
    "gcc": "gcc",
    "ip": "iproute2",
    "iptables": "iptables",
    "musl-gcc": "musl-tools",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "runc": "runc",
    "sysctl": "procps",
}
# A kernel feature's trace in /proc, and the module that brings it.
FEATURES = {
    Path("/proc/sys/net/bridge/bridge-nf-call-iptables"): "br_netfilter",
    Path("/proc/sys/net/netfilter/nf_conntrack_max"): "nf_conntrack",
}
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_FOR_ONE = 30  # of the daemons of one cluster


def packages() -> list[str]:
    """The Debian packages that a cluster needs."""
    lines = (HERE / "packages.txt").read_text().splitlines()
    return [words[0] for line in lines if (words := line.partition("#")[0].split())]


def missing() -> list[str]:
    """One sentence for everything that is not there, empty when a cluster can start."""
    if os.geteuid():
        return ["root: a cluster makes namespaces, mounts and control groups"]
    packages_missing = [
        package for program, package in PROGRAMS.items() if shutil.which(program) is None
    ]
    if not (CNI_PLUGINS / "bridge").exists():
        packages_missing.append("containernetworking-plugins")
    if not Path("/bin/busybox").exists():
        packages_missing.append("busybox-static")
    lacks = [f"package {package}: apt-get install {package}" for package in packages_missing]
    if not lacks:
        lacks += _kernel() + _inotify()
    return lacks


def _kernel() -> list[str]:
    lacks = []
    for trace, module in FEATURES.items():
        if not trace.exists():
            run("modprobe", module, check=False)
        if not trace.exists():
            lacks.append(f"kernel feature {module}: {trace} does not exist")
    if "overlay" not in Path("/proc/filesystems").read_text():
        run("modprobe", "overlay", check=False)
        if "overlay" not in Path("/proc/filesystems").read_text():
            lacks.append("kernel feature overlay: no overlay file system")
    if run("iptables", "-w", "-t", "nat", "-S", check=False).returncode:
        lacks.append("kernel feature: iptables has no nat table")
    return lacks


def _inotify() -> list[str]:
    """Kubelets that get no inotify instance never register, and say so in their logs alone."""
    limit = int(INOTIFY.read_text())
    used = sum(map(_is_inotify, Path("/proc").glob("[0-9]*/fd/*")))
    if used + INOTIFY_FOR_ONE <= limit:
        return []
    return [
        f"{INOTIFY_FOR_ONE} inotify instances: {used} of {limit} are in use; stop another cluster, "
        "or: sysctl fs.inotify.max_user_instances=1024"
    ]


def _is_inotify(descriptor: Path) -> bool:
    try:
        return descriptor.readlink().name == "anon_inode:inotify"
    except OSError:  # closed by now
        return False


def check() -> None:
    """Raise ClusterError that names everything missing."""
    if lacks := missing():
        raise ClusterError("this machine lacks:\n  " + "\n  ".join(lacks))
