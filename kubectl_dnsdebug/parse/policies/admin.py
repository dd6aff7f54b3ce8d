"""AdminNetworkPolicy, BaselineAdminNetworkPolicy, and ClusterNetworkPolicy with its two tiers.

The first rule that fits decides, by priority. What administrators pass on, or say nothing of, is
for plain NetworkPolicies; the baseline speaks only of pods that none of those selects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubectl_dnsdebug.model import Json
from kubectl_dnsdebug.parse.netpol import Decision, Peer
from kubectl_dnsdebug.parse.policies.terms import FREE, Direction, Policy, Traffic, decision
from kubectl_dnsdebug.parse.selectors import all_of, any_of, selects, selects_namespace, within

_BASELINE = "BaselineAdminNetworkPolicy "


def judge(policies: Sequence[Policy], traffic: Traffic, plain: Decision | None) -> Decision:
    """Whether they let the pod send or receive it."""
    if traffic.pod.host_network:
        return FREE
    found = _first(tuple(p for p in policies if not _is_baseline(p)), traffic)
    if found is not None:
        return found
    if plain is None:
        return decision(None, ())
    if plain.selecting:
        return FREE  # theirs to decide
    return _first(tuple(filter(_is_baseline, policies)), traffic) or FREE


def _is_baseline(policy: Policy) -> bool:
    return policy.title.startswith(_BASELINE) or policy.spec.get("tier") == "Baseline"


def _first(policies: Sequence[Policy], traffic: Traffic) -> Decision | None:
    """What the first rule that fits says; None when it passes or none fits."""
    side = "to" if traffic.direction is Direction.EGRESS else "from"
    for policy in sorted(policies, key=lambda p: (p.spec.get("priority") or 0, p.title)):
        about = _pods(policy.spec.get("subject") or {}, traffic.pod)
        for rule in policy.spec.get(traffic.direction.value) or ():
            fits = all_of(
                (
                    about,
                    any_of(_peer(each, traffic.peer) for each in rule.get(side) or ()),
                    _ports(rule, traffic),
                )
            )
            if fits is None:
                return decision(None, (policy,))
            if fits:
                action = rule.get("action")
                return None if action == "Pass" else decision(action != "Deny", (policy,))
    return None


def _peer(entry: Json, peer: Peer) -> bool | None:
    if "networks" in entry:
        inside = any_of(within(each, peer.ip) for each in entry["networks"] or ())
        # Blocks are for what is outside the cluster; some plugins take pods' addresses too.
        return None if inside else inside
    if "nodes" in entry:
        return None if peer.host_network else False
    if "domainNames" in entry:
        return False
    if not peer.namespace or peer.host_network:
        return False
    return _pods(entry, peer)


def _pods(entry: Json, pod: Peer) -> bool | None:
    """Whether `namespaces` or `pods` of a subject or a peer fit the pod."""
    if "namespaces" in entry:
        return _selector(entry["namespaces"], pod)
    if "pods" in entry:
        words = entry["pods"] or {}
        return all_of(
            (
                _selector(words.get("namespaceSelector"), pod),
                selects(words.get("podSelector"), pod.labels),
            )
        )
    return None


def _selector(selector: Any, pod: Peer) -> bool | None:
    if set(selector or {}) - {"matchLabels", "matchExpressions"}:
        return None  # words of another version
    return selects_namespace(selector, pod.namespace, pod.namespace_labels)


def _ports(rule: Json, traffic: Traffic) -> bool | None:
    """By `ports` (v1alpha1) or `protocols` (v1alpha2); without either all fit."""
    answers: list[bool | None] = []
    if ports := rule.get("ports"):
        answers.append(any_of(_port(each, traffic) for each in ports))
    if protocols := rule.get("protocols"):
        answers.append(any_of(_protocol(each, traffic) for each in protocols))
    return all_of(answers)


def _port(entry: Json, traffic: Traffic) -> bool | None:
    if name := entry.get("namedPort"):
        return traffic.is_port(str(name))
    found = entry.get("portNumber") or entry.get("portRange") or {}
    if (found.get("protocol") or "TCP") != traffic.protocol:
        return False
    return traffic.is_port(found.get("port", found.get("start")), found.get("end"))


def _protocol(entry: Json, traffic: Traffic) -> bool | None:
    if name := entry.get("destinationNamedPort"):
        return traffic.is_port(str(name))
    if traffic.protocol.lower() not in entry:
        return False
    port = (entry[traffic.protocol.lower()] or {}).get("destinationPort") or {}
    numbers = port.get("range") or {}
    return traffic.is_port(port.get("number", numbers.get("start")), numbers.get("end"))
