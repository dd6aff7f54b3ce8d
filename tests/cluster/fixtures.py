"""Pytest fixtures: a running cluster for the whole session.

With DNSDEBUG_CLUSTER_KEEP=1 a running cluster is used as it is and left running, which makes
working on one scenario quick; otherwise one is started, and ended after the last test.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from tests.cluster.cluster import Cluster


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The test cluster, healthy and ready."""
    keep = bool(os.environ.get("DNSDEBUG_CLUSTER_KEEP"))
    running = Cluster()
    if not (keep and running.running):
        running.up(says=_say)
    try:
        yield running
    finally:
        if not keep:
            running.down()
