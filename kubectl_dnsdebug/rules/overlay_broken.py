"""Pods of this node do not reach DNS pods on other nodes, while those answer at home.

What carries pod traffic between nodes is broken or blocked: an encapsulation port (VXLAN 8472 or
4789, IPIP, WireGuard), a route, a firewall, an MTU.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import (
    Confidence,
    Missing,
    Role,
    Scope,
    Severity,
    Subject,
    Transport,
    node,
)
from kubectl_dnsdebug.observe import contrast, dns_policies, forwarding, symptoms
from kubectl_dnsdebug.observe.objects import Endpoint
from kubectl_dnsdebug.observe.observed import Observed, Reach
from kubectl_dnsdebug.observe.reach import proves_silence
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "overlay-broken",
    scope=Scope.NODE,
    severity=Severity.ERROR,
    message="Pods on {node} do not reach DNS pods on other nodes: {lost} ({summary}), while there "
    "they answer pods of their own node.{proof}",
    remedy="{first}Repair pod traffic between {node} and {others}: open the ports of the CNI's "
    "encapsulation (VXLAN 8472 or 4789/UDP, IPIP, WireGuard), then look at routes and MTU.",
    verify="dig @{ip} -p {port} +tries=1 +time=2 {name}   # from a pod on {node}; then on {others}",
    silent_when="a DNS pod on another node is reached, one on this node is not, the silent one is "
    "silent at home too, a policy keeps this node's pods out, or pods there reach the DNS pod of "
    "this node: then DNS alone is kept out.",
    explains=("tcp-fallback-broken", "coredns-api-unreachable"),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    place = symptoms.place(seen, subject)
    reaches = (
        *symptoms.service_reach(seen, place),
        *(r for _, r in symptoms.replicas_seen(seen, place)),
    )
    if all(reach.fine for reach in reaches) or symptoms.is_only_witness(seen, subject):
        return
    direct = symptoms.replicas(seen, place)
    lost = [(e, r) for e, r in direct.remote if r.dead and not r.saw(*symptoms.INSTANT)]
    if not lost or any(not r.fine for _, r in direct.local):
        return
    homes = [contrast.at_home(seen, endpoint) for endpoint, _ in lost]
    if any(home is not None and home.dead for home in homes):
        return  # silent on its own node too: the DNS pod, not the way to it
    proof = [home for home in homes if home is not None and home.fine]
    if _kept_out(seen, subject, [e for e, _ in lost]):
        return
    if _fault_of_others(seen, subject, {endpoint.node for endpoint, _ in lost}):
        return
    back = [r for e, _ in lost for r in contrast.way_back(seen, e.node, subject.name)]
    if any(reach.fine for reach in back):
        return  # packets pass both ways: what is silent here is kept from these questions alone
    samples = [contrast.from_node(seen, subject.name, endpoint) for endpoint, _ in lost]
    if any(reach.answered for sample in samples for reach in sample):
        return  # a way that loses packets, which is another thing than none
    first, reach = lost[0]
    if not proof:
        raise Missing(f"no probe on {first.node} tells a silent DNS pod from a broken way to it")
    filtered, proof_of_filter = forwarding.filtered(seen, subject)
    sealed = forwarding.forwards(seen, subject) is None and forwarding.nothing_leaves(seen, subject)
    open_ = ""
    if len(proof) < len(lost):
        open_ = "a probe on the silent DNS pod's own node"
    elif not all(map(proves_silence, samples)):
        open_ = "more questions, for so few may all be lost on a bad link: run it again, or `watch`"
    elif not back:
        open_ = f"whether anything but DNS passes between {subject.name} and {first.node}"
    elif sealed:
        open_ = f"whether {subject.name} forwards packets at all: net.ipv4.ip_forward (--deep)"
    yield Found(
        evidence=(
            *(id for _, r in lost for id in symptoms.ids(r)),
            *(home.ids[0] for home in proof),
            *(r.ids[0] for _, r in direct.local),
            *proof_of_filter,
        ),
        args={
            "node": subject.name,
            "others": ", ".join(dict.fromkeys(e.node for e, _ in lost)),
            "lost": ", ".join(f"{e.pod or e.ip} on {e.node}" for e, _ in lost),
            "summary": reach.summary,
            "ip": first.ip,
            "port": reach.answers[0].port,
            "name": reach.answers[0].name,
            "proof": f" Meanwhile {subject.name} dropped {filtered} packets by its reverse path "
            "filter: answers may come in by another device than the way there."
            if filtered
            else "",
            "first": _first(subject.name, bool(filtered), sealed),
        },
        confidence=Confidence.LIKELY if open_ else Confidence.CERTAIN,
        settles=open_,
    )


def _first(node: str, filtered: bool, sealed: bool) -> str:
    """What is to be tried before all that, by what else was seen."""
    if filtered:
        return f"Set rp_filter of the devices of {node} to 2, or make its routes symmetric; else: "
    if sealed:
        return (
            f"See that {node} forwards (sysctl net.ipv4.ip_forward), as no server outside answers "
            "there either; else: "
        )
    return ""


def _kept_out(seen: Observed, subject: Subject, endpoints: list[Endpoint]) -> bool:
    """Whether a policy in front of those DNS pods explains their silence, on paper."""
    try:
        asking = map(seen.client, seen.looked_from)
        clients = [pod for pod in asking if pod.node == subject.name]
        return any(
            dns_policies.ingress(seen, client, endpoints, Transport.UDP).blocked
            for client in clients
        )
    except Missing:
        return False


def _fault_of_others(seen: Observed, subject: Subject, homes: set[str]) -> bool:
    """Whether it is those nodes that nobody reaches and that reach nobody, while this one is sound:
    they are to be repaired, not those that do not reach them.

    Only where further nodes were asked for, who can tell. Raises Missing where they did not.
    """
    asked = {each.name for each in seen.subjects if each.scope is Scope.NODE}
    others = asked - homes - {subject.name}
    if not others:
        return False
    for home in homes:
        inward = _ways(seen, others, {home})
        if not inward:
            raise Missing(f"no third node tells whether {home} is out of reach for all")
        outward = _ways(seen, {home}, _dns_nodes(seen) - {home})
        if not outward and not _upstreams_are_silent(seen, home):
            return False
        if any(not reach.dead for reach in (*inward, *outward)):
            return False
    targets = _dns_nodes(seen) - homes - {subject.name}
    out = _ways(seen, {subject.name}, targets)
    into = _ways(seen, others, {subject.name})
    if any(reach.fine for reach in (*out, *into)):
        return True
    if (targets and not out) or (subject.name in _dns_nodes(seen) and not into):
        raise Missing(f"nobody tells whether {subject.name} is cut off itself")
    return False


def _dns_nodes(seen: Observed) -> set[str]:
    return {each.node for each in seen.dns_endpoints if each.ready}


def _ways(seen: Observed, start: set[str], end: set[str]) -> list[Reach]:
    """How plain pods of some nodes do with the DNS pods of others."""
    return [
        reach
        for place in seen.evidence.vantages
        if place.role is Role.CONTROL and place.node in start
        for endpoint, reach in symptoms.replicas(seen, place).remote
        if endpoint.node in end
    ]


def _upstreams_are_silent(seen: Observed, home: str) -> bool:
    """Raises Missing where they were not asked there."""
    seen.default(node(home))
    return forwarding.nothing_leaves(seen, node(home))
