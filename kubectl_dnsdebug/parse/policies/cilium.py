"""CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy.

A rule for a direction forbids there all that no rule allows, be it of these kinds or a plain
NetworkPolicy; a rule to deny comes before all that allow. Rules on DNS names refuse the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kubectl_dnsdebug.model import Json
from kubectl_dnsdebug.parse.netpol import Decision, Peer
from kubectl_dnsdebug.parse.policies.terms import FREE, Direction, Policy, Traffic, decision
from kubectl_dnsdebug.parse.selectors import all_of, any_of, negated, selects, within

_NAMESPACE = "io.kubernetes.pod.namespace"
_NAMESPACE_LABELS = "io.cilium.k8s.namespace.labels."
_EVERY_POD = {"all", "cluster"}
_NODES = {"host", "remote-node", *_EVERY_POD}


def judge(policies: Sequence[Policy], traffic: Traffic, plain: Decision | None) -> Decision:
    """Whether they let the pod send or receive it."""
    if traffic.pod.host_network:
        return FREE
    side = traffic.direction.value
    chosen = {policy.title: _for_pod(policy, traffic.pod) for policy in policies}
    denying = [
        (policy, all_of((chosen[policy.title], _matches(rule, traffic, policy.namespace))))
        for policy in policies
        for rule in policy.spec.get(f"{side}Deny") or ()
    ]
    if any(says for _, says in denying):
        return decision(False, (policy for policy, says in denying if says))
    isolating = [
        (policy, chosen[policy.title]) for policy in policies if _isolates(policy.spec, side)
    ]
    allowing = [
        all_of((chosen[policy.title], _matches(rule, traffic, policy.namespace)))
        for policy in policies
        for rule in policy.spec.get(side) or ()
    ]
    if plain is None:
        allowing.append(None)
    elif plain.selecting:
        allowing.append(plain.allowed)
    blocked = all_of((any_of(says for _, says in isolating), negated(any_of(allowing))))
    blocked = any_of((blocked, any_of(says for _, says in denying)))
    return decision(negated(blocked), (policy for policy, says in isolating if says))


def refusing(policies: Sequence[Policy], traffic: Traffic, name: str) -> tuple[str, ...]:
    """The titles of the policies with rules on DNS names when they let none through that `name`
    matches; empty when it passes or nobody looks at names."""
    allowing = [
        (policy, found)
        for policy in policies
        if _for_pod(policy, traffic.pod) is not False
        for rule in policy.spec.get(traffic.direction.value) or ()
        if _peers(rule, traffic, policy.namespace) is not False
        for found in _dns_rules(rule, traffic)
    ]
    wanted = name.rstrip(".").lower()
    if any(
        not rules or any(_matches_name(each, wanted) for each in rules) for _, rules in allowing
    ):
        return ()
    return tuple(dict.fromkeys(policy.title for policy, _ in allowing))


def _for_pod(policy: Policy, pod: Peer) -> bool | None:
    selector = policy.spec.get("endpointSelector")
    if selector is None:
        return False  # for nodes
    return _selected(selector, pod, policy.namespace)


def _isolates(spec: Json, side: str) -> bool:
    wish = (spec.get("enableDefaultDeny") or {}).get(side)
    if wish is not None:
        return bool(wish)
    return bool(spec.get(side) or spec.get(f"{side}Deny"))


def _matches(rule: Json, traffic: Traffic, home: str) -> bool | None:
    return all_of((_peers(rule, traffic, home), _ports(rule, traffic)))


def _peers(rule: Json, traffic: Traffic, home: str) -> bool | None:
    """Whether a rule's own words for the other end fit. An empty rule fits nobody."""
    side = "to" if traffic.direction is Direction.EGRESS else "from"
    given = {key: value for key, value in rule.items() if value is not None and key != "icmps"}
    if not given:
        return False
    named = {
        key.removeprefix(side): value
        for key, value in given.items()
        if key not in ("toPorts", f"{side}Requires")
    }
    fits = any_of(_peer(kind, value, traffic.peer, home) for kind, value in named.items())
    return all_of((fits if named else True, None if f"{side}Requires" in given else True))


def _peer(kind: str, value: Any, peer: Peer, home: str) -> bool | None:
    pod = bool(peer.namespace) and not peer.host_network
    match kind:
        case "Endpoints":
            return pod and any_of(_selected(each, peer, home) for each in value)
        case "Entities":
            return any(each in (_EVERY_POD if pod else _NODES) for each in value)
        case "CIDR" | "CIDRSet" if pod:
            return False  # blocks are for what is outside the cluster
        case "CIDR" | "CIDRSet":
            blocks = [each if isinstance(each, Mapping) else {"cidr": each} for each in value]
            fits = any_of(within(b.get("cidr"), peer.ip, b.get("except") or ()) for b in blocks)
            return None if fits else fits
        case "FQDNs":
            return False
        case "Nodes":
            return None if peer.host_network else False
    return None


def _selected(selector: Json | None, pod: Peer, home: str) -> bool | None:
    """By labels with Cilium's prefixes. A policy of a namespace means pods of its own, unless it
    speaks of namespaces."""
    wanted = _plain_keys(selector or {})
    keys = {*wanted["matchLabels"], *(str(e.get("key")) for e in wanted["matchExpressions"])}
    speaks = _NAMESPACE in keys or any(key.startswith(_NAMESPACE_LABELS) for key in keys)
    labels = {**pod.labels, _NAMESPACE: pod.namespace}
    for key, value in (pod.namespace_labels or {}).items():
        labels[_NAMESPACE_LABELS + key] = value
    unread = ["io.cilium.k8s.policy."]
    if pod.namespace_labels is None:
        unread.append(_NAMESPACE_LABELS)
    complete = not any(key.startswith(tuple(unread)) for key in keys)
    there = not home or speaks or pod.namespace == home
    return there and selects(wanted, labels, complete)


def _plain_keys(selector: Json) -> dict[str, Any]:
    def plain(key: str) -> str:
        source, _, rest = key.partition(":")
        return rest if source in ("k8s", "any") else key

    return {
        "matchLabels": {plain(k): v for k, v in (selector.get("matchLabels") or {}).items()},
        "matchExpressions": [
            {**each, "key": plain(str(each.get("key")))}
            for each in selector.get("matchExpressions") or ()
        ],
    }


def _ports(rule: Json, traffic: Traffic) -> bool | None:
    if rule.get("icmps") and not rule.get("toPorts"):
        return False
    entries = rule.get("toPorts")
    return any_of(_port(each, traffic) for each in entries) if entries else True


def _port(entry: Json, traffic: Traffic) -> bool | None:
    ports = entry.get("ports")
    if not ports:
        return True
    return any_of(
        all_of(
            (
                (each.get("protocol") or "ANY") in ("ANY", traffic.protocol),
                traffic.is_port(each.get("port"), each.get("endPort")),
            )
        )
        for each in ports
    )


def _dns_rules(rule: Json, traffic: Traffic) -> Iterator[list[Json]]:
    """The rules on names of each entry for that port; an empty list where it looks at none."""
    entries: Sequence[Json] = rule.get("toPorts") or ({},)
    for entry in entries:
        if _port(entry, traffic) is not False:
            yield list((entry.get("rules") or {}).get("dns") or ())


def _matches_name(rule: Json, name: str) -> bool:
    if exact := rule.get("matchName"):
        return str(exact).rstrip(".").lower() == name
    pattern = str(rule.get("matchPattern", "")).rstrip(".").lower()
    if pattern == "*":
        return True
    # A star stands for any part of one label.
    words = re.escape(pattern).replace(r"\*\*\.", r"(?:[-\w]+\.)+").replace(r"\*", r"[-\w]*")
    return re.fullmatch(words, name) is not None
