"""What was looked at, in the words a person needs to know that it is the right thing."""

from __future__ import annotations

from typing import Any

from kubectl_dnsdebug.model import Missing, Role, Scope, Subject
from kubectl_dnsdebug.observe import names as naming
from kubectl_dnsdebug.observe.image import libc
from kubectl_dnsdebug.observe.objects import Pod
from kubectl_dnsdebug.observe.observed import Observed

MOST_NAMED = 3  # nodes


def targets(seen: Observed) -> tuple[Pod, ...]:
    """The target pods; none when one of them could not be read."""
    try:
        return seen.targets
    except Missing:
        return ()


def places(seen: Observed) -> tuple[Subject, ...]:
    """The targets that have pictures of their own: pods, or nodes where a few were named."""
    request = seen.evidence.request
    nodes = tuple(each for each in seen.subjects if each.scope is Scope.NODE)
    if nodes:
        return nodes if len(nodes) <= MOST_NAMED and not any(request.picked_by) else ()
    return tuple(pod.subject for pod in targets(seen))


def target(seen: Observed) -> dict[str, Any]:
    """The report's `target`: each pod with its node, policy, libc, and from where it was seen; how
    nodes were chosen."""
    request = seen.evidence.request
    picked = [*request.picked_by, *[""] * len(request.targets)]
    return {
        "context": seen.evidence.context,
        "collected_at": seen.evidence.collected_at,
        **_nodes(seen),
        "pods": [
            {
                "pod": str(pod.subject),
                "node": pod.node,
                "phase": pod.phase,
                "dnsPolicy": pod.dns_policy,
                "hostNetwork": pod.host_network,
                "libc": libc(seen, pod.subject),
                "picked_by": how,
                **_seen_from(seen, pod.subject),
                "external_name": (names := naming.pick(seen, pod)).external,
                "external_name_from": names.external_from,
            }
            for pod, how in zip(targets(seen), picked, strict=False)
        ],
    }


def _nodes(seen: Observed) -> dict[str, Any]:
    request = seen.evidence.request
    if not any(each.scope is Scope.NODE for each in seen.subjects):
        return {}
    picked = " ".join(dict.fromkeys(filter(None, request.picked_by)))
    external = naming.pick(seen, seen.client(seen.subjects[0]))
    return {
        "nodes": {
            "count": len(seen.subjects),
            "picked_by": picked,
            "namespace": request.home,
            "external_name": external.external,
            "external_name_from": external.external_from,
        }
    }


def _seen_from(seen: Observed, subject: Subject) -> dict[str, str]:
    """`seen_from` is `target`, `sibling` or `nowhere`, then `seen_from_why` says why."""
    try:
        role = seen.own(subject).role
    except Missing as gap:
        return {"seen_from": "nowhere", "seen_from_why": str(gap)}
    return {
        "seen_from": role.value,
        "seen_from_why": _why_beside(seen, subject) if role is Role.SIBLING else "",
    }


def _why_beside(seen: Observed, subject: Subject) -> str:
    try:
        fact = seen.fact(f"sibling/{subject.namespace}/{subject.name}")
    except Missing:
        return ""
    return str(fact.data.get("reason", "")) if fact else ""
