"""--deep on a real cluster: causes that the node proves, and a node that may not be looked at."""

from __future__ import annotations

import json

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.faults import FAULTS
from tests.scenarios.conftest import Tool

PROVEN = (
    "bridge-nf-off",
    "no-default-route",
    "kube-proxy-rules-missing",
    "conntrack-stale-udp",
    "host-loopback-nameserver",
    "runtime-fallback-8888",
)


@pytest.mark.parametrize("name", PROVEN)
def test_the_node_proves_it(cluster: Cluster, tool: Tool, name: str) -> None:
    fault = FAULTS[name]
    with fault.applied(cluster):
        ran = tool(fault.target, "-n", fault.namespace, "-o", "json", "--deep")
        assert ran.first == fault.slug, ran.story()
        first = ran.report["causes"][0]
        assert first["confidence"] == "certain", ran.story()
        assert any("#host." in id for id in first["evidence"]), ran.story()
        if name == "conntrack-stale-udp":
            address = cluster.kubectl.get("pod", "victim", "-n", "shop")["status"]["podIP"]
            assert f"{address} port 40053" in first["message"], ran.story()
            assert "victim" in first["message"], ran.story()
        assert not tool.leftovers()


def test_a_healthy_cluster_stays_healthy(tool: Tool) -> None:
    ran = tool("pod/web", "-n", "shop", "--deep", "-o", "json")
    assert (ran.code, ran.report["outcome"]) == (0, "healthy"), ran.story()
    made = [each["what"] for each in ran.report["made"]]
    assert any(what.startswith("pod/kube-system/") for what in made), made
    assert not tool.leftovers()


def test_a_dry_run_shows_the_privileged_pod_and_what_it_needs(tool: Tool) -> None:
    ran = tool("pod/web", "-n", "shop", "--deep", "--dry-run")
    assert ran.code == 0, ran.story()
    assert "privileged: true" in ran.out
    assert "create pods in kube-system: yes" in ran.out
    assert not tool.leftovers()


def test_a_namespace_that_refuses_privileged_pods(cluster: Cluster, tool: Tool) -> None:
    level = {"pod-security.kubernetes.io/enforce": "baseline"}
    cluster.kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": "guarded", "labels": level},
        }
    )
    try:
        with FAULTS["bridge-nf-off"].applied(cluster):
            options = ("--deep", "--deep-namespace", "guarded")
            ran = tool("pod/web", "-n", "shop", *options, "-o", "json")
        assert ran.first == "bridge-nf-off", ran.story()
        assert ran.report["causes"][0]["confidence"] == "likely", ran.story()
        said = json.dumps(ran.report["unknown"])
        assert "namespace guarded refuses privileged pods" in said, ran.story()
        assert "--deep-namespace" in said, ran.story()
        assert not tool.leftovers()
    finally:
        cluster.kubectl.delete("namespace", "guarded")
