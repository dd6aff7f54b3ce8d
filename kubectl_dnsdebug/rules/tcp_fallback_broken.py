"""DNS over TCP does not get through, though UDP does: answers too large for a datagram are lost.

A server marks such an answer as truncated and the client asks again over TCP. Names with few
addresses resolve, names with many do not.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Confidence, Missing, Scope, Severity, Subject, Transport
from kubectl_dnsdebug.observe import contrast, symptoms
from kubectl_dnsdebug.observe.objects import Endpoint
from kubectl_dnsdebug.observe.observed import Observed, Reach
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "tcp-fallback-broken",
    scope=Scope.POD,
    severity=Severity.ERROR,
    message="{pod} reaches {server} over UDP but not over TCP ({summary}; {direct}): answers too "
    "large for a datagram are lost.",
    remedy="Let TCP port {port} pass to the DNS pods wherever UDP does: firewalls, security "
    "groups, "
    "NetworkPolicies, the DNS Service's ports.",
    verify="dig @{address} +tcp +tries=1 +time=2 {name}   # from the pod",
    on_nodes=True,
    silent_when="TCP to the Service and to each DNS pod is answered, or UDP is not answered "
    "either.",
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    place = seen.own(subject)
    named = False
    for udp, tcp in zip(
        symptoms.service_reach(seen, place),
        symptoms.service_reach(seen, place, Transport.TCP),
        strict=True,
    ):
        if not udp.fine or not tcp.dead:
            continue
        direct = [reach for _, reach in symptoms.replicas_seen(seen, place, Transport.TCP)]
        blocked = direct and all(reach.dead for reach in direct)
        named = True
        yield Found(
            evidence=(*symptoms.ids(tcp), udp.ids[0], *(r.ids[0] for r in direct)),
            args={
                "pod": subject.name,
                "server": tcp.server,
                "address": tcp.server,
                "summary": tcp.summary,
                "direct": "no DNS pod answers over TCP either, asked directly"
                if blocked
                else "the DNS pods answer over TCP when asked directly"
                if direct
                else "the DNS pods could not be asked directly",
                "port": tcp.answers[0].port,
                "name": tcp.answers[0].name,
            },
        )
    if not named:
        yield from _one_dns_pod(seen, subject)


_ENOUGH = 3  # questions over TCP that a way which loses none over UDP does not lose all


def _one_dns_pod(seen: Observed, subject: Subject) -> Iterator[Found]:
    """One DNS pod of several that answers over UDP alone: a part of the large answers is lost."""
    try:
        ready = [endpoint for endpoint in seen.dns_endpoints if endpoint.ready]
    except Missing:
        return  # what lies behind the Service is not known, and the Service answers
    place = seen.own(subject)
    node = place.node
    # Of the Service those are lost that went to that DNS pod.
    passed_on = symptoms.service_reach(seen, place, Transport.TCP)
    lost = [a.id for reach in passed_on for a in reach.answers if a.status.is_silence]
    for endpoint in ready:
        over = {each: _from_node(seen, node, endpoint, each) for each in Transport}
        udp, tcp = over[Transport.UDP], over[Transport.TCP]
        if udp.fine and tcp.dead and tcp.silent >= _ENOUGH:
            yield Found(
                evidence=(*symptoms.ids(tcp), udp.ids[0], *lost),
                args={
                    "pod": subject.name,
                    "server": f"DNS pod {endpoint.pod or endpoint.ip} on {endpoint.node}",
                    "summary": tcp.summary,
                    "direct": f"one of {len(ready)} DNS pods",
                    "port": endpoint.ports.get(Transport.TCP, tcp.answers[0].port),
                    "address": endpoint.ip,
                    "name": tcp.answers[0].name,
                },
                confidence=Confidence.LIKELY,
                settles=f"the packet filters of {node} and {endpoint.node}",
                severity=Severity.WARNING,
            )
            return


def _from_node(seen: Observed, node: str, endpoint: Endpoint, over: Transport) -> Reach:
    asked = contrast.from_node(seen, node, endpoint, over)
    return Reach(endpoint.ip, over, tuple(answer for reach in asked for answer in reach.answers))
