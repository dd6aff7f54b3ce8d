"""DNS that is no part of the cluster, such as a cloud's own: pods ask it, and it knows Services.

What is left of the cluster's own DNS there, a Service without pods, is then no fault.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kubectl_dnsdebug.model import Missing, Role, Status, Vantage
from kubectl_dnsdebug.observe.objects import Service

if TYPE_CHECKING:
    from kubectl_dnsdebug.observe.observed import Observed


def serves(seen: Observed, services: Iterable[Service]) -> bool:
    """Whether pods are served though no DNS pod is behind any of these Services."""
    own = tuple(services)
    try:
        left = any(e.ready for service in own for e in seen.endpoints(service))
        domain = seen.domain
    except Missing:
        return False
    places = [v for v in seen.evidence.vantages if v.role in (Role.TARGET, Role.SIBLING)]
    addresses = {ip for service in own for ip in service.cluster_ips}
    return not left and any(_knows(seen, place, addresses, domain) for place in places)


def _knows(seen: Observed, place: Vantage, but: set[str], domain: str) -> bool:
    """Whether the place's nameservers, others than these, speak for the cluster's names.

    They must know that a name does not exist which nobody asks for: a cache whose servers are gone
    remembers names that are in use, and could not tell.
    """
    conf = seen.conf_or_none(place)
    if not conf or not conf.nameservers or but & {*conf.nameservers}:
        return False
    asked = seen.ask(place, server=conf.nameservers, probe="walk.", type="A")
    strange = [a for a in asked if a.name.endswith(f".svc.{domain}.svc.{domain}.")]
    known = seen.ask(place, server=conf.nameservers, probe="reach.")
    return (
        bool(strange)
        and all(a.status is Status.NXDOMAIN for a in strange)
        and all(a.status is Status.NOERROR for a in known)
    )
