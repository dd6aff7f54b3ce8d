"""Pytest fixtures: a running cluster for the whole session.

With DNSDEBUG_CLUSTER_KEEP=1 a running cluster is used as it is and left running, which makes
working on one scenario quick; otherwise one is started, and ended after the last test. Each worker
of a run in parallel (`pytest -n 2`) has a cluster of its own, see `of_worker`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from tests.cluster import guard
from tests.cluster.cluster import Cluster
from tests.cluster.daemons import identity
from tests.cluster.shell import ClusterError


def of_worker(index: int, worker: str) -> int:
    """The number of the cluster of worker gw0, gw1, ... in a run of which `index` is the own.

    Far from the clusters that people start by hand, and from those of another index's run.
    """
    return 10 * (1 + index % 8) + int(worker.removeprefix("gw"))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _start(cluster: Cluster, owner: str) -> None:
    """Nobody supervises its daemons: where one gives up at the start, all begin once more."""
    try:
        cluster.up(owner=owner, says=_say)
    except ClusterError as wrong:
        _say(f"{wrong}\nonce more, from nothing")
        cluster.up(owner=owner, says=_say)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The test cluster, healthy and ready."""
    keep = bool(os.environ.get("DNSDEBUG_CLUSTER_KEEP"))
    running, owner = Cluster(), "" if keep else identity(os.getpid())
    if owner:
        guard.post(running, owner)
    if not (keep and running.running):
        _start(running, owner)
    try:
        yield running
    finally:
        if not keep:
            running.down()
