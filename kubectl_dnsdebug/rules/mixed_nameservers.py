"""Nameservers in one file that do not know the same names."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Answer, Scope, Severity, Status, Subject
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse.search import Libc
from kubectl_dnsdebug.reason.rule import Found, rule

_DENIALS = (Status.NXDOMAIN, Status.NOERROR)  # NOERROR without an address


@rule(
    "mixed-nameservers",
    scope=Scope.POD,
    severity=Severity.ERROR,
    message="{pod}: its nameservers disagree: {knowing} knows {name}, {other} {says}; {effect}.",
    remedy="Give the pod only servers that know every name: the cluster's DNS alone, with a server "
    "block in the Corefile for the zones of {other}.",
    verify="dig {name} @{other}   # must answer as @{knowing} does",
    silent_when="there is one nameserver only, or all that answer know the same names; addresses "
    "of the DNS Service lead to the same pods, and a node cache first that is down is another "
    "cause.",
    explains=("wrong-name", "dnspolicy-not-cluster"),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    own = seen.own(subject)
    conf = seen.conf(own)
    servers = tuple(dict.fromkeys(conf.nameservers))
    if len(servers) < 2:
        return
    libc = symptoms.libc(seen, subject)
    reaches = [seen.reach(own, ip) for ip in servers]
    for probe in ("reach.", "ext.", "user.A."):
        answers = seen.ask(own, server=servers, probe=probe)
        for yes, no in _pairs(answers):
            if {yes.server, no.server} <= set(seen.cluster_ips):
                continue  # the same DNS pods behind both: chance sends it to one that differs
            leads = no.server == servers[0]
            yield Found(
                evidence=(seen.conf_id(own), yes.id, no.id),
                args={
                    "pod": subject,
                    "name": yes.name,
                    "knowing": yes.server,
                    "other": no.server,
                    "says": "denies it" if no.status in _DENIALS else f"says {no.status.value}",
                    "effect": _effect(libc, leads),
                },
                severity=Severity.WARNING if libc is Libc.GLIBC and not leads else None,
            )
            return
    first, *others = reaches
    alive = [r for r in others if not r.dead]
    if first.dead and alive and first.server not in seen.cluster_ips:
        if seen.is_node_cache(first.server):
            return
        yield Found(
            evidence=(seen.conf_id(own), *symptoms.ids(first, most=2), alive[0].ids[0]),
            args={
                "pod": subject,
                "name": alive[0].answers[0].name,
                "knowing": alive[0].server,
                "other": first.server,
                "says": "does not answer at all",
                "effect": "it comes first, so every lookup waits for it, 5 s with glibc",
            },
            severity=Severity.WARNING,
        )


def _pairs(answers: tuple[Answer, ...]) -> Iterator[tuple[Answer, Answer]]:
    """An answer that gives an address, and another server's that denies the same name."""
    for yes in filter(symptoms.gives_address, answers):
        for no in answers:
            denied = no.status in _DENIALS and not symptoms.gives_address(no)
            if no.name == yes.name and no.server != yes.server and denied:
                yield yes, no


def _effect(libc: Libc | None, leads: bool) -> str:
    if libc is Libc.MUSL:
        return "musl asks all at once and believes whichever answers first"
    if leads:
        return "it comes first, and its denial is final"
    if libc is Libc.GLIBC:
        return "glibc asks it when the first is slow, and takes its denial as final"
    return "musl believes whichever answers first, others the second when the first is slow"
