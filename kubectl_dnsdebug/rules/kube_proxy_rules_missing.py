"""A node does not translate Service addresses, or translates them by rules that are out of date.

Every ClusterIP fails there while the pods behind it answer when asked directly. The cause is
kube-proxy, or whatever replaces it: not running, stuck, or its rules were flushed.
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
)
from kubectl_dnsdebug.observe import contrast, symptoms
from kubectl_dnsdebug.observe.objects import Pod
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "kube-proxy-rules-missing",
    scope=Scope.NODE,
    severity=Severity.ERROR,
    message="On {node} Service addresses are not translated: {server} gave {summary}, {other}, "
    "while DNS pods answer when asked directly. {agent}",
    remedy="Repair kube-proxy (or what replaces it) on {node}: restart it, read its log, and see "
    "that no other program flushes its rules.",
    verify="iptables-save -t nat | grep '{server}/32'   # on {node}; nft or ipvsadm in other modes",
    silent_when="the Service answers, or refuses without a ready endpoint, no DNS pod answers "
    "directly either, or the node's rules lead to the DNS pods of now; a part of the questions "
    "lost tells it from bridged replies and lost replicas only where those are excluded, and so "
    "few losses that a bad network explains them leave it unknown.",
    explains=("tcp-fallback-broken", "coredns-api-unreachable"),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    place = symptoms.place(seen, subject)
    for reach in symptoms.service_reach(seen, place):
        refused = reach.dead and reach.saw(Status.CONNECTION_REFUSED)
        whole = contrast.asked(seen, place, reach.server)
        if not symptoms.lossy(whole) or (reach.saw(*symptoms.INSTANT) and not refused):
            continue
        direct = symptoms.replicas(seen, place)
        if refused and not _serves(seen, reach.server):
            continue  # kube-proxy is right to refuse
        if not any(r.fine for _, r in direct.all):
            continue  # the pods are out of reach as well: not the translation
        rules, proof = _rules(seen, subject, reach.server)
        if rules and not proof:
            continue  # they are there, and lead to DNS pods of now
        own_way = contrast.own_way_loses(seen, subject.name, reach.server)
        stale = whole.flaky or symptoms.other_service_works(seen, place)
        if (
            not proof
            and stale
            and (
                not direct.all_fine  # a replica that is lost looks the same from here
                # So do bridged replies, which nobody refuses, and which the node itself gets.
                or (
                    direct.local
                    and not refused
                    and not own_way
                    and (whole.flaky or not direct.remote)
                )
                or symptoms.local_policy(seen, reach.server)
            )
        ):
            continue
        if not proof:
            contrast.only_by_service(seen, subject, reach.server)
        agent, certain = _agent(seen, subject)
        certain = bool(proof) or (certain and not stale)
        yield Found(
            evidence=(
                *rules,
                *symptoms.ids(whole),
                *(a.id for a in seen.ask(place, probe="other.")),
                *(symptoms.ids(r)[0] for _, r in direct.all),
            ),
            args={
                "node": subject.name,
                "server": reach.server,
                "summary": whole.summary,
                "other": proof
                or (
                    "as if no DNS pod were ready, so its rules for DNS seem out of date"
                    if refused
                    else f"{'and the node itself fares alike, ' if own_way else ''}so its "
                    "rules for DNS seem out of date"
                    if stale
                    else "another ClusterIP fails too"
                ),
                "agent": agent,
            },
            confidence=Confidence.CERTAIN if certain else Confidence.LIKELY,
            settles="" if certain else "the NAT rules of the node (--deep)",
        )


def _serves(seen: Observed, server: str) -> bool:
    """Whether the Service of that address has a ready DNS pod of its family for UDP, by the API."""
    return any(
        endpoint.ready
        and Transport.UDP in endpoint.ports
        and (":" in endpoint.ip) == (":" in server)
        for service in seen.dns_services
        if server in service.cluster_ips
        for endpoint in seen.endpoints(service)
    )


def _rules(seen: Observed, subject: Subject, server: str) -> tuple[tuple[str, ...], str]:
    """The evidence of the node's own rules, and what is wrong with them in words, empty when they
    are right. No evidence where they were not seen, or none are kube-proxy's."""
    try:
        rules = seen.host(subject.name).translation
        endpoints = {each.ip: each.ready for each in seen.dns_endpoints}
    except Missing:
        return (), ""
    if not rules.is_kube_proxy:
        return (), ""
    if not any(endpoints.values()) or symptoms.local_policy(seen, server):
        return (), ""  # kube-proxy is right to have none
    backends = rules.backends(server)
    if not backends:
        return rules.ids, "and kube-proxy's tables there have no rule for it"
    gone = [ip for ip in backends if ip not in endpoints]
    return rules.ids, f"its rules send it to {' '.join(gone)}, no DNS pod of now" if gone else ""


def _agent(seen: Observed, subject: Subject) -> tuple[str, bool]:
    """What is to be seen of kube-proxy on the node, and whether that alone proves it."""
    try:
        agents = [pod for pod in seen.system_pods(subject.name) if _is_proxy(pod)]
    except Missing:
        return "kube-proxy's pod could not be looked at.", False
    if not agents:
        return "No kube-proxy pod is to be seen there: it may be part of another program.", False
    ill = [pod for pod in agents if not pod.ready]
    if ill:
        return f"Its pod {ill[0].name} is not ready.", True
    return f"Its pod {agents[0].name} is ready all the same.", False


def _is_proxy(pod: Pod) -> bool:
    return pod.labels.get("k8s-app") == "kube-proxy" or pod.name.startswith("kube-proxy")
