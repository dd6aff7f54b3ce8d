"""Keep a fault applied after `break` has returned, until `heal` ends it.

A fault is a context manager, and somebody must stay inside it: a process of ours, among the
cluster's daemons, that heals when it is told to end.
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from tests.cluster.cluster import Cluster
from tests.cluster.faults import FAULTS, Fault
from tests.cluster.shell import ClusterError, wait_for

HEAL_SECONDS = 180


def find(name: str) -> Fault:
    if name not in FAULTS:
        raise ClusterError(f"no fault {name}; there are: {', '.join(FAULTS)}")
    return FAULTS[name]


def _daemon(name: str) -> str:
    return f"fault-{name}"


def _mark(cluster: Cluster, name: str) -> Path:
    return cluster.layout.state / "faults" / name


def held(cluster: Cluster) -> list[str]:
    """The faults that the cluster has now."""
    return [name for name in FAULTS if cluster.daemons.pid(_daemon(name)) is not None]


def break_(cluster: Cluster, name: str) -> Fault:
    """Apply a fault, return once it bites, and leave it so."""
    fault, mark = find(name), _mark(cluster, name)
    if name in held(cluster):
        return fault
    mark.unlink(missing_ok=True)
    log = cluster.layout.log(_daemon(name))
    log.unlink(missing_ok=True)
    cluster.daemons.start(_daemon(name), [sys.executable, "-m", "tests.cluster", "hold", name])
    wait_for(
        f"the fault {name} bites; see {log}",
        lambda: mark.exists() or name not in held(cluster),
        timeout=HEAL_SECONDS,
    )
    if not mark.exists():
        raise ClusterError(f"cannot break it: {log.read_text().strip()[-2000:]}")
    return fault


def heal(cluster: Cluster, name: str) -> None:
    """Undo it, and return when the cluster is healthy."""
    find(name)
    if name not in held(cluster):
        raise ClusterError(f"the fault {name} is not applied")
    cluster.daemons.stop(_daemon(name), grace=HEAL_SECONDS)
    mark = _mark(cluster, name)
    if mark.exists():
        raise ClusterError(f"not healed; see {cluster.layout.log(_daemon(name))}")


def hold(cluster: Cluster, name: str) -> None:
    """What the process of `break` runs."""
    told_to_end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told_to_end.set())
    mark = _mark(cluster, name)
    mark.parent.mkdir(exist_ok=True)
    with find(name).applied(cluster):
        mark.touch()
        told_to_end.wait()
    mark.unlink()
