"""The battery: what to ask, of whom, from where. One builder a purpose; `plan` joins them.

A probe's id starts with its purpose, by which rules find the answers again: `reach` names the DNS
server owns, so only the path and the server decide; `svc` a Service of the pod's namespace; `ext` a
name outside; `ptr` reverse; `form` and `libc` relative names through a tool's own search; `walk`
each candidate of the search list; `fixed` one source port; `up` an upstream asked directly; `stub`
a zone with upstreams of its own; `dom` the domain of the pod's search list; `user` own names.
"""

from __future__ import annotations

import ipaddress
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from kubectl_dnsdebug import names as naming
from kubectl_dnsdebug.model import Missing, Role, Transport
from kubectl_dnsdebug.names import Names
from kubectl_dnsdebug.objects import DNS_PORT, Pod, at
from kubectl_dnsdebug.observe import TARGETS, Observed

UDP, TCP = Transport
MOST_REPLICAS = 6  # DNS pods asked one by one; a larger deployment is sampled
MOST_UPSTREAMS = 4
MOST_STUBS = 3  # zones with upstreams of their own
# Questions to a ClusterIP: all fail by chance, at a loss of one half, once in 256 runs.
FRESH_PORTS = 8
GATE = "gate"
ELSE = "else"
_WORD = re.compile(r"[!-~]+")
# Where no Corefile tells the domain: the one in the pod's own search list, filled in by the runner.
DOMAIN_HOLE = "{domain}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where to send DNS questions: an address, or the runner's `{ns}`, and a port."""

    ip: str
    port: int = DNS_PORT


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A command of the runner, see `runner.sh`. `lane` is SERVER/STREAM.

    `cost` is how many DNS queries it may send. Done several `times` it has as many ids, ending in
    ~1, ~2 and so on.
    """

    id: str
    lane: str
    argv: tuple[str, ...]
    cost: int = 1
    times: int = 1

    @property
    def item(self) -> str:
        id = self.id if self.times == 1 else f"{self.id}*{self.times}"
        return " ".join((id, self.lane, *self.argv))

    @property
    def ids(self) -> tuple[str, ...]:
        if self.times == 1:
            return (self.id,)
        return tuple(f"{self.id}~{n}" for n in range(1, self.times + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one probing container is told: nameservers with probes of their own, and the probes."""

    known: tuple[str, ...]
    probes: tuple[Probe, ...]

    @property
    def cost(self) -> int:
        return sum(probe.cost * probe.times for probe in self.probes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
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
    def is_target(self) -> bool:
        return self.role in TARGETS


def plan(seen: Observed, role: Role, pod: Pod) -> Plan:
    """What to ask at a place of that role for this target. Reads the survey only."""
    stage = _stage(seen, role, pod)
    probes = tuple(probe for build in BATTERY for probe in build(stage))
    return Plan(
        known=tuple(s.ip for s in stage.services if s.port == DNS_PORT),
        probes=tuple(_once(probes)),
    )


def _stage(seen: Observed, role: Role, pod: Pod) -> _Stage:
    names = naming.pick(seen, pod)
    try:
        domain = seen.domain
    except Missing:
        domain = DOMAIN_HOLE
    return _Stage(
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
    """Every DNS pod with an address: an unready one may still answer, which tells a lot."""
    found: dict[str, int] = {}
    try:
        for endpoint in seen.dns_endpoints:
            found[endpoint.ip] = endpoint.ports.get(UDP) or endpoint.ports.get(TCP) or DNS_PORT
    except Missing:
        pass
    usual = next(iter(found.values()), DNS_PORT)
    try:
        for pod in seen.dns_pods:
            if pod.phase == "Running" and not pod.terminating:
                for ip in pod.ips[:1]:
                    found.setdefault(ip, usual)
    except Missing:
        pass
    return tuple(Server(ip=ip, port=port) for ip, port in sorted(found.items()))[:MOST_REPLICAS]


def _upstreams(seen: Observed) -> tuple[Server, ...]:
    try:
        forwards = seen.corefile.forwards()
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
        forwards = seen.corefile.forwards()
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


def _ask(
    id: str,
    server: Server,
    name: str,
    type: str = "A",
    transport: Transport = UDP,
    stream: str = "1",
    extra: Iterable[str] = (),
    times: int = 1,
) -> Probe:
    argv: list[str] = ["dig", f"@{server.ip}", "-p", str(server.port), "-q", name, "-t", type]
    argv += ["+tries=1", "+time=2", *(["+tcp"] if transport is TCP else []), *extra]
    lane = f"{server.ip}#{server.port}+{transport.value}/{stream}"
    return Probe(id=f"{id}.{server.ip}", lane=lane, argv=tuple(argv), times=times)


ANY_NS = Server(ip="{ns}")
FIRST_NS = Server(ip="{ns1}")


def files(stage: _Stage) -> Iterator[Probe]:
    """resolv.conf; in the target also what its own root shows."""
    yield Probe(id="conf", lane="-/conf", argv=("file", "/etc/resolv.conf"), cost=0)
    if stage.role is Role.TARGET:
        yield Probe(id="app", lane="-/app", argv=("app",), cost=0)


def reach(stage: _Stage) -> Iterator[Probe]:
    """Can each server be talked to? In-zone names, several source ports, both transports."""
    if stage.role is Role.DEFAULT:
        often, few = 4, 1
    else:
        often, few = (FRESH_PORTS, 3) if stage.is_target else (6, 2)
    for server in stage.services:
        yield from _gates(stage, server, often, few)
    for server in stage.replicas:
        yield from _gates(stage, server, 3 if stage.is_target else 2, 1)
    if stage.role is not Role.DEFAULT:
        yield from _gates(stage, ANY_NS, 3, 1)


def _gates(stage: _Stage, server: Server, udp: int, tcp: int) -> Iterator[Probe]:
    for transport, times in ((UDP, udp), (TCP, tcp)):
        id = f"reach.{transport.value}"
        yield _ask(id, server, stage.api, transport=transport, stream=GATE, times=times)


def own_domain(stage: _Stage) -> Iterator[Probe]:
    """The domain that kubelet gave the pod, which need not be the one that the server owns."""
    if stage.role is not Role.DEFAULT:
        for server in stage.services:
            yield _ask("dom", server, f"kubernetes.default.svc.{DOMAIN_HOLE}.", stream="2")


def services(stage: _Stage) -> Iterator[Probe]:
    """Names of the pod's own namespace, the other address family, the reverse: of each server."""
    if not stage.is_target:
        return
    for server in (*stage.services, *stage.replicas, ANY_NS):
        yield _ask("reach6", server, stage.api, "AAAA", stream="2")
        for service in filter(None, (stage.names.own, stage.names.headless)):
            name = f"{service.name}.{service.namespace}.svc.{stage.domain}."
            yield _ask(f"svc.{service.name}", server, name, stream="2")
    for server in stage.services:
        if alias := stage.names.alias:
            name = f"{alias.name}.{alias.namespace}.svc.{stage.domain}."
            yield _ask(f"svc.{alias.name}", server, name, stream="3")
        if stage.own_service_ip:
            pointer = ipaddress.ip_address(stage.own_service_ip).reverse_pointer + "."
            yield _ask("ptr", server, pointer, "PTR", stream="2")


def outside(stage: _Stage) -> Iterator[Probe]:
    """A name outside the cluster, through every server: A, AAAA and over TCP."""
    if not stage.names.external or stage.role is Role.DEFAULT:
        return
    name = stage.names.external + "."
    for server in (*stage.services, ANY_NS):
        yield _ask("ext", server, name, stream="3")
        if stage.is_target:
            yield _ask("ext6", server, name, "AAAA", stream="4")
            yield _ask("ext.tcp", server, name, transport=TCP, stream="3")
    if stage.is_target:
        for server in stage.replicas:
            yield _ask("ext", server, name, stream="3")


def upstream(stage: _Stage) -> Iterator[Probe]:
    """The upstreams, past the cluster's DNS: of the Corefile, and of the host's file."""
    if stage.role is Role.CONTROL:
        return
    name, type = (stage.names.external + ".", "A") if stage.names.external else (".", "NS")
    servers = [*stage.upstreams, *([ANY_NS] if stage.role is Role.DEFAULT else [])]
    for server in servers:
        yield _ask("up.udp", server, name, type, stream=GATE, times=2)
        yield _ask("up.tcp", server, name, type, TCP, stream=GATE)
        if stage.names.external:
            yield _ask("up6", server, name, "AAAA")


def stub_domains(stage: _Stage) -> Iterator[Probe]:
    """Zones with upstreams of their own: of the cluster's DNS, and of those upstreams."""
    for zone, servers in stage.stubs:
        if stage.is_target:
            for server in stage.services:
                yield _ask(f"stub.{zone}", server, zone, "SOA", stream="5")
        if stage.role is not Role.CONTROL:
            for server in servers:
                yield _ask(f"stub.{zone}", server, zone, "SOA", stream=GATE)
                yield _ask(f"stub.tcp.{zone}", server, zone, "SOA", TCP, stream=GATE)


def other_service(stage: _Stage) -> Iterator[Probe]:
    """Where the DNS Service is dead: does another ClusterIP work?

    It speaks no DNS; a closed connection is answer enough.
    """
    if stage.role is Role.DEFAULT or not stage.api_service:
        return
    api = stage.api_service
    for server in stage.services:
        argv = (
            "dig",
            f"@{api.ip}",
            "-p",
            str(api.port),
            "-q",
            ".",
            "-t",
            "NS",
            "+tcp",
            "+tries=1",
            "+time=2",
        )
        lane = f"{server.ip}#{server.port}+udp/{ELSE}"
        yield Probe(id=f"other.{api.ip}", lane=lane, argv=argv)


def forms(stage: _Stage) -> Iterator[Probe]:
    """Relative names, as typed: dig and nslookup walk the search list, getent asks the libc."""
    if not stage.is_target:
        return
    relative = ["kubernetes.default", "kubernetes.default.svc"]
    if own := stage.names.own:
        relative += [own.name, f"{own.name}.{own.namespace}", f"{own.name}.{own.namespace}.svc"]
    first = f"{FIRST_NS.ip}#{DNS_PORT}+udp"
    for name in relative:
        argv = ["dig", "-q", name, "-t", "A", "+search", "+tries=1", "+time=2"]
        yield _typed(f"form.{name}", first, argv, cost=2)
    for name in ("kubernetes.default", *stage.names.asked):
        yield _typed(f"form.nslookup.{name}", first, ["nslookup", "-timeout=2", "-retry=1", name])
    absolute = [stage.api.rstrip("."), *filter(None, (stage.names.external,))]
    for name in dict.fromkeys(("kubernetes.default.svc", *absolute, *stage.names.asked)):
        yield _typed(f"libc.{name}", first, ["getent", "ahosts", name])


def _typed(id: str, server: str, argv: list[str], cost: int = 4) -> Probe:
    """A tool that finds the server by itself, in a stream of its own: it may take seconds."""
    return Probe(id=id, lane=f"{server}/{id}", argv=tuple(argv), cost=cost)


def walk(stage: _Stage) -> Iterator[Probe]:
    """Every candidate that the search list makes of a name with fewer dots than ndots."""
    if not stage.is_target:
        return
    for name in (stage.api.rstrip("."), *(n for n in stage.names.asked if not n.endswith("."))):
        for type in ("A", "AAAA"):
            yield _ask(
                f"walk.{type}.{name}.{{search}}",
                FIRST_NS,
                f"{name}.{{search}}.",
                type,
                stream=f"w{type}",
            )


def users(stage: _Stage) -> Iterator[Probe]:
    """The user's own names, absolute, of every server."""
    if stage.role is Role.DEFAULT:
        return
    servers = (*stage.services, *stage.replicas, ANY_NS) if stage.is_target else stage.services
    for name in stage.names.asked:
        for server in servers:
            yield _ask(f"user.A.{name}", server, name.rstrip(".") + ".", stream="5")
            if stage.is_target:
                yield _ask(f"user.AAAA.{name}", server, name.rstrip(".") + ".", "AAAA", stream="5")


def fixed_port(stage: _Stage) -> Iterator[Probe]:
    """The same question twice from one source port: what a client with a long-lived socket does."""
    if not stage.is_target:
        return
    # The pod's name decides the port: no dice, and two runs on one pod tell the same flow.
    port = 40_000 + zlib.crc32(f"{stage.pod.namespace}/{stage.pod.name}".encode()) % 9_000
    for server in stage.services:
        anywhere = "::" if ":" in server.ip else "0.0.0.0"
        bound = ("-b", f"{anywhere}#{port}")
        yield _ask("fixed", server, stage.api, stream="fixed", extra=bound, times=2)


BATTERY: tuple[Callable[[_Stage], Iterator[Probe]], ...] = (
    files,
    reach,
    own_domain,
    services,
    outside,
    upstream,
    stub_domains,
    other_service,
    forms,
    walk,
    users,
    fixed_port,
)


def _once(probes: Iterable[Probe]) -> Iterator[Probe]:
    """Each probe once (a Service and the user may name the same thing).

    None with a word that the runner would split.
    """
    seen: set[str] = set()
    for probe in probes:
        if probe.id not in seen and all(map(_WORD.fullmatch, (probe.id, *probe.argv))):
            seen.add(probe.id)
            yield probe
