"""Every fault and every odd but healthy cluster, by name.

A fault is one context manager in the file of its layer and one line of its table. It proves that
it bites before anything is made of it: a test on a fault that does not bite tests nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.cluster.faults import (
    corefile,
    distributions,
    filters,
    flows,
    healed,
    kept_port,
    names,
    node,
    nodelocal,
    odd,
    odd_dns,
    odd_path,
    odd_pod,
    path,
    plugin_policy,
    pod,
    pod_image,
    pod_start,
    policy,
    server,
    upstreams,
)
from tests.cluster.faults.fault import Fault

LAYERS = (
    pod,
    pod_image,
    pod_start,
    node,
    path,
    filters,
    flows,
    kept_port,
    policy,
    plugin_policy,
    nodelocal,
    server,
    corefile,
    upstreams,
    healed,
    names,
    odd,
    odd_pod,
    odd_dns,
    odd_path,
    distributions,
)
ALL = tuple(fault for layer in LAYERS for fault in layer.FAULTS)
FAULTS: Mapping[str, Fault] = {fault.name: fault for fault in ALL}
assert len(FAULTS) == len(ALL), "two faults of one name"

__all__ = ["FAULTS", "Fault"]
