"""The LAN between the nodes, a namespace of its own, and the namespaces of the nodes on it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.layout import NODES, Layout
from tests.cluster.shell import Argument, ClusterError, batch, run, start, wait_for

# What a distribution's Kubernetes set-up gives a node. bridge-nf-call-iptables makes replies
# between pods of one bridge pass conntrack; without it their NAT is never undone.
SYSCTLS = (
    "net.ipv4.ip_forward=1",
    "net.bridge.bridge-nf-call-iptables=1",
    "net.ipv4.conf.all.rp_filter=0",
    "net.ipv4.conf.default.rp_filter=0",
)
NETNS = Path("/run/netns")


def up(layout: Layout) -> None:
    """Make the LAN and one namespace a node, with addresses and routes between them."""
    lan = layout.lan_namespace
    inside = f"ip -n {lan}"
    lines = [
        f"ip netns add {lan}",
        f"{inside} link set lo up",
        f"{inside} link add lan type bridge",
        f"{inside} link set lan up",
        *(
            f"{inside} addr add {address}/24 dev lan"
            for address in (layout.gateway, layout.upstream, layout.upstream_twin)
        ),
        # Nothing leaves the machine: what is not on the LAN is lost in silence.
        f"{inside} route add blackhole default",
        f"ip netns exec {lan} sysctl -qw net.ipv4.ip_forward=1"
        " net.bridge.bridge-nf-call-iptables=0",
        f"ip link add {layout.uplink} type veth peer name machine netns {lan}",
        f"{inside} link set machine master lan up",
        f"ip addr add {layout.machine}/24 dev {layout.uplink}",
        f"ip link set {layout.uplink} up",
    ]
    for node in NODES:
        lines += _node_lines(layout, node)
    batch(*lines)


def _node_lines(layout: Layout, node: str) -> list[str]:
    lan, name = layout.lan_namespace, layout.namespace(node)
    inside = f"ip -n {name}"
    return [
        f"ip netns add {name}",
        f"{inside} link set lo up",
        f"{inside} link add eth0 type veth peer name {node} netns {lan}",
        f"ip -n {lan} link set {node} master lan up",
        f"{inside} addr add {layout.node_address(node)}/24 dev eth0",
        f"{inside} link set eth0 up",
        f"{inside} route add default via {layout.gateway}",
        f"ip netns exec {name} sysctl -qw {' '.join(SYSCTLS)}",
        *(
            f"{inside} route add {layout.pod_cidr(peer)} via {layout.node_address(peer)}"
            for peer in NODES
            if peer != node
        ),
        # Pods are known by their own address inside the cluster, by the node's beyond it.
        f"ip netns exec {name} iptables -t nat -A POSTROUTING -s {layout.pod_cidr(node)}"
        " ! -d 10.0.0.0/8 -j MASQUERADE -m comment --comment dnsdebug-egress",
    ]


def namespaces(layout: Layout) -> list[str]:
    return sorted(path.name for path in NETNS.glob(f"{layout.prefix}*"))


def pids(namespace: str) -> list[int]:
    """The processes whose network namespace this is."""
    done = run("ip", "netns", "pids", namespace, check=False)
    return [int(word) for word in done.stdout.split()]


def down(layout: Layout) -> None:
    """Remove the namespaces and the uplink, also half-made ones; links within go with them."""
    run("ip", "link", "del", layout.uplink, check=False)
    for namespace in namespaces(layout):
        run("ip", "netns", "del", namespace, check=False)
        with suppress(OSError):  # a plain file: left by an `ip netns add` that was killed
            (NETNS / namespace).unlink()


@dataclass(frozen=True, slots=True)
class Node:
    """One node's namespaces, held open by a process that only sleeps."""

    layout: Layout
    name: str

    @property
    def folder(self) -> Path:
        return self.layout.node_dir(self.name)

    @property
    def resolv_conf(self) -> Path:
        """The file that is /etc/resolv.conf on this node. Change it in place: it is a mount."""
        return self.folder / "resolv.conf"

    @property
    def init_pid(self) -> int:
        try:
            return int((self.folder / "init.pid").read_text())
        except (OSError, ValueError):
            raise ClusterError(f"node {self.name} does not run: is the cluster up?") from None

    def boot(self) -> None:
        """Unshare the mount and UTS namespaces.

        Not `ip netns exec`: that remounts /sys, which hides the control groups from containerd.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.resolv_conf.write_text(self.layout.host_resolv_conf)
        pid_file = shlex.quote(str(self.folder / "init.pid"))
        script = (
            "set -e; mount --make-rshared /; "
            f"mount --bind {shlex.quote(str(self.resolv_conf))} /etc/resolv.conf; "
            f"hostname {self.name}; echo $$ > {pid_file}.new; mv {pid_file}.new {pid_file}; "
            "exec sleep infinity"
        )
        process = start(
            [
                *("nsenter", f"--net={NETNS / self.layout.namespace(self.name)}"),
                *("unshare", "--mount", "--uts", "--propagation", "slave", "sh", "-c", script),
            ],
            log=self.layout.log(f"init-{self.name}"),
        )
        process.returncode = 0  # it lives until `down`; nobody waits for it
        wait_for(f"node {self.name} boots", (self.folder / "init.pid").exists, timeout=30)

    def inside(self) -> list[str]:
        """The words that make a program run on this node."""
        return ["nsenter", "-t", str(self.init_pid), "-m", "-n", "-u", "--"]

    def run(self, *argv: Argument, check: bool = True, timeout: float = 60) -> str:
        """Run a program on this node and return what it printed."""
        return run(*self.inside(), *argv, check=check, timeout=timeout).stdout

    def shell(self, *lines: str) -> None:
        """Run lines of shell on this node, stopping at the first that fails."""
        batch(*lines, prefix=self.inside())

    def set_resolv_conf(self, text: str) -> None:
        self.resolv_conf.write_text(text)


def lan_command(layout: Layout) -> Sequence[str]:
    """The words that make a program run in the LAN's namespace."""
    return ("nsenter", f"--net={NETNS / layout.lan_namespace}", "--")
