"""Faults of connection tracking, imitated by filters: a race comes when it likes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.change import iptables
from tests.cluster.cluster import Cluster
from tests.cluster.faults.fault import KUBERNETES, Fault, bites

UNANSWERED = "-m conntrack --ctstate NEW"


@contextmanager
def race(cluster: Cluster) -> Iterator[None]:
    """Of two questions from one source port the second is lost, as when both make one entry."""
    one_each = (
        "-m hashlimit --hashlimit-name dnsdebug-race --hashlimit-mode srcip,srcport "
        "--hashlimit-above 1/min --hashlimit-burst 1"
    )
    with iptables(cluster, ("w1", f"FORWARD -p udp --dport 53 {UNANSWERED} {one_each} -j DROP")):
        web = cluster.pod("web")
        for _ in range(3):
            web.expect("NOERROR", KUBERNETES)
        quick = web.run(("timeout", "3", "getent", "ahosts", "kubernetes.default"))
        bites(not quick, "getent has to wait")
        yield


FAULTS = (
    Fault(
        name="conntrack-race",
        slug="conntrack-race",
        title="The second of two questions from one port is dropped, as in the conntrack race",
        apply=race,
    ),
)
