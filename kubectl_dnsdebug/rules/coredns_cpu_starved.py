"""DNS pods do not get the CPU time to answer in time: they fail their own health check.

Cluster names, which need no upstream, are slow as well. A CPU limit, a busy node, or too few pods.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Confidence, Scope, Severity, Subject
from kubectl_dnsdebug.observe import logs, symptoms
from kubectl_dnsdebug.observe.objects import Pod, at
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule

SLOW = 250.0  # ms for a name out of CoreDNS's own memory


@rule(
    "coredns-cpu-starved",
    scope=Scope.CLUSTER,
    severity=Severity.WARNING,
    message="DNS pod {pod} is too slow for its own health check, {count} times {when}: {line}. "
    "CPU "
    "limit: {limit}; cluster names took up to {slowest}.",
    remedy="Remove the CPU limit of the DNS pods or raise it, add replicas, and see what else "
    "keeps "
    "{node} busy.",
    verify="kubectl -n {namespace} logs {pod} | grep 'plugin/health'",
    silent_when="no DNS pod logs that it failed to ask its own health endpoint in time.",
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    found = logs.recent(seen, "plugin/health: Local health request")
    if not found and not symptoms.dns_serves(seen):
        seen.facts("log/")  # raises Missing where it would have been said
    for id, line in found[-1:]:
        pod = logs.pod_of(seen, id)
        if pod is None:
            return
        # Of its own names only: those outside are as slow as the upstream.
        own = [a for a in seen.answers if a.server in pod.ips and "#reach." in a.id]
        slowest = max((a.ms for a in own if a.ms), default=0.0)
        yield Found(
            evidence=(id,),
            args={
                "pod": pod.name,
                "namespace": pod.namespace,
                "node": pod.node,
                "count": len(found),
                "when": logs.when(seen, found),
                "line": logs.message(line).rstrip("."),
                "limit": _limit(pod),
                "slowest": f"{slowest:.0f} ms",
            },
            confidence=Confidence.CERTAIN if slowest > SLOW else Confidence.LIKELY,
            settles="" if slowest > SLOW else "throttling counters of the DNS containers",
            severity=None if logs.goes_on(seen, found) or slowest > SLOW else Severity.INFO,
        )


def _limit(pod: Pod) -> str:
    limits = [
        str(at(c, "resources", "limits", "cpu", default=""))
        for c in at(pod.raw, "spec", "containers", default=())
    ]
    return ", ".join(filter(None, limits)) or "none"
