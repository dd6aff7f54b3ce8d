"""DNS pods are killed for using more memory than their limit: gaps of seconds, or for good.

The default of 170Mi is too low for many pods and Services, `pods verified`, autopath, or a flood
of questions. A forwarding loop does it too.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Missing, Scope, Severity, Subject
from kubectl_dnsdebug.observe import logs, symptoms
from kubectl_dnsdebug.observe.objects import Pod, at
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule

HOUR = 3600.0  # seconds


@rule(
    "coredns-oom",
    scope=Scope.CLUSTER,
    severity=Severity.ERROR,
    message="DNS pod {pod} was killed for its memory (OOMKilled at {when}, {restarts} restarts, "
    "limit {limit}).",
    remedy="Raise the memory limit of the DNS pods, and look at what fills it: questions per "
    "second, "
    "number of Services and pods, plugins (pods verified, autopath).",
    verify="kubectl -n {namespace} describe pod {pod} | grep -A8 'Last State'",
    silent_when="no container of a DNS pod was last ended for its memory.",
    explains=("dns-no-ready-endpoints", "coredns-replica-divergence"),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    serving = symptoms.dns_serves(seen)
    try:
        pods = seen.dns_pods
    except Missing:
        if serving:
            return
        raise
    for pod in sorted(pods, key=lambda pod: -pod.restarts):
        ended = _killed(seen, pod)
        if logs.age(seen, ended) < logs.DAY:
            facts = (
                f.id for f in seen.evidence.facts if f.id.startswith(f"dns-pods/{pod.namespace}/")
            )
            yield Found(
                evidence=facts,
                args={
                    "pod": pod.name,
                    "namespace": pod.namespace,
                    "restarts": pod.restarts,
                    "when": logs.clock(ended),
                    "limit": _limit(pod),
                },
                severity=_severity(pod, serving, logs.age(seen, ended)),
            )
            return


def _severity(pod: Pod, serving: bool, age: float) -> Severity | None:
    """A pod that is back is not why names fail now; what was survived for an hour is worth
    knowing, after a day it is forgotten."""
    if not serving and (not pod.ready or age < logs.RECENT):
        return None
    return Severity.WARNING if age < HOUR else Severity.INFO


def _killed(seen: Observed, pod: Pod) -> str:
    """When a container of the pod was last killed so; empty where none was."""
    for status in at(pod.raw, "status", "containerStatuses", default=()):
        for state in ("state", "lastState"):
            ended = at(status, state, "terminated", default={})
            if ended.get("reason") == "OOMKilled":
                return str(ended.get("finishedAt") or "")
    return ""


def _limit(pod: Pod) -> str:
    limits = [
        str(at(c, "resources", "limits", "memory", default=""))
        for c in at(pod.raw, "spec", "containers", default=())
    ]
    return ", ".join(filter(None, limits)) or "none: the node ran out"
