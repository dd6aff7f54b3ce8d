"""The names that were asked about resolve, from the pod itself, by every server: DNS does its part.

What fails comes after the lookup: a Service without endpoints, a policy on another port, a client
that keeps an old address, or a test by ping, which a ClusterIP need not answer.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Answer, Missing, Scope, Severity, Subject, Vantage
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "not-dns",
    scope=Scope.POD,
    severity=Severity.INFO,
    message="Lookups of {names} from {pod} succeed in every way tried, with the right address: if "
    "it cannot connect, that is not for DNS.",
    remedy="Look at what comes after the lookup: endpoints of the Service, policies on its port, "
    "addresses that the client keeps.",
    verify="kubectl -n {namespace} exec {pod} -- getent ahosts {first}   # then try that address",
    silent_when="no --name was given, or any server does not give the address for one of them.",
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
    """What the image's resolver found, and what confirms it; empty unless both are there.

    Another address than the name's own would be a wildcard's: then DNS is to blame after all.
    """
    found = [a for a in seen.ask(place, tool="getent", probe=f"libc.{name}") if a.records]
    ours = {record.data for answer in found for record in answer.records}
    services = _service_addresses(seen)
    absolute = seen.ask(place, probe=f"user.A.{name}")
    walked = seen.ask(place, probe=f"walk.A.{name}.")
    for answer in (*absolute, *walked):
        same = {record.data for record in answer.records} & ours
        if same and (answer in absolute or same <= services):
            return found[0], answer
    return ()


def _service_addresses(seen: Observed) -> set[str]:
    try:
        return {ip for service in seen.services for ip in service.cluster_ips}
    except Missing:
        return set()
