"""Something in front of the DNS pods does not let the questions in.

A NetworkPolicy for ingress in their namespace, a host firewall or a cloud's security group: whole
namespaces or nodes fail, whatever the labels of the pod that asks, and the DNS pods are ready.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import (
    Confidence,
    Missing,
    Role,
    Scope,
    Severity,
    Status,
    Subject,
    Transport,
    Vantage,
)
from kubectl_dnsdebug.observe import contrast, dns_policies, dns_servers, plugin_policies, symptoms
from kubectl_dnsdebug.observe.objects import DNS_PORT, Endpoint, Pod
from kubectl_dnsdebug.observe.observed import Observed, Reach
from kubectl_dnsdebug.observe.reach import proves_silence
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "dns-ingress-blocked",
    scope=Scope.CLUSTER,
    severity=Severity.ERROR,
    message="The DNS pods are ready but questions of {client} do not get in ({summary}): {what}",
    remedy="Admit UDP and TCP to port {port} of the DNS pods from every pod and node that resolves "
    "names.",
    verify="kubectl -n {namespace} get {kinds} -o yaml   # those that select the DNS pods",
    silent_when="the Service answers, a DNS pod refuses or keeps silent on its own node too, or "
    "nothing shows that packets other than these pass and no policy says so.",
    explains=("tcp-fallback-broken",),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    for place, client in _clients(seen):
        if all(reach.fine for reach in symptoms.service_reach(seen, place)):
            continue
        lost = [
            (e, r)
            for e, r in symptoms.replicas(seen, place).all
            if r.dead and not r.saw(*symptoms.INSTANT)
        ]
        endpoints = [e for e, _ in lost]
        found = lost and (
            _on_paper(seen, client, lost)
            or _by_plugin(seen, client, place, lost)
            or _everywhere(seen, place, client, endpoints)
        )
        found = found or _filtered(seen, place, client) or _sealed(seen, place, client)
        if found:
            yield found
            return
        if lost:
            seen.control(place.stands_for)  # raises Missing: without it less is told


def _clients(seen: Observed) -> Iterator[tuple[Vantage, Pod]]:
    """Each place that was asked for, and the pod that asks there. Of nodes those with a pod in the
    pods' network: what kept the others from one is told elsewhere. Raises Missing."""
    gaps = [] if seen.looked_from else [Missing("no probe ran")]
    for subject in seen.looked_from:
        try:
            place = seen.own(subject)
        except Missing as gap:
            if subject.scope is not Scope.NODE:
                raise
            gaps.append(gap)
        else:
            if place.role is not Role.HOSTNET:
                yield place, seen.client(subject)
    if gaps and len(gaps) >= len(seen.looked_from):
        raise gaps[0]


def _on_paper(seen: Observed, client: Pod, lost: list[tuple[Endpoint, Reach]]) -> Found | None:
    """A policy that says so."""
    try:
        paper = dns_policies.ingress(seen, client, [e for e, _ in lost], Transport.UDP)
    except Missing:
        return None
    if not paper.blocked:
        return None
    namespace = seen.dns_service().namespace
    return Found(
        evidence=(
            f"networkpolicies/{namespace}",
            *(id for _, r in lost for id in symptoms.ids(r, most=2)),
        ),
        args=_args(seen, client, lost[0])
        | {
            "what": f"NetworkPolicy {paper.policies} in {namespace} selects them for ingress and "
            f"admits no DNS from namespace {client.namespace}."
        },
    )


def _by_plugin(
    seen: Observed, client: Pod, place: Vantage, lost: list[tuple[Endpoint, Reach]]
) -> Found | None:
    """A policy of another kind that says so, and that no packet belies."""
    passed = [e for e, r in symptoms.replicas(seen, place).all if r.answered]
    try:
        word = plugin_policies.for_ingress(seen, client, [e for e, _ in lost], Transport.UDP)
        belied = any(
            plugin_policies.for_ingress(seen, client, [each], Transport.UDP) for each in passed
        )
    except Missing:
        return None
    if not word or belied:
        return None
    return Found(
        evidence=(*word.facts, *(id for _, r in lost for id in symptoms.ids(r, most=2))),
        args=_args(seen, client, lost[0])
        | {
            "what": f"by what can be read of it, {word.policies} admits no DNS from namespace "
            f"{client.namespace}.",
            "kinds": word.resources,
        },
        confidence=Confidence.LIKELY,
        settles="the network plugin's own record of dropped packets",
    )


def _everywhere(seen: Observed, place: Vantage, client: Pod, lost: list[Endpoint]) -> Found | None:
    """No policy says so, but no pod gets an answer from any DNS pod, not even on their own
    nodes."""
    places = [v for v in seen.evidence.vantages if v.role is Role.CONTROL and not v.failure]
    if not places or not {e.node for e in seen.dns_endpoints if e.ready} <= {
        v.node for v in places
    }:
        return None
    reaches = [(e, r) for v in places for e, r in symptoms.replicas(seen, v).all]
    if not reaches or any(not r.dead or r.saw(*symptoms.INSTANT) for _, r in reaches):
        return None
    if not _node_gets_out(seen, place) or _may_not_send(seen, client, lost):
        return None
    return Found(
        evidence=tuple(id for _, r in reaches for id in symptoms.ids(r, most=1)),
        args=_args(seen, client, reaches[0])
        | {
            "what": "no pod gets an answer from any of them, not even on their own nodes. No "
            "NetworkPolicy that could be read says so: look for firewalls, security groups and the "
            "network plugin's own policies."
        },
        confidence=Confidence.LIKELY,
        settles="a question asked on the DNS pod's own node (--deep)",
    )


def _filtered(seen: Observed, place: Vantage, client: Pod) -> Found | None:
    """A DNS pod that serves pods of its own node and keeps silent to those of this one, or refuses
    them, though packets pass between the two: a host firewall or a security group, for DNS alone.
    """
    try:
        control = seen.control(place.stands_for)
    except Missing:
        return None
    for endpoint, reach in symptoms.replicas(seen, control).remote:
        home = contrast.at_home(seen, endpoint)
        asked = contrast.from_node(seen, place.node, endpoint, Transport.UDP)
        if not home or not home.fine or not reach.dead or any(r.answered for r in asked):
            continue
        tcp = contrast.from_node(seen, place.node, endpoint, Transport.TCP)
        back = [r for r in contrast.way_back(seen, endpoint.node, place.node) if r.fine]
        if reach.saw(*symptoms.INSTANT):
            pod = dns_servers.dns_pod(seen, endpoint.ip)
            if reach.saw(Status.CONNECTION_REFUSED) and (pod is None or pod.restarts):
                continue  # it may have been down for a moment, and up when asked at home
            how, passed = "somebody on the way refuses them at once", []
        elif not proves_silence(asked):
            continue
        elif all(r.fine for r in tcp):
            how, passed = "the same pods reach it over TCP", tcp
        elif back:
            how, passed = f"pods of {endpoint.node} reach the DNS pod of {place.node}", back
        else:
            continue
        return Found(
            evidence=(
                *(id for r in asked for id in symptoms.ids(r, most=2)),
                home.ids[0],
                *(r.ids[0] for r in passed[:1]),
            ),
            args=_args(seen, client, (endpoint, reach))
            | {
                "what": f"it answers pods of its own node {endpoint.node}, and {how}. Look for a "
                f"firewall for DNS on {endpoint.node} and on {place.node} (iptables-save, nft list "
                "ruleset), then for security groups between them."
            },
            confidence=Confidence.LIKELY,
            settles=f"the packet filters of {endpoint.node} and {place.node}",
        )
    return None


def _sealed(seen: Observed, place: Vantage, client: Pod) -> Found | None:
    """A node whose pods reach no DNS pod at all, not even that of the node itself, though these
    serve others and other traffic passes: a firewall for DNS on that node."""
    try:
        control = seen.control(place.stands_for)
        replicas = symptoms.replicas(seen, control)
        passes = symptoms.other_service_works(seen, control)
    except Missing:
        return None
    homes = [contrast.at_home(seen, endpoint) for endpoint, _ in replicas.remote]
    served = [home for home in homes if home and home.fine]
    if not replicas.local or not all(r.dead for _, r in replicas.all) or not served or not passes:
        return None
    return Found(
        evidence=(
            *(id for _, r in replicas.all for id in symptoms.ids(r, most=1)),
            served[0].ids[0],
            *(a.id for a in seen.ask(control, probe="other.")[:1]),
        ),
        args=_args(seen, client, replicas.local[0])
        | {
            "what": f"pods of {place.node} reach none of them, not even the one on {place.node}, "
            "while other nodes do and another Service takes connections from there. Look for a "
            f"firewall for DNS on {place.node} (iptables-save, nft list ruleset)."
        },
        confidence=Confidence.LIKELY,
        settles=f"the packet filters of {place.node}",
    )


def _node_gets_out(seen: Observed, place: Vantage) -> bool:
    """Whether pods of that node reach anything: an upstream, asked directly."""
    try:
        beside = seen.default(place.stands_for)
    except Missing:
        return False
    return any(a.status.is_answer for a in seen.ask(beside, probe="up."))


def _may_not_send(seen: Observed, client: Pod, lost: list[Endpoint]) -> bool:
    try:
        return dns_policies.egress(seen, client, lost, Transport.UDP, labels={}).blocked
    except Missing:
        return False


def _args(seen: Observed, client: Pod, first: tuple[Endpoint, Reach]) -> dict[str, object]:
    endpoint, reach = first
    return {
        "client": client.name or f"pods on {client.node}",
        "summary": f"{endpoint.pod or endpoint.ip}: {reach.summary}",
        "port": endpoint.ports.get(Transport.UDP, DNS_PORT),
        "namespace": seen.dns_service().namespace,
        "kinds": "networkpolicies",
    }
