"""The DNS cache of the node (NodeLocal DNSCache) does not answer, and pods there ask nobody else.

Its pod is not running, hangs in termination, or its interface and rules are gone or left behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from kubectl_dnsdebug.model import Confidence, Missing, Scope, Severity, Status, Subject
from kubectl_dnsdebug.observe import dns_servers, symptoms
from kubectl_dnsdebug.observe.host import host_if_asked
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule

_IPVS = "kube-ipvs0"  # the device on which kube-proxy itself puts Service addresses in that mode


@rule(
    "nodelocal-down",
    scope=Scope.NODE,
    severity=Severity.ERROR,
    message="The DNS cache of {node} at {server} does not answer ({summary}), while the DNS pods "
    "do when asked directly. {agent}",
    remedy="Restart the node cache's pod on {node}; if it was removed, clear its interface and its "
    "NOTRACK rules and give pods the DNS Service's address again.",
    verify="kubectl -n kube-system get pods -o wide --field-selector spec.nodeName={node} | grep "
    "-i local",
    silent_when="the cache answers, or no DNS pod behind it answers when asked directly. That one "
    "that is gone left its address behind shows with --deep alone.",
    explains=("kube-proxy-rules-missing", "nodelocal-misrouted", "tcp-fallback-broken"),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    place = symptoms.place(seen, subject)
    for server in seen.conf(place).nameservers:
        if not seen.is_node_cache(server):
            yield from _left_behind(seen, subject, server)
            continue
        reach = seen.reach(place, server)
        direct = symptoms.replicas_seen(seen, place)
        if not reach.dead or not any(r.fine for _, r in direct):
            continue
        agent, certain = _agent(seen, subject)
        refused = reach.saw(Status.CONNECTION_REFUSED)
        try:
            proof, shown = _node_shows(seen, subject, server)
        except Missing:
            if certain is None and not refused:
                raise
            proof, shown = (), ""
        if certain is None and not proof and not refused:
            continue  # it listens, and waits in vain for the DNS pods
        certain = certain or bool(proof)
        yield Found(
            evidence=(*proof, *symptoms.ids(reach), *(r.ids[0] for _, r in direct)),
            args={
                "node": subject.name,
                "server": server,
                "summary": reach.summary,
                "agent": agent + shown,
            },
            confidence=Confidence.CERTAIN if certain else Confidence.LIKELY,
            settles="" if certain else "the node's interfaces and raw table (--deep)",
        )


def _left_behind(seen: Observed, subject: Subject, server: str) -> Iterator[Found]:
    """The device of a cache that is gone still bears the address of the DNS Service: the node takes
    for itself what should go to the DNS pods."""
    if server not in seen.cluster_ips:
        return
    place = symptoms.place(seen, subject)
    reach = seen.reach(place, server)
    direct = symptoms.replicas_seen(seen, place)
    if not reach.dead or not any(r.fine for _, r in direct):
        return
    shown = host_if_asked(seen.evidence, subject.name)
    if shown and shown.addresses.get(server, _IPVS) != _IPVS:
        yield Found(
            evidence=(shown.id("addresses"), *symptoms.ids(reach), *(r.ids[0] for _, r in direct)),
            args={
                "node": subject.name,
                "server": server,
                "summary": reach.summary,
                "agent": f"A device of the node bears {server}, the address of the DNS Service, as "
                "a node cache leaves it behind, and nothing there answers.",
            },
        )


def _node_shows(seen: Observed, subject: Subject, server: str) -> tuple[tuple[str, ...], str]:
    """What on the node itself is missing of the cache, evidence and words: the device that bears
    its address, or the socket that takes questions there. Raises Missing where that was asked for
    and could not be seen."""
    host = host_if_asked(seen.evidence, subject.name)
    if host is None:
        return (), ""
    if server not in host.addresses:
        return (host.id("addresses"),), f" No device of the node has the address {server}."
    with suppress(Missing):  # on many nodes nobody lists them
        taken = any(
            each.protocol.startswith("udp6") or each.address in (server, "0.0.0.0")
            for each in host.listeners
            if each.protocol.startswith("udp")
        )
        if not taken:
            return (host.id("listeners"),), f" Nothing on the node listens at {server} port 53."
    return (), ""


def _agent(seen: Observed, subject: Subject) -> tuple[str, bool | None]:
    """What is to be seen of the cache's pod; whether that proves it, None: it speaks against."""
    try:
        agents = dns_servers.node_caches(seen, subject.name)
    except Missing:
        return "The pods of kube-system could not be looked at.", False
    if not agents:
        return "No node cache pod is to be seen there.", True
    ill = [pod for pod in agents if not pod.ready or pod.terminating]
    if ill:
        return f"Its pod {ill[0].name} is not ready.", True
    return f"Its pod {agents[0].name} is ready all the same.", None
