"""NetworkPolicies evaluated as the API defines them, on plain dicts: may these two speak?

Not in the API's words, so not here: traffic with the pod's own node, which is always let through,
and whatever other kinds of policy a network plugin knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from kubectl_dnsdebug.model import Json
from kubectl_dnsdebug.parse.selectors import all_of, any_of, selects, selects_namespace, within


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPort:
    """A container port that a policy may call by its name."""

    name: str
    port: int
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """The other end. A pod has `namespace` and `labels`, an address outside the cluster neither.

    `namespace_labels` and `ports` (the pod's named ports) are None when they could not be read.
    Selectors do not match a pod with `host_network`: its traffic is the node's.
    """

    ip: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace_labels: Mapping[str, str] | None = None
    ports: tuple[NamedPort, ...] | None = None
    host_network: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`allowed` is None when it hangs on something unknown. `selecting` policies isolate the pod.

    `reason` is a sentence that names the policies.
    """

    allowed: bool | None
    selecting: tuple[str, ...]
    reason: str


class _Direction(StrEnum):
    EGRESS = "egress"
    INGRESS = "ingress"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Traffic:
    """What a rule is asked about. `ports` are the named ports of the receiving pod."""

    peer: Peer
    port: int
    protocol: str
    ports: tuple[NamedPort, ...] | None


def egress_verdict(
    policies: Sequence[Json],
    pod_labels: Mapping[str, str],
    pod_namespace: str,
    peer: Peer,
    port: int,
    protocol: str = "UDP",
) -> Decision:
    """Whether `policies` let the pod send to `peer`. Those of other namespaces do not count.

    `peer` is where a packet goes in the end: most plugins judge after a Service address became
    that of a pod, so ask about the pod and its own port.
    """
    ports = peer.ports if peer.namespace else ()
    traffic = _Traffic(peer=peer, port=port, protocol=protocol, ports=ports)
    return _verdict(_Direction.EGRESS, policies, pod_labels, pod_namespace, traffic)


def ingress_verdict(
    policies: Sequence[Json],
    pod_labels: Mapping[str, str],
    pod_namespace: str,
    peer: Peer,
    port: int,
    protocol: str = "UDP",
    pod_ports: tuple[NamedPort, ...] | None = None,
) -> Decision:
    """Whether `policies` let `peer` reach the pod; `pod_ports` are the pod's named ones."""
    traffic = _Traffic(peer=peer, port=port, protocol=protocol, ports=pod_ports)
    return _verdict(_Direction.INGRESS, policies, pod_labels, pod_namespace, traffic)


def _verdict(
    direction: _Direction,
    policies: Sequence[Json],
    pod_labels: Mapping[str, str],
    pod_namespace: str,
    traffic: _Traffic,
) -> Decision:
    selecting = [
        policy
        for policy in policies
        if _metadata(policy, "namespace") == pod_namespace
        and direction in _directions(policy)
        and selects(_spec(policy).get("podSelector"), pod_labels)
    ]
    names = tuple(_metadata(policy, "name") for policy in selecting)
    if not selecting:
        return Decision(
            allowed=True, selecting=(), reason=f"No policy selects the pod for {direction}."
        )
    ways = "to" if direction is _Direction.EGRESS else "from"
    what = f"{traffic.protocol} {traffic.port} {ways} {traffic.peer.ip}"
    answers = [_allows(direction, policy, traffic) for policy in selecting]
    if True in answers:
        reason = f"{names[answers.index(True)]} allows {what}."
        return Decision(allowed=True, selecting=names, reason=reason)
    if None in answers:
        unsure = names[answers.index(None)]
        reason = f"{unsure} may allow {what}: a label or port it names is not known."
        return Decision(allowed=None, selecting=names, reason=reason)
    verb = "selects" if len(names) == 1 else "select"
    reason = f"{', '.join(names)} {verb} the pod for {direction} and no rule allows {what}."
    return Decision(allowed=False, selecting=names, reason=reason)


def _metadata(policy: Json, key: str) -> str:
    return str((policy.get("metadata") or {}).get(key, ""))


def _spec(policy: Json) -> Json:
    return policy.get("spec") or {}


def _directions(policy: Json) -> tuple[str, ...]:
    """policyTypes; left out it means ingress, and egress when there are egress rules."""
    spec = _spec(policy)
    if types := spec.get("policyTypes"):
        return tuple(str(each).lower() for each in types)
    return ("ingress", "egress") if spec.get("egress") else ("ingress",)


def _allows(direction: _Direction, policy: Json, traffic: _Traffic) -> bool | None:
    side = "to" if direction is _Direction.EGRESS else "from"
    home = _metadata(policy, "namespace")
    return any_of(
        all_of(
            (
                any_of(_port(each, traffic) for each in rule["ports"])
                if rule.get("ports")
                else True,
                any_of(_peer(each, traffic.peer, home) for each in rule[side])
                if rule.get(side)
                else True,
            )
        )
        for rule in _spec(policy).get(direction) or ()
    )


def _port(entry: Json, traffic: _Traffic) -> bool | None:
    if (entry.get("protocol") or "TCP") != traffic.protocol:
        return False
    wanted = entry.get("port")
    if wanted is None:
        return True
    if isinstance(wanted, int):
        return wanted <= traffic.port <= (entry.get("endPort") or wanted)
    if traffic.ports is None:
        return None
    return any(
        (each.name, each.port, each.protocol) == (wanted, traffic.port, traffic.protocol)
        for each in traffic.ports
    )


def _peer(entry: Json, peer: Peer, home: str) -> bool | None:
    block = entry.get("ipBlock")
    if block is not None:
        return within(block.get("cidr"), peer.ip, block.get("except") or ())
    if not peer.namespace or peer.host_network:
        return False
    chosen = entry.get("namespaceSelector")
    if chosen is None:
        there: bool | None = peer.namespace == home
    else:
        there = selects_namespace(chosen, peer.namespace, peer.namespace_labels)
    return all_of((there, selects(entry.get("podSelector"), peer.labels)))
