"""Where to stand on nodes, and on which nodes nobody can. Pure.

A node is looked at in two waves: two pods on the pod network, and where these do not find all well
two on the node's own, that need neither a sandbox's network nor the way out of one. Where nodes are
named one of the latter comes at once: what is wrong with a node's own way may show nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kubectl_dnsdebug.model import Role
from kubectl_dnsdebug.observe.objects import Node, plain_pod
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.plan.manifests import CONTAINER
from kubectl_dnsdebug.plan.probe import Plan
from kubectl_dnsdebug.plan.probes import plan
from kubectl_dnsdebug.plan.spots import Spot

FIRST_WAVE = (Role.CONTROL, Role.DEFAULT)
SECOND_WAVE = (Role.HOSTNET, Role.HOSTNET_DEFAULT)  # needs a namespace that admits hostNetwork
# Labels of nodes that are no machines: what is pinned to them never runs, or elsewhere.
_VIRTUAL = {
    "type": "virtual-kubelet",
    "kubernetes.azure.com/mode": "virtual",
    "eks.amazonaws.com/compute-type": "fargate",
}


def unfit(node: Node) -> str:
    """Why nothing is tried on a node; empty where something is."""
    if node.os == "windows":
        return "it is a Windows node, and the probes are Linux programs"
    if any(node.labels.get(key) == value for key, value in _VIRTUAL.items()) or any(
        taint.startswith("virtual-kubelet.io/provider") for taint in node.taints
    ):
        return "it is a virtual node, on which no pod can be placed by its name"
    if node.silent:
        return "it does not report any more: its kubelet or the machine is down"
    if not node.ready:
        return "it is not Ready" + (f": {node.trouble}" if node.trouble else "")
    return ""


def plans(seen: Observed) -> dict[Role, Plan]:
    """What is asked on every node, by role: the same everywhere."""
    home = seen.evidence.request.home
    return {role: plan(seen, role, plain_pod(home, "")) for role in (*FIRST_WAVE, *SECOND_WAVE)}


def spot(plans: Mapping[Role, Plan], role: Role, home: str, node: str, run: str, n: int) -> Spot:
    """One place on a node; `n` tells it from those of other nodes."""
    return Spot(
        role=role,
        target=plain_pod(home, node),
        node=node,
        host=f"dnsdebug-{run}-{role.value}-{n}",
        container=CONTAINER,
        plan=plans[role],
    )


def worth_a_look(nodes: Sequence[str], ill: Sequence[str], *, named: bool) -> tuple[str, ...]:
    """At which nodes, of those whose logs were read, a privileged pod looks: all that were `named`;
    of a sweep those that are ill, and a healthy one for contrast."""
    well = [node for node in nodes if node not in ill]
    return (*ill, *(well if named else well[:1]))
