"""kwok's configuration: how the tool's pods fare on simulated nodes, and nobody else's anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from kubectl_dnsdebug.plan.manifests import MANAGED_BY, MANAGER, ROLE
from tests.cluster.simulated.answers import Answers
from tests.cluster.simulated.nodes import TESTED, Kind

API = "kwok.x-k8s.io/v1alpha1"
# Milliseconds, the least and the most: a sandbox and an image that is there; the probes.
STARTS = (300, 900)
RUNS = (1500, 3000)

STARTED = """\
{{ $now := Now }}
phase: Running
startTime: {{ $now | Quote }}
conditions:
- type: Ready
  status: "True"
  lastTransitionTime: {{ $now | Quote }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: true
  restartCount: 0
  state:
    running:
      startedAt: {{ $now | Quote }}
{{ end }}
"""
ENDED = """\
{{ $now := Now }}
phase: Succeeded
conditions:
- type: Ready
  status: "False"
  reason: PodCompleted
  lastTransitionTime: {{ $now | Quote }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: false
  restartCount: 0
  state:
    terminated:
      exitCode: 0
      reason: Completed
      finishedAt: {{ $now | Quote }}
      message: MESSAGE
{{ end }}
"""


def configuration(answers: Answers) -> str:
    """The file that kwok reads."""
    return "\n---\n".join(json.dumps(each) for each in _documents(answers))


def _documents(answers: Answers) -> Iterator[dict[str, Any]]:
    yield {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokConfiguration",
        "options": {
            # Leases of thousands would keep the API server busy: the node controller is told to
            # be patient instead.
            "nodeLeaseDurationSeconds": 0,
            "nodePlayStageParallelism": 1,
            "podPlayStageParallelism": 16,
            "podsOnNodeSyncParallelism": 4,
        },
    }
    # kwok watches no nodes without a stage for them. They are registered as they are to be.
    yield _stage("node-never", "Node", [_in(".metadata.name", "none")], {"delete": False})
    ours = {MANAGED_BY: MANAGER}
    # Nothing removes them: they have no grace period, and are gone once they are deleted.
    alive = [{"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"}]
    yield _stage(
        "pod-starts",
        "Pod",
        [*alive, _in(".status.phase", "Pending"), _of(*TESTED)],
        {"statusTemplate": STARTED},
        labels=ours,
        delay=STARTS,
    )
    for kind, roles in answers.items():
        for role, said in roles.items():
            yield _stage(
                f"pod-ends-{kind}-{role}",
                "Pod",
                [*alive, _in(".status.phase", "Running"), _of(kind)],
                {"statusTemplate": ENDED.replace("MESSAGE", json.dumps(said.summary))},
                labels={**ours, ROLE: role},
                delay=RUNS,
            )


def _in(key: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": "In", "values": list(values)}


def _of(*kinds: Kind) -> dict[str, Any]:
    """Pods on nodes of these kinds, by the nodes' names."""
    return _in('.spec.nodeName | split("-") | .[1]', *kinds)


def _stage(
    name: str,
    kind: str,
    expressions: list[dict[str, Any]],
    then: dict[str, Any],
    *,
    labels: dict[str, str] | None = None,
    delay: tuple[int, int] | None = None,
) -> dict[str, Any]:
    times = ("durationMilliseconds", "jitterDurationMilliseconds")
    return {
        "apiVersion": API,
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {
                **({"matchLabels": labels} if labels else {}),
                "matchExpressions": expressions,
            },
            **({"delay": dict(zip(times, delay, strict=True))} if delay else {}),
            "next": then,
        },
    }
