"""End a cluster when the process that it is for has ended, however that came about.

A run of the tests may be killed, and the workers of a run in parallel are killed by an
interruption: nobody is left then to take their clusters down but a process of ours beside them.
"""

from __future__ import annotations

import sys
import time

from tests.cluster import shell
from tests.cluster.cluster import Cluster
from tests.cluster.daemons import is_alive


def post(cluster: Cluster, owner: str) -> None:
    """Leave a guard behind, who waits for the owner's end."""
    log = cluster.layout.home / f"guard{cluster.layout.index}.log"
    process = shell.start([sys.executable, "-m", "tests.cluster", "guard", owner], log=log)
    process.returncode = 0  # it outlives us on purpose


def stand(cluster: Cluster, owner: str) -> None:
    """What the guard does."""
    while is_alive(owner):
        time.sleep(0.5)
    cluster.down_for(owner)
