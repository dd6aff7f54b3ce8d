"""CoreDNS may not read from the API what it answers from: its ClusterRole lacks something.

It never finishes its first sync, so the pods never become ready. Pods that had synced before go
on with what they know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubectl_dnsdebug.model import Confidence, Scope, Severity, Subject
from kubectl_dnsdebug.observe import dns_servers, logs, symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule

_FORBIDDEN = re.compile(
    r'forbidden: User "(?P<user>[^"]+)" cannot (?P<verb>\w+) resource "(?P<resource>[\w/]+)"'
    r'(?: in API group "(?P<group>[^"]*)")?'
)


@rule(
    "coredns-rbac",
    scope=Scope.CLUSTER,
    severity=Severity.ERROR,
    message="{user} may not {verb} {resource}, says {pod}{until}: CoreDNS does not learn of "
    "changes and, once restarted, never becomes ready.",
    remedy="Give the ClusterRole bound to {user} list and watch on services, pods, namespaces and "
    "discovery.k8s.io/endpointslices (older CoreDNS: endpoints too).",
    verify="kubectl auth can-i {verb} {resource} --as={user}",
    silent_when="no DNS pod logs that it is forbidden to read something, or one that serves has "
    "synced since.",
    explains=("dns-no-ready-endpoints", "coredns-api-unreachable", "coredns-replica-divergence"),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    serving = symptoms.dns_serves(seen)
    found = logs.recent(seen, "is forbidden")
    goes_on = logs.goes_on(seen, found)
    for id, line in found:
        said = _FORBIDDEN.search(line)
        pod = logs.pod_of(seen, id)
        if said is None or pod is None or (serving and pod.ready and _synced_later(seen, id, line)):
            continue
        group = f".{said['group']}" if said["group"] else ""
        yield Found(
            evidence=(id,),
            args={
                "user": said["user"],
                "verb": said["verb"],
                "resource": said["resource"] + group,
                "pod": pod.name,
                "until": "" if goes_on else f" ({logs.when(seen, found)})",
            },
            confidence=Confidence.CERTAIN if goes_on else Confidence.LIKELY,
            settles="" if goes_on else "`kubectl auth can-i`, as beneath",
            severity=None if not serving else Severity.WARNING if goes_on else Severity.INFO,
        )
        return
    if serving:
        return
    for pod in dns_servers.failing(seen):
        if pod.phase == "Running":
            seen.log(pod)  # raises Missing where it would have been said


def _synced_later(seen: Observed, id: str, line: str) -> bool:
    """Whether the same pod was restarted or reloaded since, as after a repair."""
    later = (text for other, text in logs.lines(seen, "CoreDNS-") if other == id)
    return any(text > line for text in later)
