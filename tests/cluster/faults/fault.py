"""What a fault is, and how one is applied with its proof and undone with its own."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tests.cluster.apps import NAMESPACE
from tests.cluster.cluster import Cluster
from tests.cluster.dns_change import wait_dns_pods
from tests.cluster.shell import ClusterError

API = "api.shop.svc.cluster.local."
KUBERNETES = "kubernetes.default.svc.cluster.local."
NO_ANSWER = {"timeout", "refused", "unreachable"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to break the cluster, and what the tool must make of it.

    `slug` is the first cause it must name, nothing when the cluster is odd but healthy. `apply`
    breaks the cluster, raises ClusterError unless it can show that the fault bites (or, of an odd
    cluster, that DNS works), and heals on the way out.
    """

    name: str
    slug: str | None
    title: str
    apply: Callable[[Cluster], AbstractContextManager[None]]
    target: str = "pod/web"
    namespace: str = NAMESPACE
    args: tuple[str, ...] = ()

    @property
    def question(self) -> tuple[str, ...]:
        """The words after `kubectl` that ask the tool about this fault."""
        return ("dnsdebug", self.target, "-n", self.namespace, *self.args)

    @contextmanager
    def applied(self, cluster: Cluster) -> Iterator[None]:
        """Break, and afterwards wait until the cluster is healthy again."""
        try:
            with self.apply(cluster):
                yield
        finally:
            wait_dns_pods(cluster)
            cluster.wait_dns()


def fresh(zone: str = "example.com") -> str:
    """A name below this zone that nobody has asked for before, so that no cache has it."""
    return f"fresh-{secrets.token_hex(4)}.{zone}."


def bites(proof: object, what: str) -> None:
    """Raise ClusterError unless the proof is there."""
    if not proof:
        raise ClusterError(f"does not bite: {what}")
