"""Upstreams of one forward line that do not know the same names; forward takes any of them."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Missing, Scope, Severity, Status, Subject, Transport
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "upstreams-disagree",
    scope=Scope.CLUSTER,
    severity=Severity.ERROR,
    message="The cluster's upstreams disagree about {name}: {knowing} has it, {other} denies it; "
    "CoreDNS asks either at random and takes NXDOMAIN for an answer.",
    remedy="Forward only to servers that know the same names, or give the zone of {name} a server "
    "block of its own that forwards to {knowing}.",
    verify="dig {name} @{other}   # NXDOMAIN, while @{knowing} gives an address",
    silent_when="each upstream gives the address or none does; silence and SERVFAIL are no denial.",
    explains=("wrong-name", "coredns-replica-divergence", "template-aaaa-nxdomain"),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    answers = [
        a
        for a in seen.answers
        if a.id.split("#", 1)[1].startswith("up.")
        and a.transport is Transport.UDP
        and a.status is not Status.NOT_RUN
    ]
    if not answers:
        raise Missing("no upstream was asked directly")
    for yes in filter(symptoms.gives_address, answers):
        for no in answers:
            same = no.name == yes.name and no.vantage == yes.vantage and no.server != yes.server
            if same and no.status is Status.NXDOMAIN:
                yield Found(
                    evidence=(yes.id, no.id),
                    args={"name": yes.name, "knowing": yes.server, "other": no.server},
                )
                return
