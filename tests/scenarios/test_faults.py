"""Every fault named, every healthy cluster left in peace: one run of the command for each.

DNSDEBUG_RECORD=1 keeps each run's evidence under tests/cases/, for the tests of the rules.
"""

from __future__ import annotations

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.faults import FAULTS, Fault
from tests.scenarios.conftest import Ask, Tool, broken

FAULTY = [fault for fault in FAULTS.values() if fault.slug]
ODD = [fault for fault in FAULTS.values() if not fault.slug]


def test_the_healthy_cluster(cluster: Cluster, tool: Tool) -> None:
    ran = tool("pod/web", "-n", "shop", "-o", "json")
    assert (ran.code, ran.report["outcome"]) == (0, "healthy"), ran.story()
    assert ran.report["causes"] == [], ran.story()
    assert not tool.leftovers()


@pytest.mark.parametrize("fault", FAULTY, ids=lambda fault: fault.name)
def test_fault(cluster: Cluster, tool: Tool, ask: Ask, fault: Fault) -> None:
    with broken(cluster, fault):
        ran = ask(fault)
        assert ran.code in (0, 4), ran.story()
        assert ran.first == fault.slug, ran.story()
        errors = {c["rule"] for c in ran.report["causes"] if c["severity"] == "error"}
        assert errors <= {fault.slug}, f"false alarm: {errors}\n{ran.story()}"
        assert ran.code == (4 if errors else 0), ran.story()
        assert not tool.leftovers()


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
def test_healthy_but_odd(cluster: Cluster, tool: Tool, ask: Ask, odd: Fault) -> None:
    with broken(cluster, odd):
        ran = ask(odd)
        assert ran.code == 0, ran.story()
        assert ran.report["causes"] == [], ran.story()
        assert not tool.leftovers()
