"""The DNS cache of the node answers, but cannot get cluster names from the DNS pods behind it.

It asks them over TCP through a Service of its own (kube-dns-upstream), which may have no
endpoints, or TCP is blocked, or its configuration names another address.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug import symptoms
from kubectl_dnsdebug.model import Confidence, Scope, Severity, Status, Subject
from kubectl_dnsdebug.observe import Observed
from kubectl_dnsdebug.rule import Found, rule

_BAD = (Status.SERVFAIL, Status.REFUSED, Status.NXDOMAIN)


@rule(
    "nodelocal-misrouted",
    scope=Scope.NODE,
    severity=Severity.ERROR,
    message="The DNS cache of {node} at {server} answers {rcode} for {name}, which the DNS pods "
    "resolve when asked directly.",
    remedy="Repair the way of the node cache to the DNS pods: endpoints of its upstream Service, "
    "TCP "
    "to port 53, the forward addresses and zones in its ConfigMap.",
    verify="dig @{server} {name}; dig @{replica} +tcp {name}   # from a pod on {node}",
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    place = symptoms.place(seen, subject)
    for server in seen.conf(place).nameservers:
        if not seen.is_node_cache(server):
            continue
        bad = [a for a in seen.reach(place, server).answers if a.status in _BAD]
        good = [
            a
            for _, reach in symptoms.replicas_seen(seen, place)
            for a in reach.answers
            if a.status is Status.NOERROR and a.records and bad and a.name == bad[0].name
        ]
        if bad and good:
            yield Found(
                evidence=(bad[0].id, good[0].id),
                args={
                    "node": subject.name,
                    "server": server,
                    "rcode": bad[0].status.value.upper(),
                    "name": bad[0].name,
                    "replica": good[0].server,
                },
                confidence=Confidence.LIKELY,
                settles="the node cache's log and ConfigMap",
            )
            return
