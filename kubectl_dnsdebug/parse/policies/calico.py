"""NetworkPolicy and GlobalNetworkPolicy of Calico.

They lie in tiers and have an order; the first rule that fits allows or denies, or passes on to the
next tier. Where a policy of a tier selects the pod and no rule fits, the tier denies. Plain
NetworkPolicies lie in the tier `default`, with the order 1000.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from kubectl_dnsdebug.model import Json
from kubectl_dnsdebug.parse.netpol import Decision, Peer
from kubectl_dnsdebug.parse.policies import calico_selector
from kubectl_dnsdebug.parse.policies.terms import FREE, Direction, Policy, Traffic, decision
from kubectl_dnsdebug.parse.selectors import NAMESPACE_NAME, all_of, any_of, negated, within

_DEFAULT = "default"
_PLAIN_ORDER = 1000.0
_NUMBERS = {6: "TCP", 17: "UDP"}
# What a tier says of a packet: its verdict (None: it hangs on something unknown), or to go on.
_Verdict = bool | None | Literal["pass"]


def judge(policies: Sequence[Policy], traffic: Traffic, plain: Decision | None) -> Decision:
    """Whether they let the pod send or receive it."""
    if traffic.pod.host_network:
        return FREE
    chosen = [p for p in policies if traffic.direction in _directions(p.spec)]
    chosen = [p for p in chosen if _for_pod(p, traffic.pod) is not False]
    if not chosen:
        return FREE
    names = {str(p.spec.get("tier") or _DEFAULT) for p in chosen} - {_DEFAULT}
    others = [_tier(chosen, name, traffic, None) for name in sorted(names)]
    decided = [each for each in others if each[0] != "pass"]
    # The order of the tiers is written elsewhere: several must agree.
    if len({verdict for verdict, _ in decided}) > 1:
        return decision(None, chosen)
    verdict, by = decided[0] if decided else _tier(chosen, _DEFAULT, traffic, plain)
    return FREE if verdict == "pass" else decision(verdict, by)


def _tier(
    policies: Sequence[Policy], name: str, traffic: Traffic, plain: Decision | None
) -> tuple[_Verdict, list[Policy]]:
    """The tier's verdict and the policies that make it."""
    here = sorted(
        (p for p in policies if (p.spec.get("tier") or _DEFAULT) == name),
        key=lambda p: (_order(p), p.title),
    )
    early = [p for p in here if _order(p) < _PLAIN_ORDER]
    plainly: list[Policy | None] = [None] if name == _DEFAULT else []
    for policy in (*early, *plainly, *here[len(early) :]):
        if policy is None:
            if (said := _plainly(plain)) is not False:
                return said, []
            continue
        for rule in policy.spec.get(traffic.direction.value) or ():
            fits = all_of((_for_pod(policy, traffic.pod), _fits(rule, policy, traffic)))
            action = str(rule.get("action", "")).lower()
            if fits is False or action == "log":
                continue
            if fits is None:
                return None, [policy]
            return ("pass" if action == "pass" else action == "allow"), [policy]
    isolated = any_of(_for_pod(policy, traffic.pod) for policy in here)
    if name != _DEFAULT:
        return (None if here else "pass"), here  # a tier may pass at its end: it says so elsewhere
    return negated(isolated) if isolated is not False else "pass", here


def _plainly(plain: Decision | None) -> bool | None:
    """Whether plain NetworkPolicies allow it, by selecting the pod; None where that is unread."""
    if plain is None:
        return None
    return plain.allowed if plain.selecting else False


def _order(policy: Policy) -> float:
    order = policy.spec.get("order")
    return float(order) if isinstance(order, int | float) else float("inf")


def _directions(spec: Json) -> set[Direction]:
    if types := spec.get("types"):
        return {each for each in Direction if each in {str(t).lower() for t in types}}
    found = {each for each in Direction if spec.get(each.value)}
    return found or {Direction.INGRESS}


def _for_pod(policy: Policy, pod: Peer) -> bool | None:
    if policy.namespace and policy.namespace != pod.namespace:
        return False
    spec = policy.spec
    account = None if spec.get("serviceAccountSelector") else True
    return all_of(
        (
            _labelled(spec.get("selector"), pod),
            _of_namespace(spec.get("namespaceSelector"), pod),
            account,
        )
    )


def _labelled(expression: Any, pod: Peer) -> bool | None:
    labels = {
        **pod.labels,
        "projectcalico.org/namespace": pod.namespace,
        "projectcalico.org/orchestrator": "k8s",
    }
    return calico_selector.selects(str(expression or ""), labels)


def _of_namespace(expression: Any, pod: Peer) -> bool | None:
    if not expression:
        return True
    known = {NAMESPACE_NAME: pod.namespace, "projectcalico.org/name": pod.namespace}
    found = calico_selector.selects(str(expression), known | dict(pod.namespace_labels or {}))
    sure = pod.namespace_labels is not None or str(expression).strip() in ("all()", "global()")
    return found if sure else None


def _fits(rule: Json, policy: Policy, traffic: Traffic) -> bool | None:
    protocol = rule.get("protocol")
    wanted = _NUMBERS.get(protocol, protocol) if isinstance(protocol, int) else protocol
    refused = rule.get("notProtocol")
    sides = (rule.get("source") or {}, rule.get("destination") or {})
    ours, theirs = sides if traffic.direction is Direction.EGRESS else sides[::-1]
    return all_of(
        (
            wanted is None or str(wanted).upper() == traffic.protocol,
            refused is None or str(refused).upper() != traffic.protocol,
            rule.get("ipVersion") in (None, 6 if ":" in traffic.peer.ip else 4),
            None if rule.get("http") else True,
            _entity(ours, traffic.pod, policy.namespace),
            _entity(theirs, traffic.peer, policy.namespace),
            _ports(sides[1], traffic),
            None if sides[0].get("ports") or sides[0].get("notPorts") else True,
        )
    )


def _entity(entity: Json, peer: Peer, home: str) -> bool | None:
    """Whether one end fits a rule's words for it."""
    answers: list[bool | None] = []
    if nets := entity.get("nets"):
        answers.append(any_of(within(net, peer.ip) for net in nets))
    if nets := entity.get("notNets"):
        answers.append(negated(any_of(within(net, peer.ip) for net in nets)))
    words = [entity.get(key) for key in ("selector", "namespaceSelector", "notSelector")]
    if any(words) and (not peer.namespace or peer.host_network):
        answers.append(None)  # sets of networks and hosts' own endpoints have labels too
    elif any(words):
        selector, namespaces, excepted = words
        answers.append(_labelled(selector, peer))
        answers.append(_of_namespace(namespaces, peer))
        answers.append(bool(namespaces) or not home or peer.namespace == home)
        answers.append(negated(_labelled(excepted, peer)) if excepted else True)
    if any(entity.get(key) for key in ("services", "serviceAccounts")):
        answers.append(None)
    if entity.get("domains"):
        answers.append(False)
    return all_of(answers)


def _ports(destination: Json, traffic: Traffic) -> bool | None:
    def listed(ports: Any) -> bool | None:
        return any_of(_port(each, traffic) for each in ports)

    wanted, refused = destination.get("ports"), destination.get("notPorts")
    return all_of(
        (listed(wanted) if wanted else True, negated(listed(refused)) if refused else True)
    )


def _port(wanted: Any, traffic: Traffic) -> bool | None:
    first, colon, last = str(wanted).partition(":")
    if colon and first.isdecimal() and last.isdecimal():
        return int(first) <= traffic.port <= int(last)
    return traffic.is_port(first)
