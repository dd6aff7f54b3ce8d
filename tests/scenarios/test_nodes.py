"""Nodes as targets: one, all, and those that cannot answer; nothing left, and what came in kept."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.change import paused
from tests.cluster.cluster import Cluster
from tests.cluster.faults import FAULTS
from tests.scenarios.conftest import Ran, Tool

ALL = {"cp", "w1", "w2"}
HOME = ("-n", "shop")


def rows(ran: Ran) -> dict[str, Any]:
    """The nodes of the report by name."""
    return {row["node"]: row for row in ran.report["sweep"]["nodes"]}


def swept(saved: Path) -> dict[str, Any]:
    """What the evidence holds of each node."""
    facts = json.loads(saved.read_text())["facts"]
    return {f["id"].removeprefix("swept/"): f for f in facts if f["id"].startswith("swept/")}


def test_one_healthy_node(tool: Tool) -> None:
    ran = tool("node/w1", *HOME, "-o", "json")
    assert ran.code == 0, ran.story()
    assert set(rows(ran)) == {"w1"}
    assert len(ran.report["made"]) == 3
    assert not tool.leftovers()


@pytest.mark.parametrize("words", [["nodes"], ["no/cp", "node/w1", "nodes/w2"]])
def test_every_node_the_tainted_one_too(tool: Tool, tmp_path: Path, words: list[str]) -> None:
    saved = tmp_path / "evidence.json"
    ran = tool(*words, *HOME, "-o", "json", "--save", str(saved))
    assert ran.code == 0, ran.story()
    assert set(rows(ran)) == ALL
    assert {f["state"] for f in swept(saved).values()} == {"got"}
    again = tool("replay", str(saved), "-o", "json")
    assert (again.code, again.out) == (ran.code, ran.out)
    assert not tool.leftovers()


def test_nodes_by_their_labels(cluster: Cluster, tool: Tool) -> None:
    cluster.kubectl("label", "node", "w2", "pool=blue")
    try:
        ran = tool("nodes", "-l", "pool=blue", *HOME, "-o", "json")
        assert set(rows(ran)) == {"w2"}, ran.story()
    finally:
        cluster.kubectl("label", "node", "w2", "pool-")
    ran = tool("nodes", "-l", "pool=blue", *HOME)
    assert ran.code == 1
    assert "no node has labels pool=blue" in ran.err


def test_a_cordoned_node_is_tested(cluster: Cluster, tool: Tool) -> None:
    cluster.kubectl("cordon", "w2")
    try:
        ran = tool("node/w2", *HOME, "-o", "json")
        assert ran.code == 0, ran.story()
    finally:
        cluster.kubectl("uncordon", "w2")
    assert not tool.leftovers()


def test_a_dead_kubelet_delays_no_other_node(cluster: Cluster, tool: Tool, tmp_path: Path) -> None:
    """Its node is still called Ready: the API server has not noticed yet."""
    saved = tmp_path / "evidence.json"
    with paused(cluster, cluster.agents("w2").kubelet):
        ran = tool("nodes", *HOME, "-o", "json", "--save", str(saved))
        leftovers = tool.leftovers()
    assert ran.code == 3, ran.story()
    found = swept(saved)
    assert "took no pod" in found["w2"]["data"]["failures"]["control"]
    assert set(found["w1"]["data"]["summaries"]) == {"control", "default"}
    assert set(found["cp"]["data"]["summaries"]) == {"control", "default"}
    assert not leftovers
    cluster.wait_ready()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_yields_what_came_in(
    cluster: Cluster, tool: Tool, tmp_path: Path, number: signal.Signals
) -> None:
    saved = tmp_path / "evidence.json"
    with paused(cluster, cluster.agents("w2").kubelet):
        process = tool.start("nodes", *HOME, "-o", "json", "--save", str(saved))
        for line in process.stderr or ():
            if "2 of 3 nodes done" in line:
                break
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        leftovers = tool.leftovers()
    assert process.returncode == 128 + number, err
    assert "Traceback" not in err
    assert {row["node"] for row in json.loads(out)["sweep"]["nodes"]} == ALL
    found = swept(saved)
    assert [f["state"] for f in (found["cp"], found["w1"])] == ["got", "got"]
    assert "interrupted" in found["w2"]["reason"]
    assert not leftovers
    cluster.wait_ready()


@pytest.mark.parametrize("after", [0.6, 1.2, 2.0])
def test_an_interruption_at_any_moment_leaves_nothing(tool: Tool, after: float) -> None:
    process = tool.start("nodes", *HOME, "-o", "json")
    time.sleep(after)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert abs(process.returncode) in (143, 15, 0), err
    assert "Traceback" not in err
    assert not tool.leftovers()


def test_what_a_killed_sweep_leaves_is_found_and_removed(cluster: Cluster, tool: Tool) -> None:
    process = tool.start("nodes", *HOME, "--timeout", "30")
    for _ in range(80):
        time.sleep(0.1)
        if tool.leftovers():
            break
    process.kill()
    process.communicate(timeout=30)
    left = cluster.kubectl.get("pods", *HOME, "-l", "app.kubernetes.io/managed-by=kubectl-dnsdebug")
    assert tool("cleanup", *HOME, "--yes").code == 0
    assert not tool.leftovers()
    assert left["items"]
    assert all(0 < pod["spec"]["activeDeadlineSeconds"] <= 60 for pod in left["items"])


def test_an_image_that_cannot_be_pulled(tool: Tool) -> None:
    ran = tool("nodes", *HOME, "--image", "dnsdebug.test/nowhere:1", "-o", "json")
    assert ran.code == 3, ran.story()
    assert "Pull" in json.dumps(ran.report["unknown"]), ran.story()
    assert not tool.leftovers()


@contextmanager
def namespace(cluster: Cluster, name: str, **labels: str) -> Iterator[None]:
    meta = {"name": name, "labels": labels}
    cluster.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
    try:
        yield
    finally:
        cluster.kubectl.delete("namespace", name)


def test_a_namespace_that_refuses_the_node_s_own_network(
    cluster: Cluster, tool: Tool, tmp_path: Path
) -> None:
    """The second look is a gap there; the first tells what it tells."""
    saved = tmp_path / "evidence.json"
    level = {"pod-security.kubernetes.io/enforce": "restricted"}
    with namespace(cluster, "strict", **level):
        assert tool("nodes", "-n", "strict").code == 0
        with FAULTS["coredns-scaled-to-zero"].applied(cluster):
            ran = tool("node/w1", "-n", "strict", "-o", "json", "--save", str(saved))
    assert ran.code == 4, ran.story()
    told = swept(saved)["w1"]["data"]
    assert set(told["summaries"]) == {"control", "default"}
    assert "violates PodSecurity" in told["failures"]["hostnet"]
    assert not tool.leftovers()


def test_a_quota_makes_it_slower(cluster: Cluster, tool: Tool) -> None:
    with namespace(cluster, "tight"):
        cluster.kubectl.apply(
            {
                "apiVersion": "v1",
                "kind": "ResourceQuota",
                "metadata": {"name": "pods", "namespace": "tight"},
                "spec": {"hard": {"pods": "2"}},
            }
        )
        time.sleep(1)  # until it is counted
        ran = tool("nodes", "-n", "tight", "--timeout", "60", "-o", "json")
        assert ran.code == 0, ran.story()
        assert set(rows(ran)) == ALL
        assert not tool.leftovers()


def test_a_user_without_permission(tool: Tool) -> None:
    ran = tool("nodes", *HOME, "--as", "nobody-special")
    assert ran.code == 1
    assert "not allowed to list nodes" in ran.err
    ran = tool("node/w1", *HOME, "--as", "nobody-special", "-o", "json")
    assert ran.code == 3, ran.story()
    assert "create pods" in json.dumps(ran.report["unknown"]), ran.story()
    assert ran.report["made"] == []


def test_a_dry_run(tool: Tool) -> None:
    ran = tool("nodes", *HOME, "--dry-run")
    assert ran.code == 0, ran.story()
    pods = [each for each in yaml.safe_load_all(ran.out) if each]
    assert [pod["spec"].get("hostNetwork", False) for pod in pods] == [False, False, True, True]
    assert "3 nodes, 3 at a time" in ran.out
    assert "create pods in shop: yes" in ran.out
    assert not tool.leftovers()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["pod/web", "node/w1"], 2, "only one kind"),
        (["node/w1", "-l", "a=b"], 2, "-l chooses among all nodes"),
        (["node/w1", "--mode", "sibling"], 2, "--mode is for pods"),
        (["node/nowhere"], 1, "node/nowhere does not exist"),
        (["node/"], 2, "is no name of a node"),
        (["node/..%2f"], 2, "is no name of a node"),
    ],
)
def test_words_that_mean_nothing(tool: Tool, words: list[str], code: int, says: str) -> None:
    ran = tool(*words, *HOME)
    assert (ran.code, says in ran.err) == (code, True), ran.story()
    assert not tool.leftovers()
