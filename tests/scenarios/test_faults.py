"""Every fault named, every healthy cluster left in peace: one run of the command for each.

DNSDEBUG_RECORD=1 keeps each run's evidence under tests/cases/, for the tests of the rules.
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.faults import FAULTS, Fault
from tests.cluster.shell import ClusterError
from tests.scenarios.conftest import CASES, Tool

FAULTY = [fault for fault in FAULTS.values() if fault.slug]
ODD = [fault for fault in FAULTS.values() if not fault.slug]


def test_the_healthy_cluster(cluster: Cluster, tool: Tool) -> None:
    ran = tool("pod/web", "-n", "shop", "-o", "json")
    assert (ran.code, ran.report["outcome"]) == (0, "healthy"), ran.story()
    assert ran.report["causes"] == [], ran.story()
    assert not tool.leftovers()


@pytest.mark.parametrize("fault", FAULTY, ids=lambda fault: fault.name)
def test_fault(cluster: Cluster, tool: Tool, fault: Fault) -> None:
    with broken(cluster, fault):
        ran = tool(fault.target, "-n", fault.namespace, "-o", "json", *fault.args, *keep(fault))
        assert ran.code in (0, 4), ran.story()
        assert ran.first == fault.slug, ran.story()
        errors = {c["rule"] for c in ran.report["causes"] if c["severity"] == "error"}
        assert errors <= {fault.slug}, f"false alarm: {errors}\n{ran.story()}"
        assert ran.code == (4 if errors else 0), ran.story()
        assert not tool.leftovers()


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
def test_healthy_but_odd(cluster: Cluster, tool: Tool, odd: Fault) -> None:
    with broken(cluster, odd):
        ran = tool(odd.target, "-n", odd.namespace, "-o", "json", *odd.args, *keep(odd))
        assert ran.code == 0, ran.story()
        assert ran.report["causes"] == [], ran.story()
        assert not tool.leftovers()


def broken(cluster: Cluster, fault: Fault) -> ExitStack:
    """The fault applied. A busy machine may spoil its proof once; the tool gets no second try."""
    for last in (False, True):
        stack = ExitStack()
        try:
            stack.enter_context(fault.applied(cluster))
        except ClusterError:
            if last:
                raise
        else:
            break
    return stack


def keep(fault: Fault) -> list[str]:
    if not os.environ.get("DNSDEBUG_RECORD"):
        return []
    folder = CASES / (fault.slug or "healthy") / fault.name
    folder.mkdir(parents=True, exist_ok=True)
    verdict = {"found": []} if fault.slug else {"clear": ["*"]}
    expect = folder / "expect.json"
    if not expect.exists():
        expect.write_text(json.dumps(verdict) + "\n")
    return ["--save", str(folder / "evidence.json")]
