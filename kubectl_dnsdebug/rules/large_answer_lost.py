"""Answers of a certain size get lost: the upstream sends more than fits and CoreDNS cannot read it.

Particular names fail while others are fine. Large datagrams may also be cut into fragments that
a firewall drops on the way to the pod.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Confidence, Scope, Severity, Subject
from kubectl_dnsdebug.observe import logs, symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule

_WORDS = (
    "overflow unpacking uint16",
    "overflow unpacking uint32",
    "overflowing header size",
    "buffer size too small",
)


@rule(
    "large-answer-lost",
    scope=Scope.CLUSTER,
    severity=Severity.WARNING,
    message="DNS pod {pod} cannot read answers of its upstream, {count} times {when}: {line}.",
    remedy="Forward with force_tcp, add 'bufsize 1232' to the Corefile, update CoreDNS (after "
    "1.10.1), and have the upstream keep to the size that it is offered.",
    verify="kubectl -n {namespace} logs {pod} | grep -E 'overflow|buffer size too small'",
    silent_when="no DNS pod logs that an answer was too large or could not be read.",
    explains=("upstream-timeout",),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    found = [
        (id, line)
        for id, line in logs.recent(seen, "plugin/errors")
        if any(words in line for words in _WORDS)
    ]
    if not found and not symptoms.dns_serves(seen):
        seen.facts("log/")  # raises Missing where it would have been said
    for id, line in found[-1:]:
        pod = logs.pod_of(seen, id)
        if pod is not None:
            yield Found(
                evidence=(id,),
                args={
                    "pod": pod.name,
                    "namespace": pod.namespace,
                    "count": len(found),
                    "when": logs.when(seen, found),
                    "line": logs.message(line).rstrip("."),
                },
                confidence=Confidence.CERTAIN,
                severity=None if logs.goes_on(seen, found) else Severity.INFO,
            )
