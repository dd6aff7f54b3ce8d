"""A kubelet without clusterDNS gives ClusterFirst pods the host's file."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Confidence, Missing, Role, Scope, Severity, Subject
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.objects import at
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "clusterdns-missing",
    scope=Scope.NODE,
    severity=Severity.ERROR,
    message="{node}: the kubelet has no clusterDNS, so a ClusterFirst pod gets the host's file "
    "({servers}) and no name of a Service resolves in it.",
    remedy="Set clusterDNS and clusterDomain in the kubelet's configuration on {node}, restart the "
    "kubelet, and recreate the node's pods.",
    verify="kubectl get --raw /api/v1/nodes/{node}/proxy/configz | grep -o '\"clusterDNS\":[^]]*]'"
    "   # nothing: not set",
    silent_when="a ClusterFirst pod's search list names the cluster's domain, or its nameserver "
    "is the DNS Service or a node cache; when the pod is older than the kubelet's present "
    "configuration.",
    explains=("resolvconf-overwritten-or-stale", "wrong-name", "host-loopback-nameserver"),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    if symptoms.is_only_witness(seen, subject):
        return
    place = symptoms.cluster_first(seen, subject)
    conf = seen.conf(place)
    if symptoms.cluster_domain(conf) or set(conf.nameservers) & set(seen.cluster_ips):
        return
    if any(map(seen.is_node_cache, conf.nameservers)):
        return
    if place.role is not Role.CONTROL and symptoms.kubelet_says(seen, subject, "clusterDNS"):
        return  # the pod is from before a change: a new one gets another file
    events = seen.events("MissingClusterDNS", about=place.pod)
    proof = [id for id, _ in events[:1]] + _configured(seen, subject)
    yield Found(
        evidence=(seen.conf_id(place), *proof),
        args={
            "node": subject.name,
            "servers": " ".join(conf.nameservers) or "no nameserver",
        },
        confidence=Confidence.CERTAIN if proof else Confidence.LIKELY,
        settles="" if proof else "the kubelet's configuration (get nodes/proxy)",
        severity=None if _harms(seen, subject) else Severity.WARNING,
    )


def _configured(seen: Observed, subject: Subject) -> list[str]:
    """The kubelet's configuration, where it shows that there is none."""
    try:
        fact = seen.fact(f"configz/{subject.name}")
    except Missing:
        return []
    return [fact.id] if fact and not at(fact.data, "clusterDNS", default=()) else []


def _harms(seen: Observed, subject: Subject) -> bool:
    """Whether a target of this node suffers now, and not only the next pod that starts."""
    targets = symptoms.targets_on(seen, subject)
    confs = [seen.conf_or_none(seen.own(each)) for each in targets]
    return not targets or any(c is None or not symptoms.cluster_domain(c) for c in confs)
