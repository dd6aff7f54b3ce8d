"""Kubelet's search list names another domain than the one that the DNS server owns, or none."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Confidence, Missing, Role, Scope, Severity, Subject
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse.resolvconf import ResolvConf
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "clusterdomain-mismatch",
    scope=Scope.NODE,
    severity=Severity.ERROR,
    message="{node}: kubelet gives pods {given}, but the DNS server owns {zone}: every short name "
    "of a Service is looked for where it does not exist.",
    remedy="Make the kubelet's clusterDomain on {node} and the kubernetes line of the Corefile "
    "name the same domain, restart the kubelet, and recreate the node's pods.",
    verify="dig kubernetes.default.{tail} @{server}   # {status}; with {zone} it answers",
    silent_when="the domain of the search list resolves, is a zone of the Corefile's kubernetes "
    "plugin, or nobody answers for that zone either.",
    explains=("wrong-name", "resolvconf-overwritten-or-stale"),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    if symptoms.is_only_witness(seen, subject):
        return
    place = symptoms.cluster_first(seen, subject)
    conf = seen.conf(place)
    theirs = symptoms.cluster_domain(conf)
    if not theirs and not _asks_cluster_dns(seen, conf):
        return  # the host's file: kubelet gave no cluster DNS at all
    asked = seen.ask(place, probe="dom.")
    if theirs and not asked:
        raise Missing(f"the domain of the pod's search list was not asked at {place.id}")
    if any(map(symptoms.gives_address, asked)):
        return
    if place.role is not Role.CONTROL:
        told = [each.rstrip(".") for each in symptoms.kubelet_says(seen, subject, "clusterDomain")]
        if (theirs not in told) if theirs else any(told):
            return  # the pod is from before a change: a new one gets another file
    right = [
        a
        for reach in symptoms.service_reach(seen, place)
        for a in reach.answers
        if symptoms.gives_address(a)
    ]
    # Silence speaks as well, where names of the right zone are answered: an upstream was asked.
    spoke = [a for a in asked if a.status.is_answer]
    if not right and not spoke:
        return
    zones = [z.rstrip(".") for z in seen.corefile.kubernetes_zones() if not z.endswith(".arpa.")]
    if not all(zones) or not zones or theirs in zones:
        return
    wrong = next(iter((*spoke, *asked)), None)
    sure = bool(right) and place.role is Role.CONTROL
    yield Found(
        evidence=(
            seen.conf_id(place),
            *([wrong.id] if wrong else []),
            *(a.id for a in right[:1]),
            *(fact.id for fact in seen.facts("configmap/")),
        ),
        args={
            "node": subject.name,
            "given": f"the cluster domain {theirs}" if theirs else "no cluster domain",
            "tail": f"svc.{theirs}." if theirs else "svc.",
            "zone": zones[0],
            "server": wrong.server if wrong else conf.nameservers[0],
            "status": wrong.status.value.upper() if wrong else "fails",
        },
        confidence=Confidence.CERTAIN if sure else Confidence.LIKELY,
        settles="" if sure else "a fresh ClusterFirst pod on the node",
    )


def _asks_cluster_dns(seen: Observed, conf: ResolvConf) -> bool:
    """Whether kubelet gave the address of the cluster's DNS, though no domain with it."""
    return any(ip in seen.cluster_ips or seen.is_node_cache(ip) for ip in conf.nameservers)
