"""Every fault and every odd but healthy cluster, by name.

A fault is one context manager in the file of its layer and one line of its table. It proves that
it bites before anything is made of it: a test on a fault that does not bite tests nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.cluster.faults import node, path, pod, server
from tests.cluster.faults.fault import Fault

ALL = (*pod.FAULTS, *node.FAULTS, *path.FAULTS, *server.FAULTS)
FAULTS: Mapping[str, Fault] = {fault.name: fault for fault in ALL}
assert len(FAULTS) == len(ALL), "two faults of one name"

__all__ = ["FAULTS", "Fault"]
