"""The names that were asked about resolve, from the pod itself, by every server: DNS does its part.

What fails comes after the lookup: a Service without endpoints, a policy on another port, a client
that keeps an old address, or a test by ping, which a ClusterIP need not answer.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug import symptoms
from kubectl_dnsdebug.model import Answer, Missing, Scope, Severity, Subject, Vantage
from kubectl_dnsdebug.observe import Observed
from kubectl_dnsdebug.rule import Found, rule


@rule(
    "not-dns",
    scope=Scope.POD,
    severity=Severity.INFO,
    message="{names} resolve for {pod} in every way tried: if {pod} cannot connect, it is not for "
    "DNS.",
    remedy="Look at what comes after the lookup: endpoints of the Service, policies on its port, "
    "addresses that the client keeps.",
    verify="kubectl -n {namespace} exec {pod} -- getent ahosts {first}   # then connect to that "
    "address",
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    asked = seen.evidence.request.names
    if not asked:
        return
    place = seen.own(subject)
    if not symptoms.cluster_names_work(seen, place):
        return
    proof = [answer for name in asked for answer in _agreeing(seen, place, name)]
    if len(proof) < 2 * len(asked):
        return
    yield Found(
        evidence=tuple(a.id for a in proof),
        args={
            "names": ", ".join(asked),
            "first": asked[0],
            "pod": subject.name,
            "namespace": subject.namespace,
        },
    )


def _agreeing(seen: Observed, place: Vantage, name: str) -> tuple[Answer, ...]:
    """What the image's resolver found, and a DNS answer with the same address; empty unless both
    are there."""
    found = [a for a in seen.ask(place, tool="getent", probe=f"libc.{name}") if a.records]
    asked = (*seen.ask(place, probe=f"user.A.{name}"), *seen.ask(place, probe=f"form.{name}"))
    ours = {record.data for answer in found for record in answer.records}
    same = [a for a in asked if any(record.data in ours for record in a.records)]
    denied = [a for a in seen.ask(place, probe=f"user.A.{name}") if not a.records]
    if not found or not same or (denied and same[0].id not in _in_cluster(seen, same)):
        return ()
    return found[0], same[0]


def _in_cluster(seen: Observed, answers: list[Answer]) -> tuple[str, ...]:
    """Those answers that give a Service's address: a short name is denied as it stands, and
    rightly so."""
    try:
        services = {ip for service in seen.services for ip in service.cluster_ips}
    except Missing:
        return ()
    return tuple(a.id for a in answers if any(r.data in services for r in a.records))
