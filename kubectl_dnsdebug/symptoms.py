"""What several rules look at first: whether names fail at all, and where on the way they get lost.

Rules are silent where the symptom is absent, whatever else could not be read: that is what lets a
healthy pod be called healthy with few permissions. Each function raises Missing where even the
symptom could not be seen.
"""

from __future__ import annotations

from dataclasses import dataclass

from kubectl_dnsdebug.model import Missing, Role, Status, Subject, Transport, Vantage
from kubectl_dnsdebug.objects import Endpoint
from kubectl_dnsdebug.observe import Observed, Reach

# Failures that come at once, from a host that says no: never a packet lost on the way.
INSTANT = (Status.CONNECTION_REFUSED, Status.UNREACHABLE)


def service_reach(
    seen: Observed, vantage: Vantage, transport: Transport = Transport.UDP
) -> tuple[Reach, ...]:
    """How each ClusterIP of the cluster's DNS did there. Raises Missing when none was asked."""
    found = [seen.reach(vantage, ip, transport) for ip in seen.cluster_ips]
    if not found:
        raise Missing("the cluster's DNS Service was not found")
    return tuple(found)


def nameservers_reach(
    seen: Observed, vantage: Vantage, transport: Transport = Transport.UDP
) -> tuple[Reach, ...]:
    """How each nameserver of the file there did."""
    return tuple(seen.reach(vantage, ip, transport) for ip in seen.conf(vantage).nameservers)


def cluster_names_work(seen: Observed, vantage: Vantage) -> bool:
    """Whether the DNS Service answered every question for a cluster name that it must know."""
    reaches = (*service_reach(seen, vantage), *service_reach(seen, vantage, Transport.TCP))
    return all(a.status is Status.NOERROR and a.records for r in reaches for a in r.answers)


def dns_serves(seen: Observed) -> bool:
    """Whether some place got cluster names from the DNS Service without one failure.

    Then the server side is sound, and what fails is the way from elsewhere or the client.
    """
    gaps = []
    for vantage in seen.evidence.vantages:
        try:
            if cluster_names_work(seen, vantage):
                return True
        except Missing as gap:
            gaps.append(str(gap))
    if len(gaps) == len(seen.evidence.vantages):
        raise Missing(gaps[0] if gaps else "no probe ran")
    return False


@dataclass(frozen=True, slots=True)
class Replicas:
    """The ready DNS pods as one place reaches them over one transport, by their node."""

    local: tuple[tuple[Endpoint, Reach], ...]
    remote: tuple[tuple[Endpoint, Reach], ...]

    @property
    def all(self) -> tuple[tuple[Endpoint, Reach], ...]:
        return self.local + self.remote

    @property
    def all_fine(self) -> bool:
        return bool(self.all) and all(reach.fine for _, reach in self.all)

    @property
    def all_dead(self) -> bool:
        return bool(self.all) and all(reach.dead for _, reach in self.all)


def replicas(seen: Observed, vantage: Vantage, transport: Transport = Transport.UDP) -> Replicas:
    """Each ready DNS pod that was asked directly. Raises Missing when endpoints are unread."""
    local: list[tuple[Endpoint, Reach]] = []
    remote: list[tuple[Endpoint, Reach]] = []
    for endpoint in seen.dns_endpoints:
        if not endpoint.ready:
            continue
        try:
            reach = seen.reach(vantage, endpoint.ip, transport)
        except Missing:
            continue
        (local if endpoint.node == vantage.node else remote).append((endpoint, reach))
    return Replicas(tuple(local), tuple(remote))


def node_reach(
    seen: Observed, node: Subject, server: str, transport: Transport = Transport.UDP
) -> Reach:
    """All questions of plain pods of a node to a server: a larger sample shows smaller losses.

    Plain pods bear no labels of the target, so that policies for the target do not count here.
    """
    found = tuple(
        answer
        for vantage in seen.evidence.vantages
        if vantage.node == node.name and vantage.role in (Role.CONTROL, Role.DEFAULT)
        for answer in seen.ask(vantage, server=server, transport=transport, probe="reach.")
    )
    if not found:
        raise Missing(seen.control(node).failure or f"no plain pod on {node.name} asked {server}")
    return Reach(server, transport, found)


def other_service_works(seen: Observed, vantage: Vantage) -> bool:
    """Whether another ClusterIP takes connections. Missing but where the DNS Service is dead.

    The probe speaks DNS to the API server: a connection that is closed or reset got there.
    """
    found = seen.ask(vantage, probe="other.")
    if not found:
        raise Missing("no other ClusterIP was tried")
    return any(a.status.is_answer or a.status in (Status.RESET, Status.GARBLED) for a in found)


def ids(*reaches: Reach, most: int = 3) -> tuple[str, ...]:
    """A few transcripts of each, failures first: enough to prove, short enough to read."""
    return tuple(id for reach in reaches for id in reach.ids[:most])


def targets_on(seen: Observed, node: Subject) -> tuple[Subject, ...]:
    """The target pods that run on a node."""
    return tuple(pod.subject for pod in seen.targets if pod.node == node.name)
