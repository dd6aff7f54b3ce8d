"""What the families of policies have in common."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from kubectl_dnsdebug.model import Json
from kubectl_dnsdebug.parse.netpol import Decision, NamedPort, Peer

# A sentence is made of it elsewhere: here the policies' names say enough.
FREE = Decision(allowed=True, selecting=(), reason="")


class Direction(StrEnum):
    EGRESS = "egress"
    INGRESS = "ingress"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One policy. `title` is its kind and name; `namespace` is empty where it is for all."""

    title: str
    namespace: str
    spec: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """`pod` is the one whose policies are asked, `peer` the other end, `port` the receiver's."""

    direction: Direction
    pod: Peer
    peer: Peer
    port: int
    protocol: str  # UDP or TCP

    @property
    def named_ports(self) -> tuple[NamedPort, ...] | None:
        """Those of the receiving pod; None when they could not be read."""
        receiver = self.peer if self.direction is Direction.EGRESS else self.pod
        return receiver.ports if receiver.namespace else ()

    def is_port(self, wanted: int | str | None, last: int | None = None) -> bool | None:
        """Whether a number, a range up to `last`, or a container port's name is that port."""
        if wanted is None:
            return True
        number = int(wanted) if str(wanted).isdecimal() else None
        if number is not None:
            return number == 0 or number <= self.port <= (last or number)
        if self.named_ports is None:
            return None
        return any(
            (each.name, each.port, each.protocol) == (wanted, self.port, self.protocol)
            for each in self.named_ports
        )


def decision(allowed: bool | None, policies: Iterable[Policy]) -> Decision:
    names = tuple(dict.fromkeys(policy.title for policy in policies))
    return Decision(allowed=allowed, selecting=names, reason="")
