"""--deep on a real cluster: causes that the node proves, and a node that may not be looked at."""

from __future__ import annotations

import json

import pytest

from tests.cluster.change import kubelets
from tests.cluster.cluster import Cluster
from tests.cluster.faults import FAULTS
from tests.cluster.faults.kept_port import kept_port
from tests.cluster.shell import wait_for
from tests.scenarios.conftest import Tool, broken

PROVEN = (
    "bridge-nf-off",
    "no-default-route",
    "kube-proxy-rules-missing",
    "conntrack-stale-udp",
    "host-loopback-nameserver",
    "runtime-fallback-8888",
    "conntrack-full",
    "ip-forward-off",
    "nodelocal-address-missing",
)
# What is named without a look at the node, never as certain. A port of one client shows nowhere
# else; of a full table only the loss is seen.
WITHOUT = {
    "bridge-nf-off": "bridge-nf-off",
    "kube-proxy-rules-missing": "kube-proxy-rules-missing",
    "ip-forward-off": "ip-forward-off",
}


@pytest.mark.parametrize("name", PROVEN)
def test_the_node_proves_it(cluster: Cluster, tool: Tool, name: str) -> None:
    fault = FAULTS[name]
    with broken(cluster, fault):
        ran = tool(fault.target, "-n", fault.namespace, "-o", "json", "--deep")
        assert ran.first == fault.slug, ran.story()
        first = ran.report["causes"][0]
        assert first["confidence"] == "certain", ran.story()
        assert any("#host." in id for id in first["evidence"]), ran.story()
        if name == "conntrack-stale-udp":
            address = cluster.kubectl.pods("shop", "victim")["status"]["podIP"]
            assert f"{address} port 40053" in first["message"], ran.story()
            assert "victim" in first["message"], ran.story()
        assert not tool.leftovers()


@pytest.mark.parametrize("name", WITHOUT)
def test_without_the_node_it_is_likely(cluster: Cluster, tool: Tool, name: str) -> None:
    fault = FAULTS[name]
    with broken(cluster, fault):
        ran = tool(fault.target, "-n", fault.namespace, "-o", "json")
        first = ran.report["causes"][0]
        assert first["rule"] == WITHOUT[name], ran.story()
        assert (first["confidence"], "--deep" in first["settles"]) == ("likely", True), ran.story()
        assert not tool.leftovers()


def test_nodes_are_looked_at_where_they_are_ill(cluster: Cluster, tool: Tool) -> None:
    with broken(cluster, FAULTS["bridge-nf-off"]):
        ran = tool("nodes", "--deep", "-n", "shop", "-o", "json")
        first = ran.report["causes"][0]
        assert (ran.first, first["subject"]) == ("bridge-nf-off", "node/w1"), ran.story()
        assert first["confidence"] == "certain", ran.story()
        looked = [m["what"] for m in ran.report["made"] if m["what"].endswith("-host")]
        assert len(looked) == 1, looked  # the ill one; the healthy one has a number
        assert not tool.leftovers()


def test_diff_shows_where_the_nodes_links_lead(cluster: Cluster, tool: Tool) -> None:
    """A kubelet that reads a link, as to the file of systemd-resolved."""
    folder = cluster.layout.state / "resolver"
    folder.mkdir(exist_ok=True)
    real, link = folder / "real.conf", folder / "link.conf"
    real.write_text(f"nameserver {cluster.layout.upstream}\nsearch corp.example\n")
    link.unlink(missing_ok=True)
    link.symlink_to(real)
    with kubelets(cluster, "w1", resolvConf=str(link)):
        for target in ("node/w1", "pod/web"):
            ran = tool("diff", target, "-n", "shop", "--deep", "-o", "json")
            columns = {each["key"]: each for each in ran.report["columns"]}
            assert columns["kubelet"]["path"] == str(link), ran.story()
            assert columns["kubelet"]["leads_to"] == str(real), ran.story()
            lines = {each["value"]: each for each in ran.report["lines"]}
            assert lines["corp.example"]["in"]["kubelet"], ran.story()
            assert not lines["corp.example"]["in"]["host"], ran.story()
            # A fresh pod has it; one from before the change does not.
            fresh = target == "node/w1"
            assert ran.code == (0 if fresh else 4), ran.story()
            assert lines["corp.example"]["in"]["pod"] is fresh, ran.story()
        assert not tool.leftovers()


def test_a_client_that_keeps_its_port(cluster: Cluster, tool: Tool) -> None:
    """From the restart of DNS to the client's recovery, with what its own log says all along."""
    stuck = "own lost, fresh answered"
    with kept_port(cluster) as client:
        ran = tool("pod/victim", "-n", "shop", "--deep", "-o", "json")
        assert ran.first == "conntrack-stale-udp", ran.story()
        first = ran.report["causes"][0]
        assert first["confidence"] == "certain", ran.story()
        for word in ("victim", f"port {client.port}", client.address, client.gone, "was restarted"):
            assert word in first["message"], (word, ran.story())
        assert client.says(stuck), client.log()  # it was so all the time
        client.heal()
        fine = "own answered, fresh answered"
        wait_for("the client recovers", lambda: client.says(fine), timeout=20)
        healed = tool("pod/victim", "-n", "shop", "--deep", "-o", "json")
        assert (healed.code, healed.report["outcome"]) == (0, "healthy"), healed.story()
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
