"""A node without a route for Service addresses: its own packets die before the NAT.

What starts on the node itself (hostNetwork pods, the CNI agent, kubelet) is routed before NAT
rewrites the ClusterIP, so some route must match that address. Packets of pods are forwarded and
translated first: they may be fine on the very same node.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from kubectl_dnsdebug.model import Confidence, Missing, Role, Scope, Severity, Status, Subject
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.observed import TARGETS, Observed, Reach
from kubectl_dnsdebug.parse.host import Route
from kubectl_dnsdebug.reason.rule import Found, rule

# What a kernel without a route says. Of a host it says so for a route of type unreachable, too, but
# most often that is the word of a firewall, on the way or on the node, as is "permission denied".
_NO_ROUTE, _NO_HOST = "network unreachable", "host unreachable"


@rule(
    "no-default-route",
    scope=Scope.NODE,
    severity=Severity.ERROR,
    message="{node} has no route that matches Service addresses: {what}. The kernel refuses the "
    "packet before NAT can rewrite the address.",
    remedy="Restore the default route of {node} (its gateway, DHCP lease or network card), or add "
    "a route for the Service range.",
    verify="ip route get {server}   # on {node}; says 'unreachable' while the route is missing",
    silent_when="no probe on the node is told that no network leads to the DNS Service (that its "
    "host cannot be reached is what firewalls tell pods); with --deep, when a route matches it.",
    explains=("cni-down-on-node", "coredns-api-unreachable", "kube-proxy-rules-missing"),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    """Said by the kernel at once; a time-out is never this."""
    routes = _routes(seen, subject)
    if routes:
        yield from (_proven(seen, subject, *each) for each in routes if not each[2].reachable)
        return
    places = [v for v in seen.evidence.vantages if v.node == subject.name and not v.failure]
    for place in places:
        try:
            reaches = symptoms.service_reach(seen, place)
        except Missing:
            continue
        for reach in reaches:
            on_host = place.role in (Role.HOST, Role.HOSTNET, Role.HOSTNET_DEFAULT) or (
                place.role in TARGETS and seen.target(place.stands_for).host_network
            )
            said = _said(reach)
            if reach.dead and (_NO_ROUTE in said or (on_host and _NO_HOST in said)):
                yield _found(seen, subject, reach, on_host and _NO_ROUTE in said)
                return
    for id, text in _refused(seen, subject):
        if "network is unreachable" in text and _is_about(text, seen.cluster_ips):
            yield Found(
                evidence=(id,),
                args={
                    "node": subject.name,
                    "server": seen.cluster_ips[0],
                    "what": "its CNI plugin cannot reach the API's Service: 'network is "
                    "unreachable'",
                },
                confidence=Confidence.LIKELY,
                settles="`ip route` on the node (--deep)",
            )
            return
    if not any(p.role is Role.CONTROL or p.role in TARGETS for p in places):
        symptoms.place(seen, subject)  # raises what kept us from looking


def _refused(seen: Observed, subject: Subject) -> Iterator[tuple[str, str]]:
    """What kubelet says of pods of this node that have no network to this hour: events outlive
    their cause, and those of a pod that runs by now tell of the past."""
    waiting = {v.pod for v in seen.evidence.vantages if v.node == subject.name and v.failure}
    pods = seen.targets
    with suppress(Missing):
        pods += seen.dns_pods
    waiting |= {pod.name for pod in pods if pod.node == subject.name}
    waiting -= {pod.name for pod in pods if pod.ips}
    for name in sorted(filter(None, waiting)):
        yield from seen.events("FailedCreatePodSandBox", about=name)


def _routes(seen: Observed, subject: Subject) -> tuple[tuple[str, str, Route], ...]:
    """Evidence id, address and route of the node to each address of the DNS Service, where the
    node was looked at: what it says settles the matter, either way."""
    host = seen.host_or_none(subject.name)
    if host is None:
        return ()
    found = []
    for server in symptoms.service_addresses(seen):
        try:
            found.append((host.id(f"route.{server}"), server, host.route(server)))
        except Missing:
            continue
    return tuple(found)


def _proven(seen: Observed, subject: Subject, id: str, server: str, route: Route) -> Found:
    """An error where a target on the node's network has no names; others may do without."""
    hit = [
        reach
        for target in symptoms.targets_on(seen, subject)
        for reach in _reached(seen, target, server)
        if reach.dead
    ]
    host = seen.host(subject.name)
    asked = seen.ask(host.vantage, server=server, probe="reach.")
    return Found(
        evidence=(id, *symptoms.ids(*hit), *(a.id for a in asked[:1])),
        args={
            "node": subject.name,
            "server": server,
            "what": f"`ip route get {server}` says {route.text!r}",
        },
        severity=None if hit else Severity.WARNING,
    )


def _reached(seen: Observed, target: Subject, server: str) -> tuple[Reach, ...]:
    try:
        return (seen.reach(seen.own(target), server),)
    except Missing:
        return ()


def _said(reach: Reach) -> str:
    unreachable = (a.detail for a in reach.answers if a.status is Status.UNREACHABLE)
    return " ".join(unreachable).lower().replace("is unreachable", "unreachable")


def _found(seen: Observed, subject: Subject, reach: Reach, certain: bool) -> Found:
    what = f"{reach.server} is unreachable at once ({reach.summary})"
    return Found(
        evidence=symptoms.ids(reach),
        args={"node": subject.name, "server": reach.server, "what": what},
        confidence=Confidence.CERTAIN if certain else Confidence.LIKELY,
        settles="" if certain else "`ip route` in the pod and on the node (--deep)",
    )


def _is_about(text: str, addresses: tuple[str, ...]) -> bool:
    """Whether a message speaks of an address of the Service range; all ClusterIPs share their
    first octets."""
    return any(ip.rpartition(".")[0].rpartition(".")[0] in text for ip in addresses if "." in ip)
