"""All DNS pods go down together: there is one only, or all of them are on one node."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Missing, Scope, Severity, Subject
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "coredns-placement-rollout",
    scope=Scope.CLUSTER,
    severity=Severity.INFO,
    message="{what}: names stop resolving everywhere when it restarts or {node} goes down.",
    remedy="Run two DNS pods or more, spread over nodes (topologySpreadConstraints or required "
    "anti-affinity), with a PodDisruptionBudget.",
    verify="kubectl -n {namespace} get pods -o wide | grep -i dns",
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    try:
        pods = [pod for pod in seen.dns_pods if pod.ready and not pod.terminating]
    except Missing:
        return  # mere advice: nobody needs to know that it could not be given
    nodes = {pod.node for pod in pods}
    if len(nodes) != 1:
        return
    facts = tuple(f.id for f in seen.evidence.facts if f.id.startswith("dns-pods/"))
    what = (
        f"{pods[0].name} on {pods[0].node} is the only DNS pod"
        if len(pods) == 1
        else f"All {len(pods)} DNS pods are on {pods[0].node}"
    )
    yield Found(
        evidence=facts,
        args={"what": what, "node": pods[0].node, "namespace": pods[0].namespace},
    )
