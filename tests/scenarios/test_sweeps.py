"""`nodes` on a broken cluster: the right cause first, of the right nodes, the others in peace."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.faults import FAULTS
from tests.scenarios.conftest import Ran, Tool, broken

ALL = {"cp", "w1", "w2"}
# The nodes that have it; what the whole cluster has makes each of them ill.
OF_NODES = {
    "bridge-nf-off": {"w1"},
    "kube-proxy-rules-missing": {"w1"},
    "cni-down-on-node": {"w1"},
    "overlay-broken": {"w1", "w2"},
    "clusterdns-ip-mismatch": {"w1"},
    "clusterdomain-mismatch": {"w1"},
    "host-loopback-nameserver": {"w1"},
    "nodelocal-down": {"w1", "w2"},
    "runtime-fallback-8888": ALL,
}
OF_THE_CLUSTER = ("upstream-timeout", "coredns-scaled-to-zero", "dns-ingress-blocked")


def swept(tool: Tool, tmp_path: Path) -> Ran:
    """A sweep, whose replay says the same to the letter."""
    saved = tmp_path / "evidence.json"
    ran = tool("nodes", "-n", "shop", "-o", "json", "--save", str(saved))
    again = tool("replay", str(saved), "-o", "json")
    assert (again.code, again.out) == (ran.code, ran.out)
    assert not tool.leftovers()
    return ran


def by_health(ran: Ran, health: str) -> set[str]:
    return {row["node"] for row in ran.report["sweep"]["nodes"] if row["health"] == health}


def test_a_healthy_cluster(cluster: Cluster, tool: Tool, tmp_path: Path) -> None:
    ran = swept(tool, tmp_path)
    assert (ran.code, ran.report["outcome"]) == (0, "healthy"), ran.story()
    assert by_health(ran, "fine") == ALL
    assert ran.report["sweep"]["pairs"] is None


@pytest.mark.parametrize("name", OF_NODES)
def test_a_fault_of_nodes(cluster: Cluster, tool: Tool, tmp_path: Path, name: str) -> None:
    fault, nodes = FAULTS[name], OF_NODES[name]
    with broken(cluster, fault):
        ran = swept(tool, tmp_path)
    assert ran.first == fault.slug, ran.story()
    cause = ran.report["causes"][0]
    assert {cause["subject"], *cause.get("others", ())} == {f"node/{n}" for n in nodes}, ran.story()
    assert {each["rule"] for each in ran.report["causes"]} == {fault.slug}, ran.story()
    assert ran.code == (4 if cause["severity"] == "error" else 0), ran.story()
    assert by_health(ran, "fine") == ALL - nodes, ran.story()


@pytest.mark.parametrize("name", OF_THE_CLUSTER)
def test_a_fault_of_the_cluster(cluster: Cluster, tool: Tool, tmp_path: Path, name: str) -> None:
    fault = FAULTS[name]
    with broken(cluster, fault):
        ran = swept(tool, tmp_path)
    assert (ran.code, ran.first) == (4, fault.slug), ran.story()
    assert ran.report["causes"][0]["subject"] == "cluster"
    assert by_health(ran, "ill") == ALL, ran.story()
    groups = ran.report["sweep"]["groups"]
    assert all(fault.slug in {each["rule"] for each in group["causes"]} for group in groups)


def test_a_node_s_own_way(tool: Tool, cluster: Cluster) -> None:
    """Without a default route only the node's own packets to a Service die, while its pods and the
    host's nameserver, on the node's own network here, are well: who names the node is told."""
    with broken(cluster, FAULTS["no-default-route"]):
        ran = tool("node/w1", "node/w2", "-n", "shop", "-o", "json")
    assert (ran.code, ran.first) == (4, "no-default-route"), ran.story()
    assert ran.report["causes"][0]["subject"] == "node/w1"
    assert by_health(ran, "fine") == {"w2"}
    assert not tool.leftovers()
