"""CoreDNS may not read from the API what it answers from: its ClusterRole lacks something.

It never finishes its first sync, so the pods never become ready. Pods that had synced before go
on with what they know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubectl_dnsdebug.model import Scope, Severity, Subject
from kubectl_dnsdebug.observe import dns_servers, symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule

_FORBIDDEN = re.compile(
    r'forbidden: User "(?P<user>[^"]+)" cannot (?P<verb>\w+) resource "(?P<resource>[\w/]+)"'
    r'(?: in API group "(?P<group>[^"]*)")?'
)
# A watch that is refused is tried again, at the latest after about a minute.
_STILL = 180.0


@rule(
    "coredns-rbac",
    scope=Scope.CLUSTER,
    severity=Severity.ERROR,
    message="{user} may not {verb} {resource}, says {pod}: CoreDNS does not learn of changes and, "
    "once restarted, never becomes ready.",
    remedy="Give the ClusterRole bound to {user} list and watch on services, pods, namespaces and "
    "discovery.k8s.io/endpointslices (older CoreDNS: endpoints too).",
    verify="kubectl auth can-i {verb} {resource} --as={user}",
    explains=("dns-no-ready-endpoints", "coredns-api-unreachable", "coredns-replica-divergence"),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    serving = symptoms.dns_serves(seen)
    for id, line in dns_servers.recent_lines(seen, "is forbidden", within=_STILL):
        said = _FORBIDDEN.search(line)
        pod = dns_servers.pod_of_log(seen, id)
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
            },
            severity=Severity.WARNING if serving else None,
        )
        return
    if serving:
        return
    for pod in dns_servers.failing(seen):
        if pod.phase == "Running":
            seen.log(pod)  # raises Missing where it would have been said


def _synced_later(seen: Observed, id: str, line: str) -> bool:
    """Whether the same pod was restarted or reloaded since, as after a repair."""
    later = (text for other, text in dns_servers.lines(seen, "CoreDNS-") if other == id)
    return any(text > line for text in later)
