"""Faults of connection tracking, imitated by filters: a race comes when it likes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.change import iptables
from tests.cluster.cluster import Cluster
from tests.cluster.faults.fault import KUBERNETES, Fault, bites
from tests.cluster.shell import wait_for

UNANSWERED = "-m conntrack --ctstate NEW"


@contextmanager
def race(cluster: Cluster) -> Iterator[None]:
    """Of two questions from one source port the second is lost, as when both make one entry."""
    one_each = (
        "-m hashlimit --hashlimit-name dnsdebug-race --hashlimit-mode srcip,srcport,dstip "
        "--hashlimit-above 1/min --hashlimit-burst 1"
    )
    with iptables(cluster, ("w1", f"FORWARD -p udp --dport 53 {UNANSWERED} {one_each} -j DROP")):
        web = cluster.pod("web")
        for _ in range(3):
            web.expect("NOERROR", KUBERNETES)
        quick = web.run(("timeout", "3", "getent", "ahosts", "kubernetes.default"))
        bites(not quick, "getent has to wait")
        yield


@contextmanager
def full(cluster: Cluster) -> Iterator[None]:
    """The node's table holds as many flows as the kernel allows, none of which may be evicted.

    Every node has the limit of the machine, and its own count. The kubelet's own connections
    are not tracked: with all of them lost nobody could read a log there.
    """
    node, name = cluster.node("w1"), "flooder-w1"
    most = int(node.run("cat", "/proc/sys/net/netfilter/nf_conntrack_max"))
    flows = node.folder / "flows.txt"
    flow = "-I -p udp -d 198.19.0.1 --dport 9 -t 600 -u SEEN_REPLY,ASSURED"
    with flows.open("w") as file:
        for place in range(most):
            file.write(f"{flow} -s 198.18.{place // 60_000}.1 --sport {place % 60_000 + 1}\n")
    # What goes out of use makes room: it is taken, one by one.
    more = f"conntrack {flow} -s 198.18.99.1 --sport $i >/dev/null 2>&1"
    loop = f"i=1; while :; do if {more}; then i=$((i + 1)); else sleep 0.1; fi; done"
    ways = [
        "PREROUTING -i lo",
        "OUTPUT -o lo",
        "PREROUTING -p tcp --dport 10250",
        "OUTPUT -p tcp --sport 10250",
        "PREROUTING -p tcp --sport 6443",
        "OUTPUT -p tcp --dport 6443",
    ]
    untracked = [f"{way} -j CT --notrack" for way in ways]
    web = cluster.pod("web")

    def drops() -> bool:
        return all(web.dig(KUBERNETES, seconds=1).status == "timeout" for _ in range(3))

    try:
        node.shell(*(f"iptables -w -t raw -I {rule}" for rule in untracked))
        node.run("conntrack", "-R", flows, check=False, timeout=120)
        cluster.daemons.start(name, [*node.inside(), "sh", "-c", loop])
        wait_for("does not bite: new flows are dropped", drops, timeout=60)
        yield
    finally:
        cluster.daemons.stop(name)
        flows.unlink()
        node.run("conntrack", "-D", "-d", "198.19.0.1", check=False, timeout=60)
        node.shell(*(f"iptables -w -t raw -D {rule}" for rule in untracked))


FAULTS = (
    Fault(
        name="conntrack-full",
        slug="conntrack-full",
        title="The node's table of flows is full, and new ones are dropped",
        apply=full,
        args=("--deep",),
    ),
    Fault(
        name="conntrack-race",
        slug="conntrack-race",
        title="The second of two questions from one port is dropped, as in the conntrack race",
        apply=race,
    ),
)
