"""NetworkPolicies between a pod and the DNS pods, on paper: what the API's rules say of this
evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kubectl_dnsdebug.model import Json, Missing, Transport
from kubectl_dnsdebug.observe.objects import DNS_PORT, Endpoint, Pod, at, items
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse import netpol
from kubectl_dnsdebug.parse.netpol import Decision, NamedPort, Peer


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """What the policies say of one client and several DNS pods. `policies` are those that
    isolate."""

    decisions: tuple[Decision, ...]

    @property
    def blocked(self) -> bool:
        """Whether none of the DNS pods may be reached."""
        return bool(self.decisions) and all(d.allowed is False for d in self.decisions)

    @property
    def policies(self) -> str:
        return ", ".join(dict.fromkeys(name for d in self.decisions for name in d.selecting))


def egress(
    seen: Observed,
    client: Pod,
    endpoints: Iterable[Endpoint],
    transport: Transport,
    labels: Mapping[str, str] | None = None,
) -> Paper:
    """Whether policies of the client's namespace let it send to these DNS pods. Raises Missing.

    `labels` stand in for the client's: what a pod beside it with those would be told.
    """
    policies = _policies(seen, client.namespace)
    return Paper(
        decisions=tuple(
            netpol.egress_verdict(
                policies,
                client.labels if labels is None else labels,
                client.namespace,
                dns_peer(seen, endpoint),
                endpoint.ports.get(transport, DNS_PORT),
                transport.value.upper(),
            )
            for endpoint in endpoints
        )
    )


def ingress(
    seen: Observed, client: Pod, endpoints: Iterable[Endpoint], transport: Transport
) -> Paper:
    """Whether policies of the DNS pods' namespace let the client in. Raises Missing."""
    other = peer(seen, client)
    decisions = []
    for endpoint in endpoints:
        server = pod_at(seen, endpoint.ip)
        if server is None:
            continue
        decisions.append(
            netpol.ingress_verdict(
                _policies(seen, server.namespace),
                server.labels,
                server.namespace,
                other,
                endpoint.ports.get(transport, DNS_PORT),
                transport.value.upper(),
                _ports(server),
            )
        )
    return Paper(decisions=tuple(decisions))


def _policies(seen: Observed, namespace: str) -> tuple[Json, ...]:
    fact = seen.fact(f"networkpolicies/{namespace}")
    return items(fact.data) if fact else ()


def dns_peer(seen: Observed, endpoint: Endpoint) -> Peer:
    """A DNS pod as the other end; an address alone where no such pod was read. Raises Missing."""
    server = pod_at(seen, endpoint.ip)
    return peer(seen, server, endpoint.ip) if server else Peer(ip=endpoint.ip)


def pod_at(seen: Observed, ip: str) -> Pod | None:
    """The DNS pod with that address. Raises Missing."""
    return next((pod for pod in seen.dns_pods if ip in pod.ips), None)


def peer(seen: Observed, pod: Pod, ip: str = "") -> Peer:
    """A pod as policies know it, by that one of its addresses. Never Missing."""
    return Peer(
        ip=ip or next(iter(pod.ips), ""),
        namespace=pod.namespace,
        labels=pod.labels,
        namespace_labels=_namespace_labels(seen, pod.namespace),
        ports=_ports(pod),
        host_network=pod.host_network,
    )


def _namespace_labels(seen: Observed, name: str) -> Mapping[str, str] | None:
    try:
        fact = seen.fact(f"namespace/{name}")
    except Missing:
        return None
    labels: Mapping[str, str] | None = at(fact.data, "metadata", "labels") if fact else None
    return labels


def _ports(pod: Pod) -> tuple[NamedPort, ...]:
    return tuple(
        NamedPort(
            name=port["name"],
            port=int(port["containerPort"]),
            protocol=port.get("protocol") or "TCP",
        )
        for container in at(pod.raw, "spec", "containers", default=())
        for port in container.get("ports") or ()
        if port.get("name") and port.get("containerPort")
    )
