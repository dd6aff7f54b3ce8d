"""Spots, pod events and logs for tests of what stands somewhere and waits."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from kubectl_dnsdebug.model import Json, Role
from kubectl_dnsdebug.observe.objects import Pod, read_pod
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.plan import spots
from kubectl_dnsdebug.plan.spots import Spot
from tests import reports

RUN = "a1b2c3"
PODS = "/api/v1/namespaces/shop/pods"


def target(name: str = "web-1", **changes: Any) -> Pod:
    """A running pod of namespace shop on w1; `changes` replace whole sections."""
    data = reports.pod_data("shop", name, "w1", "10.244.1.20")
    data["metadata"]["uid"] = f"uid-of-{name}"
    for section, held in changes.items():
        data[section] = {**data[section], **held}
    return read_pod(data)


def all_spots(*pods: Pod, mode: str = "ephemeral") -> dict[Role, Spot]:
    """The spots of a run, by role: for one target."""
    chosen = pods or (target(),)
    seen = Observed(reports.evidence(targets=[pod.name for pod in chosen]))
    return {spot.role: spot for spot in spots.spots(seen, chosen, RUN, mode)}


def event(spot: Spot, state: Json | None = None, kind: str = "MODIFIED", **status: Any) -> str:
    """One line of a watch: the host of a spot with its container in that state."""
    listing = "ephemeralContainerStatuses" if spot.role is Role.TARGET else "containerStatuses"
    statuses = [] if state is None else [{"name": spot.container, "state": state}]
    item = {
        "metadata": {"name": spot.host, "namespace": spot.namespace},
        "status": {"phase": "Running", listing: statuses, **status},
    }
    return json.dumps({"type": kind, "object": item})


RUNNING = {"running": {"startedAt": "2025-01-01T00:00:00Z"}}
ENDED = {"terminated": {"exitCode": 0, "reason": "Completed"}}


def log(spot: Spot, ends: bool = True) -> list[str]:
    """What the runner prints when every probe gets one word back."""
    lines = ["= begin dnsdebug-runner/1"]
    for probe in spot.plan.probes:
        for id in probe.ids:
            lines += [f"{id} $ {' '.join(probe.argv)}", f"{id} > word", f"{id} . 0 1"]
    return [*lines, "= end 1"] if ends else lines


def text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
