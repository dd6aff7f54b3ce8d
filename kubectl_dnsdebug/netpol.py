"""NetworkPolicies evaluated as the API defines them, on plain dicts: may these two speak on this port?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kubectl_dnsdebug.model import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPort:
    """A container port that a policy may name instead of numbering."""

    name: str
    port: int
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """The other end. A pod has `namespace` and `labels`; an address outside the cluster has neither.

    `namespace_labels` None: they could not be read. `host_network`: selectors of pods do not match it.
    `ports`: the named ports of the pod.
    """

    ip: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace_labels: Mapping[str, str] | None = None
    ports: tuple[NamedPort, ...] = ()
    host_network: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`allowed` None: it hangs on something unknown, which `reason` names. `selecting`: the policies that isolate."""

    allowed: bool | None
    selecting: tuple[str, ...]
    reason: str


def egress_verdict(
    policies: Sequence[Json],
    pod_labels: Mapping[str, str],
    pod_namespace: str,
    peer: Peer,
    port: int,
    protocol: str = "UDP",
) -> Decision:
    """Whether `policies` let the pod send to `peer`. Policies of other namespaces are ignored."""
    raise NotImplementedError


def ingress_verdict(
    policies: Sequence[Json],
    pod_labels: Mapping[str, str],
    pod_namespace: str,
    peer: Peer,
    port: int,
    protocol: str = "UDP",
    pod_ports: Sequence[NamedPort] = (),
) -> Decision:
    """Whether `policies` let `peer` reach the pod. Named ports are those of the pod itself: `pod_ports`."""
    raise NotImplementedError
