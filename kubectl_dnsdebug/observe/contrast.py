"""Whether a way loses more than the ways beside it: a bad network loses packets of everybody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kubectl_dnsdebug.model import Answer, Missing, Role, Subject, Transport, Vantage
from kubectl_dnsdebug.model import node as on
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.chance import OWN_NAMES
from kubectl_dnsdebug.observe.objects import Endpoint
from kubectl_dnsdebug.observe.observed import TARGETS, Observed, Reach
from kubectl_dnsdebug.observe.reach import differ, fits

_PODS = (*TARGETS, Role.CONTROL, Role.DEFAULT)


def only_by_service(
    seen: Observed, node: Subject, server: str, *, own_way: bool = False, share: float | None = None
) -> None:
    """Raises Missing unless pods of the node lose questions to the Service that they would not lose
    when asking DNS pods directly, and too many for chance.

    `own_way`: what the node itself asks of the Service takes another way, which is sound. `share`
    is that of the questions to the Service that must get lost, if it is known.
    """
    by_service: list[Reach] = []
    beside: list[Reach] = []
    for place in seen.evidence.vantages:
        if place.node != node.name or place.role not in (*_PODS, Role.HOSTNET):
            continue
        own = place.role is Role.HOSTNET or _on_host_network(seen, place)
        for transport in Transport:
            direct = [reach for _, reach in symptoms.replicas_seen(seen, place, transport)]
            if direct and all(reach.dead for reach in direct):
                continue  # nothing gets out of there, by whatever way: a policy, or no network
            beside += direct
            if not own or own_way:
                try:
                    reach = seen.reach(place, server, transport)
                except Missing:
                    continue
                (beside if own else by_service).append(reach)
    if not differ(by_service, beside):
        raise Missing(
            f"so few questions of {node.name} were lost that it may be a network which loses "
            "packets of everybody: run it again, or `watch`"
        )
    if share is not None and not fits(by_service, share):
        lost, asked = (sum(n) for n in zip(*((r.silent, r.asked) for r in by_service), strict=True))
        raise Missing(
            f"{lost} of {asked} questions of {node.name} to {server} were lost, where DNS pods of "
            f"{node.name} itself get {share:.0%}: something else is wrong, or too"
        )


def asked(
    seen: Observed, place: Vantage, server: str, transport: Transport = Transport.UDP
) -> Reach:
    """What that place asked the Service; for a node's plain pod every question of the node's pods,
    but of those that get nowhere at all: of six questions that one place asks, chance may lose none
    where half are lost."""
    places: Iterable[Vantage] = (
        _pods_that_get_somewhere(seen, place.node) if place.role is Role.CONTROL else [place]
    )
    found: list[Answer] = []
    for each in places:
        found += seen.ask(each, server=server, transport=transport, probe="reach.")
    return Reach(server, transport, tuple(found))


def _pods_that_get_somewhere(seen: Observed, node: str) -> Iterator[Vantage]:
    for place in seen.evidence.vantages:
        if place.node != node or place.role not in _PODS or _on_host_network(seen, place):
            continue
        direct = symptoms.replicas_seen(seen, place)
        if not direct or not all(reach.dead for _, reach in direct):
            yield place


def own_way_loses(seen: Observed, node: str, server: str) -> bool:
    """Whether questions of the node itself to the Service are lost too, seen from its own network:
    then it is the translation, which all share, and not how replies get to pods."""
    own = [v for v in seen.evidence.vantages if v.role is Role.HOSTNET and v.node == node]
    lost = sum(
        answer.status.is_silence
        for place in own
        for answer in seen.ask(place, server=server, probe="reach.")
    )
    return lost > 1  # one may be chance


def loses_no_other(seen: Observed, node: str, fresh: Reach) -> bool:
    """Whether every question of pods of the node to a server about names of its own was answered,
    but for those of one source port: two of these are lost by chance wherever packets are."""
    here = {v.id for v in seen.evidence.vantages if v.node == node and v.role in _PODS}
    return fresh.fine and not any(
        answer.status.is_silence
        for answer in seen.answers
        if answer.vantage in here
        and answer.server == fresh.server
        and answer.transport is fresh.transport
        and answer.id.split("#", 1)[1].startswith(OWN_NAMES)
    )


def way_back(seen: Observed, start: str, end: str) -> tuple[Reach, ...]:
    """How plain pods of one node do with the DNS pods of another: their questions and the answers
    take the same way between the two nodes as those of the other direction."""
    return tuple(
        reach
        for place in seen.evidence.vantages
        if place.role is Role.CONTROL and place.node == start and start != end
        for endpoint, reach in symptoms.replicas(seen, place).remote
        if endpoint.node == end
    )


def at_home(seen: Observed, endpoint: Endpoint) -> Reach | None:
    """How a DNS pod does for a plain pod of its own node; None when nobody asked there."""
    try:
        return seen.reach(seen.control(on(endpoint.node)), endpoint.ip)
    except Missing:
        return None


def from_node(seen: Observed, node: str, endpoint: Endpoint, *transports: Transport) -> list[Reach]:
    """Every question of pods of that node to a DNS pod: a larger sample than one place's."""
    found = []
    for place in seen.evidence.vantages:
        for transport in transports or Transport:
            try:
                if place.node == node and place.role in _PODS:
                    found.append(seen.reach(place, endpoint.ip, transport))
            except Missing:
                continue
    return found


def _on_host_network(seen: Observed, place: Vantage) -> bool:
    return place.role in TARGETS and seen.target(place.stands_for).host_network
