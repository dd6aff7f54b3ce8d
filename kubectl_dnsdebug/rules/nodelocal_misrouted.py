"""The DNS cache of the node answers, but cannot get cluster names from the DNS pods behind it.

It asks them over TCP through a Service of its own (kube-dns-upstream), which may have no
endpoints, or TCP is blocked, or its configuration names another address.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Confidence, Scope, Severity, Status, Subject
from kubectl_dnsdebug.observe import dns_servers, symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule

_BAD = (Status.SERVFAIL, Status.REFUSED, Status.NXDOMAIN)


@rule(
    "nodelocal-misrouted",
    scope=Scope.NODE,
    severity=Severity.ERROR,
    message="The DNS cache of {node} at {server} runs but gets no cluster names from the DNS pods: "
    "{what} for {name}, which they resolve when asked directly.",
    remedy="Repair the way of the node cache to the DNS pods: endpoints of its upstream Service, "
    "TCP "
    "to port 53, the forward addresses and zones in its ConfigMap.",
    verify="dig @{server} {name}; dig @{replica} +tcp {name}   # from a pod on {node}",
    silent_when="the cache answers for the cluster's names, it does not run at all, or the DNS "
    "pods do not know the name either.",
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    place = symptoms.place(seen, subject)
    for server in seen.conf(place).nameservers:
        if not seen.is_node_cache(server):
            continue
        reach = seen.reach(place, server)
        bad = [a for a in reach.answers if a.status in _BAD]
        what = bad[0].status.value.upper() if bad else f"no answer ({reach.summary})"
        if not bad and not (reach.dead and not reach.saw(*symptoms.INSTANT)):
            continue
        asked = (bad or reach.answers)[0]
        good = [
            a
            for _, direct in symptoms.replicas_seen(seen, place)
            for a in direct.answers
            if a.status is Status.NOERROR and a.records and a.name == asked.name
        ]
        if not good or not (bad or _runs(seen, subject)):
            continue
        yield Found(
            evidence=(
                asked.id,
                good[0].id,
                *(() if bad else (f"system-pods/{subject.name}",)),
            ),
            args={
                "node": subject.name,
                "server": server,
                "what": what,
                "name": asked.name,
                "replica": good[0].server,
            },
            confidence=Confidence.LIKELY,
            settles="the node cache's log and ConfigMap"
            + ("" if bad else f", and whether the node still has the address {server} (--deep)"),
        )
        return


def _runs(seen: Observed, subject: Subject) -> bool:
    """Whether kubelet finds the cache's pod ready: then it is there and waits in vain. Raises
    Missing."""
    caches = dns_servers.node_caches(seen, subject.name)
    return bool(caches) and all(pod.ready and not pod.terminating for pod in caches)
