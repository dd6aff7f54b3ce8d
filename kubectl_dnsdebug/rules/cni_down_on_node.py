"""The network plugin of a node does not work: new pods there get no network.

Kubelet says so in events and in the node's Ready condition. Pods that already run may lose the
others too.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Confidence, Json, Missing, Role, Scope, Severity, Subject
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.objects import at
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule

# Runtimes report every failure to build a sandbox alike; these words are of the network plugin.
_WORDS = ("failed to setup network", "failed to set up sandbox container", "cni", "network")


@rule(
    "cni-down-on-node",
    scope=Scope.NODE,
    severity=Severity.ERROR,
    message="The network plugin (CNI) of {node} does not work: {what}",
    remedy="Repair the CNI agent on {node}: look at its pod, its log and its configuration in "
    "/etc/cni/net.d.",
    verify="kubectl get events -A --field-selector reason=FailedCreatePodSandBox",
    silent_when="a pod that was made just now on the node was given a network, or names resolve "
    "there.",
    explains=("kube-proxy-rules-missing", "overlay-broken", "coredns-not-running"),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    fresh = [
        v
        for v in seen.evidence.vantages
        if v.node == subject.name and v.role in (Role.CONTROL, Role.DEFAULT, Role.SIBLING)
    ]
    if any(not v.failure for v in fresh):
        return  # a pod made just now was given a network
    if _names_resolve(seen, subject):
        return
    said = [
        str(c.get("message", ""))
        for c in _conditions(seen, subject)
        if c.get("type") == "Ready" and c.get("status") != "True"
    ]
    for text in said:
        if "cni" in text.lower() or "network plugin" in text.lower():
            yield Found(
                evidence=(f"node/{subject.name}",),
                args={"node": subject.name, "what": text[:200]},
            )
            return
    for id, text in _events(seen, {v.pod for v in fresh}):
        if any(word in text for word in _WORDS):
            yield Found(
                evidence=(id,),
                args={"node": subject.name, "what": text[:200]},
                confidence=Confidence.LIKELY,
                settles="the CNI agent's log",
            )
            return
    if fresh:
        raise Missing(fresh[0].failure)


def _events(seen: Observed, pods: set[str]) -> Iterator[tuple[str, str]]:
    """What kubelet says of our own pods that got no network."""
    for pod in sorted(pods):
        for reason in ("NetworkNotReady", "FailedCreatePodSandBox"):
            yield from seen.events(reason, about=pod)


def _names_resolve(seen: Observed, subject: Subject) -> bool:
    """Whether a pod that already runs there reaches the cluster's DNS."""
    try:
        place = symptoms.place(seen, subject)
        return all(reach.fine for reach in symptoms.service_reach(seen, place))
    except Missing:
        return False


def _conditions(seen: Observed, subject: Subject) -> tuple[Json, ...]:
    try:
        fact = seen.fact(f"node/{subject.name}")
    except Missing:
        return ()
    return tuple(at(fact.data, "status", "conditions", default=())) if fact else ()
