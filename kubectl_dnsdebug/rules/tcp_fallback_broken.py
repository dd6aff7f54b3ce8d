"""DNS over TCP does not get through, though UDP does: answers too large for a datagram are lost.

A server marks such an answer as truncated and the client asks again over TCP. Names with few
addresses resolve, names with many do not.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Scope, Severity, Subject, Transport
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.observed import Observed
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
    verify="dig @{server} +tcp +tries=1 +time=2 {name}   # from the pod",
    on_nodes=True,
    silent_when="TCP to the Service is answered, or UDP is not answered either.",
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    place = seen.own(subject)
    for udp, tcp in zip(
        symptoms.service_reach(seen, place),
        symptoms.service_reach(seen, place, Transport.TCP),
        strict=True,
    ):
        if not udp.fine or not tcp.dead:
            continue
        direct = [reach for _, reach in symptoms.replicas_seen(seen, place, Transport.TCP)]
        blocked = direct and all(reach.dead for reach in direct)
        yield Found(
            evidence=(*symptoms.ids(tcp), udp.ids[0], *(r.ids[0] for r in direct)),
            args={
                "pod": subject.name,
                "server": tcp.server,
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
