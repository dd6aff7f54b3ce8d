"""Upstreams of one forward line that do not know the same names; forward takes any of them."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import (
    Answer,
    Confidence,
    Missing,
    Scope,
    Severity,
    Status,
    Subject,
    Transport,
)
from kubectl_dnsdebug.observe import outside, symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "upstreams-disagree",
    scope=Scope.CLUSTER,
    severity=Severity.ERROR,
    message="The cluster's upstreams disagree about {name}: {knowing} has it, {other} denies it; "
    "CoreDNS {how} and takes NXDOMAIN for an answer.",
    remedy="Forward only to servers that know the same names, or give the zone of {name} a server "
    "block of its own that forwards to {knowing}.",
    verify="dig {name} @{other}   # NXDOMAIN, while @{knowing} gives an address",
    silent_when="each upstream gives the address or none does; silence and SERVFAIL are no denial; "
    "`policy sequential` asks the one that knows first, or the Corefile names neither of them.",
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
            if not same or no.status is not Status.NXDOMAIN:
                continue
            place = next(v for v in seen.evidence.vantages if v.id == yes.vantage)
            way = outside.route(seen, place, yes.name)
            if way is None and not _denied(seen, yes.name):
                raise Missing("which of the upstreams the DNS pods ask could not be read")
            how, unsure = _how(seen, way, yes, no)
            if not how:
                continue
            yield Found(
                evidence=(yes.id, no.id),
                args={
                    "name": yes.name,
                    "knowing": yes.server,
                    "other": no.server,
                    "how": how,
                },
                confidence=Confidence.LIKELY if unsure else Confidence.CERTAIN,
                settles=unsure,
            )
            return


def _how(seen: Observed, way: outside.Route | None, yes: Answer, no: Answer) -> tuple[str, str]:
    """How the one that denies the name comes to be asked, empty if it is not; and what is left to
    be settled."""
    if way is None:
        return "asks either of them", "the forward line of the Corefile"
    if no.server not in way.servers:
        return "", ""
    if yes.server not in way.servers:
        # The node's own server knows more; whether pods should, the user alone can say.
        wanted = {f"{name.rstrip('.').lower()}." for name in seen.evidence.request.names}
        if yes.name not in wanted or not _denied(seen, yes.name):
            return "", ""
        return f"asks only {no.server}", "whether pods are meant to know the name"
    if way.policy != "sequential":
        return "asks either of them", ""
    first = way.servers.index(no.server) < way.servers.index(yes.server)
    return (f"asks {no.server} first", "") if first else ("", "")


def _denied(seen: Observed, name: str) -> bool:
    """Whether the cluster's DNS was heard to deny the name."""
    said = (*outside.through_service(seen), *outside.direct(seen))
    return any(a.name == name and a.status is Status.NXDOMAIN for a in said)
