"""How names outside the cluster did through the cluster's DNS, from every place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kubectl_dnsdebug.model import Answer, Missing, Role, Transport, Vantage
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse.corefile import is_under


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where the cluster's DNS sends a name: the addresses, and how it chooses among them."""

    servers: tuple[str, ...]
    policy: str


def route(seen: Observed, vantage: Vantage, name: str) -> Route | None:
    """The Corefile's word, where it names the node's file with what a Default pod there has in it.

    None where that is not known. A Default pod asks more servers than these: those of the node's
    file, which the Corefile need not name.
    """
    try:
        forwards = seen.forwards
    except Missing:
        return None
    taking = [each for each in forwards if is_under(name, each.zone) and each.plugin.forwards(name)]
    taking = sorted(taking, key=lambda each: -len(each.zone))[:1]
    found: list[str] = []
    for to in (to for each in taking for to in each.to):
        conf = seen.conf_or_none(vantage) if vantage.role is Role.DEFAULT else None
        if to == "/etc/resolv.conf" and conf:
            found += conf.nameservers
        elif to.startswith("/") or "$" in to:
            return None
        else:
            found.append(address(to))
    if not taking:
        return None
    policy = "".join(taking[0].plugin.property("policy") or ("random",))
    return Route(servers=tuple(dict.fromkeys(found)), policy=policy)


def of_its_upstreams(seen: Observed, vantage: Vantage, answers: Iterable[Answer]) -> list[Answer]:
    """Those that came from servers which the cluster's DNS asks for the name, as far as known."""
    found = []
    for answer in answers:
        way = route(seen, vantage, answer.name)
        if way is None or answer.server in way.servers:
            found.append(answer)
    return found


def address(to: str) -> str:
    """A `forward` target without scheme, port and server name."""
    bare = (to.partition("://")[2] or to).partition("%")[0]
    if bare.startswith("["):
        return bare[1:].partition("]")[0]
    return bare.partition(":")[0] if bare.count(":") == 1 else bare
