"""How names outside the cluster did through the cluster's DNS, from every place."""

from __future__ import annotations

from kubectl_dnsdebug.model import Answer, Missing, Role, Transport, Vantage
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.observed import Observed


def failed(seen: Observed) -> tuple[Answer, ...]:
    """Questions that reached the cluster's DNS and got no usable answer.

    Those that never got there do not count: the way to the DNS pods has causes of its own. Raises
    Missing when no such name was asked anywhere.
    """
    asked = (*through_service(seen), *direct(seen))
    if not asked:
        raise Missing("no name outside the cluster was asked")
    lost = {
        (a.vantage, a.server) for a in seen.answers if "#reach." in a.id and a.status.is_silence
    }
    return tuple(
        a for a in asked if not symptoms.says_something(a) and (a.vantage, a.server) not in lost
    )


def through_service(seen: Observed) -> tuple[Answer, ...]:
    """What the DNS Service said. Never Missing."""
    servers = symptoms.service_addresses(seen)
    return tuple(
        a
        for v in seen.evidence.vantages
        if v.role is not Role.DEFAULT
        for a in seen.ask(v, server=servers, probe="ext.")
        if a.type == "A"
    )


def direct(seen: Observed) -> tuple[Answer, ...]:
    """What each DNS pod said, asked directly. Never Missing."""
    return tuple(
        a
        for v in seen.evidence.vantages
        for ip, _ in symptoms.replicas_seen(seen, v, _over(v))
        for a in seen.ask(v, server=ip, probe="ext.")
        if a.type == "A"
    )


def _over(place: Vantage) -> Transport:
    """What a place asks DNS pods over first."""
    return Transport.TCP if place.role is Role.SERVER else Transport.UDP
