"""A zone that the Corefile sends to servers of its own, which do not answer for it."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Answer, Confidence, Missing, Role, Scope, Severity, Subject
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.observed import TARGETS, Observed
from kubectl_dnsdebug.parse.corefile import Forward, is_under
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "stubdomain-broken",
    scope=Scope.CLUSTER,
    severity=Severity.ERROR,
    message="Names under {zone} fail ({status}): {where} sends them to {servers}, {why}.",
    remedy="Have {where} name a server for {zone} that owns the zone and that the DNS pods may "
    "reach, over UDP and TCP.",
    verify="dig {zone} SOA @{first}   # from a pod",
    silent_when="a name of the zone gets any proper answer through cluster DNS, NXDOMAIN included.",
    explains=("upstream-timeout", "upstream-servfail-refused", "coredns-replica-divergence"),
    on_nodes=False,
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    asked = [a for a in seen.answers if "#stub." in a.id]
    if not asked:
        symptoms.dns_serves(seen)  # Missing where nothing was asked at all
        return
    for forward in seen.forwards:
        through, direct = _asked(seen, forward.zone)
        if direct and not through:
            for each in seen.looked_from:
                seen.own(each)  # raises Missing: it would have asked the cluster's DNS
        if not through or any(map(symptoms.says_something, through)):
            continue
        if _resolves(seen, forward.zone):
            continue  # its servers only have no word for the zone itself
        if any(map(symptoms.says_something, direct)):
            why = "which answer when asked directly"
        elif not direct:
            why = "which could not be asked directly"
        elif all(a.status.is_silence for a in direct):
            why = "which do not answer"
        else:
            bad = next(a for a in direct if a.status.is_answer)
            why = f"which say {bad.status.value.upper()}"
        sure = bool(direct) and not any(map(symptoms.says_something, direct))
        yield Found(
            evidence=(
                *(a.id for a in through[:1]),
                *(a.id for a in direct[:2]),
                *(fact.id for fact in seen.facts("configmap/")),
            ),
            args={
                "zone": forward.zone,
                "status": through[0].status.value.upper(),
                "servers": " ".join(forward.to),
                "why": why,
                "where": _where(seen, forward),
                "first": forward.to[0] if forward.to else "",
            },
            confidence=Confidence.CERTAIN if sure else Confidence.LIKELY,
            settles="" if sure else "the same question from a DNS pod's node",
        )


def _asked(seen: Observed, zone: str) -> tuple[list[Answer], list[Answer]]:
    """What came for the zone through the cluster's DNS, and from its own servers."""
    found = [
        (vantage, answer)
        for vantage in seen.evidence.vantages
        if vantage.role in (*TARGETS, Role.DEFAULT)
        for answer in seen.ask(vantage, probe="stub.", name=zone)
    ]
    through = [a for _, a in found if a.server in seen.cluster_ips]
    return through, [a for _, a in found if a.server not in seen.cluster_ips]


def _resolves(seen: Observed, zone: str) -> bool:
    """Whether the cluster's DNS gave an address for any name of the zone."""
    return any(
        is_under(a.name, zone) and a.server in seen.cluster_ips and symptoms.gives_address(a)
        for a in seen.answers
    )


def _where(seen: Observed, forward: Forward) -> str:
    try:
        named = forward in seen.corefile.forwards()
    except Missing:
        named = False
    if not named:
        return "stubDomains in the ConfigMap of kube-dns"
    return f"line {forward.plugin.line} of {forward.plugin.file or 'the Corefile'}"
