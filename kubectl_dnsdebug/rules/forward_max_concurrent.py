"""CoreDNS turns questions away because too many wait for an upstream at the same time.

A slow upstream or a flood of needless questions (ndots) fills the limit of the forward plugin.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Missing, Scope, Severity, Subject
from kubectl_dnsdebug.observe import logs, outside
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "forward-max-concurrent",
    scope=Scope.CLUSTER,
    severity=Severity.ERROR,
    message="DNS pod {pod} turned away names outside the cluster, {count} times {when}: {line}.",
    remedy="Make the upstream faster or the questions fewer (trailing dots, ndots, NodeLocal "
    "DNSCache, more cache), then raise max_concurrent: 2 KB of memory for each question.",
    verify="kubectl -n {namespace} logs {pod} | grep -c 'concurrent queries exceeded'",
    silent_when="no DNS pod logged of late that the limit was exceeded.",
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    found = logs.recent(seen, "concurrent queries exceeded maximum")
    if not found:
        if outside.failed(seen):
            seen.facts("log/")  # raises Missing where it would have been said
        return
    id, line = found[-1]
    pod = logs.pod_of(seen, id)
    try:
        failing = bool(outside.failed(seen))
    except Missing:
        failing = False
    yield Found(
        evidence=(id,),
        args={
            "pod": pod.name if pod else id.rpartition("/")[2],
            "namespace": pod.namespace if pod else id.split("/")[1],
            "count": len(found),
            "when": logs.when(seen, found),
            "line": logs.message(line).rstrip("."),
        },
        severity=_severity(failing, logs.goes_on(seen, found)),
    )


def _severity(failing: bool, goes_on: bool) -> Severity:
    """What fails now for another reason would be heard again, were this one in force."""
    if not goes_on:
        return Severity.INFO
    return Severity.ERROR if failing else Severity.WARNING
