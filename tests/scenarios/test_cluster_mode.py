"""`cluster --ask`: what the servers say, nothing made, and gaps where one may not ask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.faults import FAULTS
from tests.scenarios.conftest import Tool, broken

READER = "reader-of-dns"


def test_a_sound_cluster(cluster: Cluster, tool: Tool, tmp_path: Path) -> None:
    kept = str(tmp_path / "evidence.json")
    ran = tool("cluster", "--ask", "-o", "json", "--save", kept)
    assert (ran.code, ran.report["outcome"]) == (0, "unprobed"), ran.story()
    assert (ran.report["causes"], ran.report["made"]) == ([], []), ran.story()
    text = Path(kept).read_text()
    assert text.count('"port-forward"') == 2 * cluster.setup.replicas
    assert tool("replay", kept, "-o", "json").report["unknown"] == ran.report["unknown"]


@pytest.mark.parametrize(
    ("fault", "slug"),
    [
        ("upstream-timeout", "upstream-timeout"),
        ("corefile-only-cluster-zone", "corefile-zone-missing"),
        ("coredns-replica-without-upstream", "coredns-replica-divergence"),
    ],
)
def test_what_the_servers_say(cluster: Cluster, tool: Tool, fault: str, slug: str) -> None:
    with broken(cluster, FAULTS[fault]):
        ran = tool("cluster", "--ask", "-o", "json")
        assert (ran.code, ran.first) == (4, slug), ran.story()
        errors = {c["rule"] for c in ran.report["causes"] if c["severity"] == "error"}
        assert errors == {slug}, ran.story()


def test_a_domain_that_is_nowhere_to_be_read_is_a_gap(cluster: Cluster, tool: Tool) -> None:
    with broken(cluster, FAULTS["corefile-without-kubernetes"]):
        ran = tool("cluster", "--ask", "-o", "json")
        assert ran.code == 3, ran.story()
        assert any("domain" in each["reason"] for each in ran.report["unknown"]), ran.story()


@pytest.mark.parametrize("fault", ["overlay-broken", "netpol-egress", "dns-ingress-blocked"])
def test_the_way_to_the_servers_is_not_theirs_to_tell(
    cluster: Cluster, tool: Tool, fault: str
) -> None:
    """Pods are kept from the servers, which answer over the API all the same."""
    with broken(cluster, FAULTS[fault]):
        ran = tool("cluster", "--ask", "-o", "json")
        assert ran.report["causes"] == [], ran.story()
        assert ran.code == 0, ran.story()


@contextmanager
def reader(cluster: Cluster) -> Iterator[str]:
    """A user who may read what `cluster` reads, and may not forward ports."""
    binding = ("clusterrolebinding", READER)
    role = ("clusterrole", READER)
    rights = (
        "--verb=get,list",
        "--resource=services,nodes,namespaces,events,pods,pods/log,configmaps,deployments.apps,"
        "daemonsets.apps,"
        "endpointslices.discovery.k8s.io,networkpolicies.networking.k8s.io",
    )
    try:
        cluster.kubectl("create", *role, *rights)
        cluster.kubectl("create", *binding, f"--clusterrole={READER}", f"--user={READER}")
        yield READER
    finally:
        cluster.kubectl.delete(*binding)
        cluster.kubectl.delete(*role)


def test_who_may_not_ask_is_told_so(cluster: Cluster, tool: Tool) -> None:
    with reader(cluster) as user:
        assert tool("cluster", "--as", user, "-o", "json").code == 0
        ran = tool("cluster", "--ask", "--as", user, "-o", "json")
        assert ran.code == 3, ran.story()
        reasons = {each["reason"] for each in ran.report["unknown"] if each["rule"] == "ask"}
        assert reasons == {
            f"not allowed to create pods/portforward in {cluster.setup.namespace}"
        }, ran.story()
