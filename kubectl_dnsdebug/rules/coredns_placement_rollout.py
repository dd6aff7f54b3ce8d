"""All DNS pods go down together, being one only or all on one node; or they go too abruptly."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Missing, Scope, Severity, Subject
from kubectl_dnsdebug.observe.intermittent import lost_in_upheavals
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.observe.watched import MARGIN, Kind, watched
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "coredns-placement-rollout",
    scope=Scope.CLUSTER,
    severity=Severity.INFO,
    message="{what}: names stop resolving {when}.",
    remedy="Run two DNS pods or more, spread over nodes (topologySpreadConstraints or required "
    "anti-affinity), with a PodDisruptionBudget, and let them serve on for seconds when they are "
    "told to end (`lameduck` of the `health` plugin).",
    verify="kubectl -n {namespace} get pods -o wide | grep -i dns",
    silent_when="ready DNS pods are on two nodes or more.",
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    yield from _lost_meanwhile(seen)
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
        args={
            "what": what,
            "when": f"everywhere when it restarts or {pods[0].node} goes down",
            "namespace": pods[0].namespace,
        },
    )


def _lost_meanwhile(seen: Observed) -> Iterator[Found]:
    """A watch that lost questions only while DNS pods came and went."""
    watch = watched(seen)
    lossy = lost_in_upheavals(watch) if watch else ()
    changes = [c for c in watch.changes if c.kind is Kind.ENDPOINT] if watch and lossy else []
    if not changes:
        return
    lost, asked = sum(each.lost for each in lossy), sum(each.asked for each in lossy)
    yield Found(
        evidence=(*(each.id for each in lossy), *dict.fromkeys(c.fact for c in changes)),
        args={
            "what": f"{lost} of {asked} questions were lost, all within {MARGIN:.0f} s of a change "
            f"of the DNS servers ({changes[0].name} {changes[0].state}, {len(changes)} in all)",
            "when": "for moments whenever DNS pods are replaced",
            "namespace": changes[0].fact.split("/")[2],
        },
        severity=Severity.WARNING,  # names were lost, where the rule else speaks of what may come
    )
