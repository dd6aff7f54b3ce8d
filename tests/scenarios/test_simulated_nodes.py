"""More nodes than there are: most are healthy, a pool of them is ill, and some are odd."""

from __future__ import annotations

from tests.cluster.cluster import Cluster
from tests.cluster.simulated.nodes import LABEL, Kind, kind_of, name
from tests.cluster.simulated.recording import FAULT, HOME, heard
from tests.cluster.simulated.simulation import simulation
from tests.scenarios.conftest import Tool

COUNT = 30
ODD = {Kind.SILENT, Kind.WINDOWS, Kind.VIRTUAL, Kind.TORN, Kind.STUCK}


def test_a_pool_that_is_ill_among_healthy_and_odd_nodes(cluster: Cluster, tool: Tool) -> None:
    with simulation(cluster, heard(cluster)) as simulated:
        simulated.add(range(COUNT), stuck=True)
        ran = tool("nodes", "-l", LABEL, *HOME, "--timeout", "60", "-o", "json")
        left = tool.leftovers()
    assert ran.code == 4, ran.story()
    groups = ran.report["sweep"]["groups"]
    (ill,) = (group for group in groups if group["health"] == "ill")
    kinds = {index: kind_of(index, stuck=True) for index in range(COUNT)}
    assert ill["nodes"] == [name(i, k) for i, k in kinds.items() if k is Kind.ILL]
    assert [cause["rule"] for cause in ill["causes"]] == [FAULT]
    assert "example.com/pool=blue" in [trait["value"] for trait in ill["traits"]]
    untested = [
        each for group in groups if group["health"] == "untested" for each in group["nodes"]
    ]
    assert sorted(untested) == sorted(name(i, k) for i, k in kinds.items() if k in ODD)
    assert not left
    assert cluster.kubectl("get", "nodes", "-o", "name").count("node/") == 3
