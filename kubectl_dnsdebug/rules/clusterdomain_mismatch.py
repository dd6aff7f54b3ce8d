"""Kubelet's search list names another domain than the one that the DNS server owns."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Confidence, Missing, Role, Scope, Severity, Subject
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse.corefile import is_under
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "clusterdomain-mismatch",
    scope=Scope.NODE,
    severity=Severity.ERROR,
    message="{node}: kubelet gives pods the cluster domain {theirs}, but the DNS server owns "
    "{zone}: every short name of a Service is looked for where it does not exist.",
    remedy="Make the kubelet's clusterDomain on {node} and the kubernetes line of the Corefile "
    "name the same domain, restart the kubelet, and recreate the node's pods.",
    verify="dig kubernetes.default.svc.{theirs}. @{server}   # {status}; with {zone} it answers",
    silent_when="the domain of the search list resolves, lies in a zone of the Corefile's "
    "kubernetes plugin, or nobody answers for it at all.",
    explains=("wrong-name", "resolvconf-overwritten-or-stale"),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    if symptoms.is_only_witness(seen, subject):
        return
    place = symptoms.cluster_first(seen, subject)
    theirs = symptoms.cluster_domain(seen.conf(place))
    if not theirs:
        return
    asked = seen.ask(place, probe="dom.")
    if not asked:
        raise Missing(f"the domain of the pod's search list was not asked at {place.id}")
    if not any(a.status.is_answer for a in asked) or any(map(symptoms.gives_address, asked)):
        return
    if place.role is not Role.CONTROL:
        told = symptoms.kubelet_says(seen, subject, "clusterDomain")
        if theirs not in [each.rstrip(".") for each in told]:
            return  # the pod is from before a change: a new one gets another file
    zones = [z for z in seen.corefile.kubernetes_zones() if not z.endswith(".arpa.")]
    if not zones or any(is_under(theirs, zone) for zone in zones):
        return
    right = [
        a
        for reach in symptoms.service_reach(seen, place)
        for a in reach.answers
        if symptoms.gives_address(a)
    ]
    wrong = next(a for a in asked if a.status.is_answer)
    sure = bool(right) and place.role is Role.CONTROL
    yield Found(
        evidence=(
            seen.conf_id(place),
            wrong.id,
            *(a.id for a in right[:1]),
            *(fact.id for fact in seen.facts("configmap/")),
        ),
        args={
            "node": subject.name,
            "theirs": theirs,
            "zone": zones[0].rstrip("."),
            "server": wrong.server,
            "status": wrong.status.value.upper(),
        },
        confidence=Confidence.CERTAIN if sure else Confidence.LIKELY,
        settles="" if sure else "a fresh ClusterFirst pod on the node",
    )
