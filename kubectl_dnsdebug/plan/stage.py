"""Whom to ask about what: servers and names for one place to stand, taken from the survey."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from dataclasses import dataclass

from kubectl_dnsdebug.model import Missing, Role, Transport
from kubectl_dnsdebug.observe import names as naming
from kubectl_dnsdebug.observe.names import Names
from kubectl_dnsdebug.observe.objects import DNS_PORT, Pod, at
from kubectl_dnsdebug.observe.observed import HOSTS_FILE, TARGETS, Observed

UDP, TCP = Transport
MOST_REPLICAS = 6  # DNS pods asked one by one; a larger deployment is sampled
MOST_UPSTREAMS = 4
MOST_STUBS = 3  # zones with upstreams of their own
# A container in the pod shares the limits of the pod: what it takes is missed by the application.
# A dig takes about 2 MiB of its own and 15 ms of a processor.
AT_ONCE, AT_ONCE_LIMITED, AT_ONCE_FRUGAL = 32, 8, 3
FRUGAL_MEMORY, FRUGAL_CPU = 128 * 2**20, 0.5  # bytes, processors
# Where no Corefile tells the domain: the one in the pod's own search list, filled in by the runner.
DOMAIN_HOLE = "{domain}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where to send DNS questions: an address, or the runner's `{ns}`, and a port."""

    ip: str
    port: int = DNS_PORT


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What the builders work from."""

    role: Role
    pod: Pod
    names: Names
    domain: str
    services: tuple[Server, ...]  # each ClusterIP of the cluster's DNS
    replicas: tuple[Server, ...]  # each DNS pod
    upstreams: tuple[Server, ...]  # addresses that the Corefile forwards to
    stubs: tuple[tuple[str, tuple[Server, ...]], ...]  # a zone, and where the Corefile sends it
    own_service_ip: str
    api_service: Server | None  # the API server's ClusterIP

    @property
    def api(self) -> str:
        return f"kubernetes.default.svc.{self.domain}."

    @property
    def family(self) -> str:
        """The type of address that names of the cluster have: AAAA where Services are IPv6."""
        return family(self.api_service.ip if self.api_service else next(iter(self.pod.ips), ""))

    @property
    def is_target(self) -> bool:
        return self.role in TARGETS

    @property
    def of_node(self) -> bool:
        """Whether a node itself is looked at: then no target asks beside these places."""
        return not self.pod.name

    @property
    def by_host_file(self) -> bool:
        """Whether the place is given the host's resolv.conf, not the cluster's DNS."""
        return self.role in HOSTS_FILE

    @property
    def frugal(self) -> bool:
        """Whether the pod itself has so little to give that only the most telling is asked."""
        memory, cpu = self.pod.memory_limit, self.pod.cpu_limit
        small = (memory is not None and memory < FRUGAL_MEMORY) or (
            cpu is not None and cpu < FRUGAL_CPU
        )
        return self.role is Role.TARGET and small

    @property
    def at_once(self) -> int:
        """How many probes may run at the same time."""
        if self.frugal:
            return AT_ONCE_FRUGAL
        limited = self.role is Role.TARGET and self.pod.memory_limit is not None
        return AT_ONCE_LIMITED if limited else AT_ONCE


def family(ip: str) -> str:
    return "AAAA" if ":" in ip else "A"


def set_up(seen: Observed, role: Role, pod: Pod) -> Stage:
    """What the survey shows for a place of that role; what it could not read is left empty."""
    names = naming.pick(seen, pod)
    try:
        domain = seen.domain
    except Missing:
        domain = DOMAIN_HOLE
    return Stage(
        role=role,
        pod=pod,
        names=names,
        domain=domain,
        services=_service_addresses(seen),
        replicas=_replicas(seen),
        upstreams=_upstreams(seen),
        stubs=_stubs(seen),
        own_service_ip=names.own.cluster_ips[0] if names.own else "",
        api_service=_api_service(seen),
    )


def _service_addresses(seen: Observed) -> tuple[Server, ...]:
    try:
        services = seen.dns_services
    except Missing:
        return ()
    ports = [(s, s.dns_ports.get(UDP) or s.dns_ports.get(TCP) or DNS_PORT) for s in services]
    return tuple(Server(ip=ip, port=port) for service, port in ports for ip in service.cluster_ips)


def _api_service(seen: Observed) -> Server | None:
    try:
        found = next((s for s in seen.services if (s.name, s.namespace) == naming.API), None)
    except Missing:
        return None
    if found is None or not found.cluster_ips:
        return None
    ports = at(found.raw, "spec", "ports", default=())
    return Server(ip=found.cluster_ips[0], port=int(ports[0]["port"])) if ports else None


def _replicas(seen: Observed) -> tuple[Server, ...]:
    """Every DNS pod with an address: an unready one may still answer, which tells a lot.

    But for one that came to its end: its address may stay in the Service for a while.
    """
    found: dict[str, int] = {}
    pods: tuple[Pod, ...] = ()
    with suppress(Missing):
        pods = seen.dns_pods
    ended = {pod.name for pod in pods if pod.phase in ("Succeeded", "Failed")}
    with suppress(Missing):
        for endpoint in seen.dns_endpoints:
            if endpoint.pod not in ended:
                found[endpoint.ip] = endpoint.ports.get(UDP) or endpoint.ports.get(TCP) or DNS_PORT
    usual = next(iter(found.values()), DNS_PORT)
    for pod in pods:
        if pod.phase == "Running" and not pod.terminating:
            for ip in pod.ips[:1]:
                found.setdefault(ip, usual)
    return tuple(Server(ip=ip, port=port) for ip, port in sorted(found.items()))[:MOST_REPLICAS]


def _upstreams(seen: Observed) -> tuple[Server, ...]:
    try:
        forwards = seen.forwards
    except Missing:
        return ()
    found = {
        server: None
        for forward in forwards
        if forward.zone == "."
        for server in map(_address, forward.to)
        if server
    }
    return tuple(found)[:MOST_UPSTREAMS]


def _stubs(seen: Observed) -> tuple[tuple[str, tuple[Server, ...]], ...]:
    try:
        forwards = seen.forwards
    except Missing:
        return ()
    return tuple(
        (forward.zone, tuple(filter(None, map(_address, forward.to)))[:MOST_UPSTREAMS])
        for forward in forwards
        if forward.zone != "." and not forward.zone.endswith(".arpa.")
    )[:MOST_STUBS]


def _address(text: str) -> Server | None:
    """A `forward` target that is an address over plain DNS; None for a file, a name or TLS."""
    plain = text.removeprefix("dns://")
    host, port = plain, DNS_PORT
    if plain.startswith("["):
        host, _, rest = plain[1:].partition("]")
        port = int(rest[1:]) if rest[1:].isdigit() else DNS_PORT
    elif plain.count(":") == 1:
        host, _, digits = plain.partition(":")
        port = int(digits) if digits.isdigit() else DNS_PORT
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return None
    return Server(ip=host, port=port)
