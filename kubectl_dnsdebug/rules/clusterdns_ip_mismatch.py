"""Kubelet gives pods a nameserver that is not the cluster's DNS, and does not answer for it."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Confidence, Missing, Role, Scope, Severity, Subject
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "clusterdns-ip-mismatch",
    scope=Scope.NODE,
    severity=Severity.ERROR,
    message="{node}: kubelet gives pods the nameserver {wrong} ({summary}), but the DNS Service "
    "{service} has the address {right}.",
    remedy="Set clusterDNS to {right} in the kubelet's configuration on {node}, restart the "
    "kubelet, and recreate the node's pods.",
    verify="kubectl get service {name} -n {namespace} -o jsonpath='{{.spec.clusterIPs}}'   # must "
    "hold the nameserver of the pods' resolv.conf, {wrong}",
    silent_when="a nameserver of a fresh pod is an address of the DNS Service or of a node cache, "
    "or any of them gives the address of a Service.",
    explains=("resolvconf-overwritten-or-stale", "wrong-name"),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    if symptoms.is_only_witness(seen, subject):
        return
    place = symptoms.cluster_first(seen, subject)
    conf = seen.conf(place)
    if not symptoms.cluster_domain(conf):
        return  # the host's file: kubelet gave no cluster DNS at all
    own = {ip for ip in conf.nameservers if ip in seen.cluster_ips or seen.is_node_cache(ip)}
    reaches = [seen.reach(place, ip) for ip in conf.nameservers if ip not in own]
    lost = [r for r in reaches if not any(map(symptoms.gives_address, r.answers))]
    if own or not lost or len(lost) < len(reaches):
        return
    if place.role is not Role.CONTROL:
        told = symptoms.kubelet_says(seen, subject, "clusterDNS")
        if set(told) != set(conf.nameservers):
            return  # the pod is from before a change: a new one gets another file
    service = seen.dns_service()
    fact = seen.fact("services")
    right = [r for r in symptoms.service_reach(seen, place) if r.fine]
    sure = bool(right) and fact is not None and place.role is Role.CONTROL
    yield Found(
        evidence=(
            seen.conf_id(place),
            *symptoms.ids(lost[0]),
            *(r.ids[0] for r in right[:1]),
            *_configured(seen, subject),
            "services",
        ),
        args={
            "node": subject.name,
            "wrong": " ".join(r.server for r in lost),
            "summary": lost[0].summary,
            "service": service.id,
            "right": " ".join(service.cluster_ips),
            "name": service.name,
            "namespace": service.namespace,
        },
        confidence=Confidence.CERTAIN if sure else Confidence.LIKELY,
        settles="" if sure else "a fresh ClusterFirst pod on the node that reaches the DNS Service",
        severity=None if _harms(seen, subject, conf.nameservers) else Severity.WARNING,
    )


def _configured(seen: Observed, subject: Subject) -> tuple[str, ...]:
    try:
        fact = seen.fact(f"configz/{subject.name}")
    except Missing:
        return ()
    return (fact.id,) if fact else ()


def _harms(seen: Observed, subject: Subject, wrong: tuple[str, ...]) -> bool:
    """Whether a target of this node has it too, and not only the next pod that starts."""
    targets = symptoms.targets_on(seen, subject)
    confs = [seen.conf_or_none(seen.own(each)) for each in targets]
    return not targets or any(c is None or c.nameservers == wrong for c in confs)
