"""The nodes of a simulated cluster as API objects: most are healthy, in pools, and some odd."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

LABEL = "dnsdebug.test/simulated"  # its value is the power of ten above the node's number
KUBELET_PORT = 10350
NETWORK = "10.200"  # the first half of every simulated node's address
VERSIONS = ("v1.33.9", "v1.34.6", "v1.35.4")
KERNELS = ("6.1.0-41-amd64", "6.12.22-cloud-amd64")
IMAGES = 25  # of 50 that a kubelet reports: they are most of a node's size
CYCLE = 500  # nodes after which the odd ones come again


class Kind(StrEnum):
    """How a node is, and so what its pods say. Part of the node's name: kwok chooses by it."""

    PLAIN = "plain"
    ILL = "ill"  # its pods say what those of a broken node said
    TORN = "torn"  # their summaries have a wrong checksum
    STUCK = "stuck"  # they start and never end
    SILENT = "silent"  # NotReady: its kubelet does not report any more
    WINDOWS = "windows"
    VIRTUAL = "virtual"


TESTED = (Kind.PLAIN, Kind.ILL, Kind.TORN, Kind.STUCK)
# By the place in the cycle. Every tenth node, from ILL_PLACE on, is of the pool that is ill.
ODD = {0: Kind.SILENT, 1: Kind.WINDOWS, 2: Kind.VIRTUAL, 4: Kind.TORN}
CORDONED_PLACE = 3
STUCK_PLACE = 5
ILL_PLACE = 6


def kind_of(index: int, *, stuck: bool = False) -> Kind:
    """How the node of this number is; some never end their pods where `stuck` is asked for."""
    place = index % CYCLE
    if stuck and place == STUCK_PLACE:
        return Kind.STUCK
    return ODD.get(place, Kind.ILL if index % 10 == ILL_PLACE else Kind.PLAIN)


def nodes(numbers: Iterable[int], *, stuck: bool = False) -> Iterator[dict[str, Any]]:
    for index in numbers:
        yield node(index, kind_of(index, stuck=stuck))


def within(count: int) -> str:
    """The label selector of the first so many: a power of ten, or all there are."""
    return f"{LABEL} in ({','.join(sorted({_above(index) for index in range(count)}))})"


def _above(index: int) -> str:
    return str(10 ** len(str(index)))


def name(index: int, kind: Kind) -> str:
    return f"sim-{kind}-{index:05}"


def node(index: int, kind: Kind) -> dict[str, Any]:
    """As its kubelet would have registered it, status included."""
    pool = "blue" if kind is Kind.ILL else ("green", "grey")[index // 10 % 2]
    address = f"{NETWORK}.{index // 250}.{index % 250 + 1}"
    system = "windows" if kind is Kind.WINDOWS else "linux"
    labels = {
        LABEL: _above(index),
        "kubernetes.io/hostname": name(index, kind),
        "kubernetes.io/os": system,
        "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/region": "r1",
        "topology.kubernetes.io/zone": f"r1-{'abc'[index % 3]}",
        "node.kubernetes.io/instance-type": ("m.large", "m.xlarge")[index // 3 % 2],
        "example.com/pool": pool,
        **({"type": "virtual-kubelet"} if kind is Kind.VIRTUAL else {}),
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name(index, kind), "labels": labels},
        "spec": {
            "podCIDR": f"10.{128 + index // 256}.{index % 256}.0/24",
            "providerID": f"sim:///r1/{index}",
            **({"unschedulable": True} if index % 50 == CORDONED_PLACE else {}),
        },
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": address},
                {"type": "Hostname", "address": name(index, kind)},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": KUBELET_PORT}},
            "capacity": _SIZE,
            "allocatable": _SIZE,
            "conditions": list(_conditions(silent=kind is Kind.SILENT)),
            "nodeInfo": _info(index, pool, system),
            "images": _images(),
        },
    }


_SIZE = {"cpu": "8", "memory": "32Gi", "pods": "110"}


def _conditions(*, silent: bool) -> Iterator[dict[str, str]]:
    since = {"lastHeartbeatTime": "2026-01-01T00:00:00Z"}
    for kind, word in (("Memory", "Memory"), ("Disk", "Disk"), ("PID", "PID")):
        status = "Unknown" if silent else "False"
        yield {"type": f"{kind}Pressure", "status": status, "reason": f"Sufficient{word}", **since}
    ready = ("Unknown", "NodeStatusUnknown") if silent else ("True", "KubeletReady")
    yield {"type": "Ready", "status": ready[0], "reason": ready[1], **since}


def _info(index: int, pool: str, system: str) -> dict[str, str]:
    return {
        "architecture": "amd64",
        "bootID": f"00000000-0000-0000-0000-{index:012}",
        "containerRuntimeVersion": "containerd://2.1.4",
        "kernelVersion": KERNELS[pool == "blue"],
        "kubeProxyVersion": "",
        "kubeletVersion": VERSIONS[index // 7 % len(VERSIONS)],
        "machineID": f"{index:032}",
        "operatingSystem": system,
        "osImage": "Windows Server 2022" if system == "windows" else "Debian GNU/Linux 12",
        "systemUUID": f"00000000-0000-0000-0000-{index:012}",
    }


def _images() -> list[dict[str, Any]]:
    return [
        {
            "names": [
                f"registry.example.com/team-{place}/service@sha256:{place:064x}",
                f"registry.example.com/team-{place}/service:v1.{place}.0",
            ],
            "sizeBytes": 50_000_000 + place,
        }
        for place in range(IMAGES)
    ]
