"""Where to look once more, given what was seen from the first places. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kubectl_dnsdebug.model import Missing, Purpose, Role, node
from kubectl_dnsdebug.observe import contrast, symptoms
from kubectl_dnsdebug.observe.objects import Endpoint, Pod, at
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.plan import manifests
from kubectl_dnsdebug.plan.probes import BATTERY, REACH, plan
from kubectl_dnsdebug.plan.spots import Spot

MOST_WITNESSES = 2
_ENFORCED = "pod-security.kubernetes.io/enforce"


def witnesses(seen: Observed, targets: Iterable[Pod], run: str) -> tuple[Spot, ...]:
    """A second look, from where it tells most of what the first one saw.

    From the node of a ready but silent DNS pod: is it the pod, or the way? From the target's own
    node where the Service alone loses questions: is it how replies reach pods, or the translation?
    """
    found: dict[tuple[Role, str], Spot] = {}
    for pod in targets:
        places = [(Role.CONTROL, home, BATTERY) for home in _nodes_of_silent_dns_pods(seen, pod)]
        if not places and _loses_by_service_alone(seen, pod):
            places = [(Role.HOSTNET, pod.node, REACH)]
        for role, there, battery in places:
            spot = Spot(
                role=role,
                target=pod,
                node=there,
                host=f"dnsdebug-{run}-witness{len(found) or ''}",
                container=manifests.CONTAINER,
                plan=plan(seen, role, pod, battery),
            )
            found.setdefault((role, there), spot)
    return tuple(found.values())[:MOST_WITNESSES]


def _nodes_of_silent_dns_pods(seen: Observed, pod: Pod) -> Iterator[str]:
    """Where ready DNS pods run that plain pods beside the target do not reach, or not always.

    A silence that is the target's alone has its cause in the target; without a plain pod to tell,
    the target's word counts.
    """
    known = {v.node for v in seen.evidence.vantages if v.role is Role.CONTROL}
    of_nodes = seen.evidence.request.purpose is Purpose.NODES
    subject = node(pod.node) if of_nodes else pod.subject
    for endpoint in _endpoints(seen):
        if not endpoint.ready or not endpoint.node or endpoint.node in known:
            continue
        for look in (seen.control, seen.own):
            try:
                lost = seen.reach(look(subject), endpoint.ip).silent
            except Missing:
                continue
            if lost:
                yield endpoint.node
            break


def _loses_by_service_alone(seen: Observed, pod: Pod) -> bool:
    """Whether plain pods beside the target lose questions to the Service though each DNS pod
    answers them. Nodes are looked at from their own network anyhow, and --deep shows the rules."""
    request = seen.evidence.request
    if request.purpose is not Purpose.DIAGNOSE or request.deep or not _admits_host(seen, pod):
        return False
    try:
        place = seen.control(pod.subject)
        replicas = symptoms.replicas(seen, place)
        return replicas.all_fine and any(
            symptoms.lossy(contrast.asked(seen, place, reach.server))
            for reach in symptoms.service_reach(seen, place)
        )
    except Missing:
        return False


def _admits_host(seen: Observed, pod: Pod) -> bool:
    """Whether Pod Security lets pods of that namespace on the node's network, as far as it says."""
    known = (f for f in seen.evidence.facts if f.id == f"namespace/{pod.namespace}")
    enforced = [str(at(f.data, "metadata", "labels", _ENFORCED, default="")) for f in known]
    return set(enforced) <= {"", "privileged"}


def _endpoints(seen: Observed) -> tuple[Endpoint, ...]:
    try:
        return seen.dns_endpoints
    except Missing:
        return ()
