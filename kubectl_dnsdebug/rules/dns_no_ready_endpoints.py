"""The DNS Service has no ready endpoint, so that the nodes refuse every question at once.

Which is a consequence: of DNS pods that do not run, crash, never become ready, or that the
Service does not select.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import (
    Confidence,
    Missing,
    Scope,
    Severity,
    Status,
    Subject,
    Transport,
    Vantage,
)
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.observed import Observed, Reach
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "dns-no-ready-endpoints",
    scope=Scope.CLUSTER,
    severity=Severity.ERROR,
    message="The DNS Service {service} has no ready endpoint ({state}): {server} answers nobody "
    "({summary}).",
    remedy="Find out why no DNS pod of {service} is ready: describe the pods, read their events, "
    "logs and readiness probe.",
    verify="kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name}",
    silent_when="cluster DNS answers, or the Service has a ready endpoint.",
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    if symptoms.dns_serves(seen):
        return
    dead = _dead(seen) if seen.evidence.vantages else _unasked(seen)
    if not dead:
        return
    for service in seen.dns_services:
        reach = next((r for r in dead if r.server in service.cluster_ips), None)
        endpoints = seen.endpoints(service)
        if reach is None or any(e.ready for e in endpoints):
            continue
        refused = reach.saw(Status.CONNECTION_REFUSED)
        state = f"{len(endpoints)} not ready" if endpoints else "none at all"
        yield Found(
            evidence=(f"endpointslices/{service.id}", *symptoms.ids(reach)),
            args={
                "service": service.id,
                "namespace": service.namespace,
                "name": service.name,
                "server": reach.server,
                "state": state,
                "summary": reach.summary if reach.asked else "by the API; nothing was asked",
            },
            confidence=Confidence.CERTAIN if refused else Confidence.LIKELY,
            settles=""
            if refused
            else "a refusal; only time-outs were seen, which other faults cause"
            if reach.asked
            else "a question from a pod: `kubectl dnsdebug pod/NAME` asks",
        )
        return


def _unasked(seen: Observed) -> tuple[Reach, ...]:
    """Where nothing ran, the endpoints alone speak."""
    return tuple(Reach(ip, Transport.UDP, ()) for ip in seen.cluster_ips)


def _dead(seen: Observed) -> tuple[Reach, ...]:
    """The DNS Services that answer nobody, as the place that saw refusals saw it."""
    found: dict[str, Reach] = {}
    alive: set[str] = set()
    for vantage in seen.evidence.vantages:
        for reach in _reaches(seen, vantage):
            if not reach.dead:
                alive.add(reach.server)
            elif reach.server not in found or reach.saw(Status.CONNECTION_REFUSED):
                found[reach.server] = reach
    return tuple(reach for server, reach in found.items() if server not in alive)


def _reaches(seen: Observed, vantage: Vantage) -> tuple[Reach, ...]:
    try:
        return symptoms.service_reach(seen, vantage)
    except Missing:
        return ()
