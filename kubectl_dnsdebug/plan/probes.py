"""The battery: what to ask, of whom, from where. One builder a purpose; `plan` joins them.

A probe's id starts with its purpose, by which rules find the answers again: `reach` names the DNS
server owns, so only the path and the server decide; `svc` a Service of the pod's namespace; `ext` a
name outside; `ptr` reverse; `form` and `libc` relative names through a tool's own search; `walk`
each candidate of the search list; `fixed` one source port; `up` an upstream asked directly; `stub`
a zone with upstreams of its own; `dom` the domain of the pod's search list; `user` own names;
`step` each candidate of a name that is walked; `host`
what the node itself shows.
"""

from __future__ import annotations

import ipaddress
import re
import zlib
from collections.abc import Callable, Iterable, Iterator

from kubectl_dnsdebug.model import Purpose, Role
from kubectl_dnsdebug.observe.objects import DNS_PORT, Pod
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.plan.probe import ANY_NS, ELSE, FIRST_NS, GATE, Plan, Probe, ask
from kubectl_dnsdebug.plan.stage import DOMAIN_HOLE, TCP, UDP, Server, Stage, family, set_up

_WORD = re.compile(r"[!-~]+")
# Questions to a ClusterIP: all fail by chance, at a loss of one half, once in 256 runs.
FRESH_PORTS = 8
BESIDE = 6  # of a place beside the one that matters
OWN_PORTS = 12  # of the node itself, where one loss is none: fewer than two come once in 315 runs
MOST_IN_FULL = 2  # addresses of Services
# Where hosts keep the file that the kubelet should hand out: their own, and those with the real
# servers behind a local resolver, of systemd-resolved, dnsmasq, NetworkManager and k3s.
HOST_FILES = (
    "/etc/resolv.conf",
    "/run/systemd/resolve/resolv.conf",
    "/run/dnsmasq/resolv.conf",
    "/run/NetworkManager/no-stub-resolv.conf",
    "/var/lib/rancher/k3s/agent/etc/resolv.conf",
)


def plan(seen: Observed, role: Role, pod: Pod, battery: Battery | None = None) -> Plan:
    """What to ask at a place of that role for this target; by default all that the purpose of the
    run asks for. Reads the survey only."""
    stage = set_up(seen, role, pod)
    purpose = seen.evidence.request.purpose
    usual = HOST_BATTERIES.get(purpose, HOST_BATTERY) if role is Role.HOST else BATTERIES[purpose]
    probes = tuple(probe for build in battery or usual for probe in build(stage))
    by_name = purpose is not Purpose.RESOLVE  # whose walk asks each nameserver of the file alike
    return Plan(
        known=tuple(s.ip for s in stage.services if s.port == DNS_PORT and by_name),
        probes=tuple(once(probes)),
        at_once=stage.at_once,
    )


def files(stage: Stage) -> Iterator[Probe]:
    """resolv.conf; in the target also what its own root shows."""
    yield Probe(id="conf", lane="-/conf", argv=("file", "/etc/resolv.conf"), cost=0)
    if stage.role is Role.TARGET:
        yield Probe(id="app", lane="-/app", argv=("app",), cost=0)


def reach(stage: Stage) -> Iterator[Probe]:
    """Can each server be talked to? In-zone names, several source ports, both transports."""
    # A node's own way is asked for beside that of its pods: what is odd about it is asked there.
    own_way = stage.role is Role.HOSTNET
    if own_way:
        often, few = OWN_PORTS, 1
    elif stage.by_host_file:
        often, few = (BESIDE if stage.of_node else 4), 1
    elif stage.is_target and not stage.frugal:
        often, few = FRESH_PORTS, 3
    else:
        often, few = (FRESH_PORTS if stage.of_node else BESIDE), 2
    for place, server in enumerate(stage.services):
        # Both families of the Service in use; of those behind it only whether they answer.
        udp, tcp = (often, few) if place < MOST_IN_FULL else (2, 1)
        yield from _gates(stage, server, udp, tcp)
    full = stage.is_target and not stage.frugal
    for server in stage.replicas:
        yield from _gates(stage, server, 3 if full else 1 if own_way else 2, 1)
    if not stage.by_host_file:
        yield from _gates(stage, ANY_NS, 3, 1)


def _gates(stage: Stage, server: Server, udp: int, tcp: int) -> Iterator[Probe]:
    for transport, times in ((UDP, udp), (TCP, tcp)):
        id = f"reach.{transport.value}"
        yield ask(id, server, stage.api, stage.family, transport, stream=GATE, times=times)


def own_domain(stage: Stage) -> Iterator[Probe]:
    """The domain that kubelet gave the pod, which need not be the one that the server owns."""
    if not stage.by_host_file and stage.role is not Role.HOSTNET:
        for server in (*stage.services, ANY_NS):
            name = f"kubernetes.default.svc.{DOMAIN_HOLE}."
            yield ask("dom", server, name, stage.family)


def services(stage: Stage) -> Iterator[Probe]:
    """Names of the pod's own namespace, the other address family, the reverse: of each server."""
    if not stage.is_target:
        return
    for server in (*stage.services, *stage.replicas, ANY_NS):
        other = "A" if stage.family == "AAAA" else "AAAA"
        yield ask("reach6", server, stage.api, other)
        for service in filter(None, (stage.names.own, stage.names.headless)):
            name = f"{service.name}.{service.namespace}.svc.{stage.domain}."
            type = family(service.cluster_ips[0]) if service.cluster_ips else stage.family
            yield ask(f"svc.{service.name}", server, name, type)
    for server in stage.services:
        if alias := stage.names.alias:
            name = f"{alias.name}.{alias.namespace}.svc.{stage.domain}."
            yield ask(f"svc.{alias.name}", server, name)
            # Its target may have addresses of the other family alone.
            yield ask(f"svc6.{alias.name}", server, name, "AAAA")
        if stage.own_service_ip:
            pointer = ipaddress.ip_address(stage.own_service_ip).reverse_pointer + "."
            yield ask("ptr", server, pointer, "PTR")


def outside(stage: Stage) -> Iterator[Probe]:
    """A name outside the cluster, through every server: A, AAAA and over TCP."""
    if not stage.names.external or stage.by_host_file:
        return
    name = stage.names.external + "."
    for server in (*stage.services, ANY_NS):
        yield ask("ext", server, name)
        if stage.is_target:
            yield ask("ext6", server, name, "AAAA")
            yield ask("ext.tcp", server, name, transport=TCP)
    if stage.is_target:
        for server in stage.replicas:
            # Twice, one after the other: the first may find a resolver that has to look around.
            yield ask("ext", server, name, times=2)


def upstream(stage: Stage) -> Iterator[Probe]:
    """The upstreams, past the cluster's DNS: of the Corefile, and of the host's file."""
    if stage.role in (Role.CONTROL, Role.HOSTNET):
        return
    name, type = (stage.names.external + ".", "A") if stage.names.external else (".", "NS")
    servers = [*stage.upstreams, *([ANY_NS] if stage.by_host_file else [])]
    for server in servers:
        yield ask("up.udp", server, name, type, stream=GATE, times=2)
        yield ask("up.tcp", server, name, type, TCP, stream=GATE)
        if stage.names.external:
            yield ask("up6", server, name, "AAAA")


def stub_domains(stage: Stage) -> Iterator[Probe]:
    """Zones with upstreams of their own: of the cluster's DNS, and of those upstreams."""
    for zone, servers in stage.stubs:
        if stage.is_target:
            for server in stage.services:
                yield ask(f"stub.{zone}", server, zone, "SOA")
        if stage.role not in (Role.CONTROL, Role.HOSTNET):
            for server in servers:
                yield ask(f"stub.{zone}", server, zone, "SOA", stream=GATE)
                yield ask(f"stub.tcp.{zone}", server, zone, "SOA", TCP, stream=GATE)


def other_service(stage: Stage) -> Iterator[Probe]:
    """Where the DNS Service is dead: does another ClusterIP work?

    It speaks no DNS; a closed connection is answer enough.
    """
    if stage.by_host_file or not stage.api_service:
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
        yield Probe(id=f"other.{api.ip}.{server.ip}", lane=lane, argv=argv)


def forms(stage: Stage) -> Iterator[Probe]:
    """Relative names, as typed: dig and nslookup walk the search list, getent asks the libc."""
    if not stage.is_target:
        return
    relative = ["kubernetes.default", "kubernetes.default.svc"]
    if own := stage.names.own:
        relative += [own.name, f"{own.name}.{own.namespace}", f"{own.name}.{own.namespace}.svc"]
    first = f"{FIRST_NS.ip}#{DNS_PORT}+udp"
    for name in relative[:1] if stage.frugal else relative:
        argv = ["dig", "-q", name, "-t", stage.family, "+search", "+tries=1", "+time=2"]
        yield _typed(f"form.{name}", first, argv, cost=2)
    for name in ("kubernetes.default", *stage.names.asked):
        yield _typed(f"form.nslookup.{name}", first, ["nslookup", "-timeout=2", "-retry=1", name])
    absolute = [stage.api.rstrip("."), *filter(None, (stage.names.external,))]
    for name in dict.fromkeys(("kubernetes.default.svc", *absolute, *stage.names.asked)):
        yield _typed(f"libc.{name}", first, ["getent", "ahosts", name])


def _typed(id: str, server: str, argv: list[str], cost: int = 4) -> Probe:
    """A tool that finds the server by itself, in a stream of its own: it may take seconds."""
    return Probe(id=id, lane=f"{server}/{id}", argv=tuple(argv), cost=cost)


def walk(stage: Stage) -> Iterator[Probe]:
    """Every candidate that the search list makes of a name with fewer dots than ndots."""
    if not stage.is_target:
        return
    for name in (stage.api.rstrip("."), *(n for n in stage.names.asked if not n.endswith("."))):
        for type in (stage.family,) if stage.frugal else ("A", "AAAA"):
            yield ask(f"walk.{type}.{name}.{{search}}", FIRST_NS, f"{name}.{{search}}.", type)


def steps(stage: Stage) -> Iterator[Probe]:
    """Every candidate of the user's name, of every nameserver, each in a stream of its own.

    Twice, as programs do that get no answer.
    """
    for name in stage.names.asked:
        tails = (".",) if name.endswith(".") else (".", ".{search}.")
        for tail in tails:
            absolute = name.rstrip(".") + tail
            for type in ("A", "AAAA"):
                yield ask(f"step.{type}.{absolute}", ANY_NS, absolute, type, times=2)


def users(stage: Stage) -> Iterator[Probe]:
    """The user's own names, absolute, of every server."""
    if stage.by_host_file:
        return
    servers = (*stage.services, *stage.replicas, ANY_NS) if stage.is_target else stage.services
    for name in stage.names.asked:
        for server in servers:
            yield ask(f"user.A.{name}", server, name.rstrip(".") + ".")
            if stage.is_target:
                yield ask(f"user.AAAA.{name}", server, name.rstrip(".") + ".", "AAAA")


def fixed_port(stage: Stage) -> Iterator[Probe]:
    """The same question twice from one source port: what a client with a long-lived socket does."""
    if not stage.is_target:
        return
    for server in stage.services:
        bound = bound_to(server, source_port(stage.pod))
        yield ask("fixed", server, stage.api, stage.family, extra=bound, times=2)


def source_port(pod: Pod, place: int = 0) -> int:
    """The pod's name decides the port: no dice, and two runs on one pod tell the same flow."""
    return 40_000 + (zlib.crc32(f"{pod.namespace}/{pod.name}".encode()) + place) % 9_000


def bound_to(server: Server, port: int) -> tuple[str, str]:
    """The words that make dig ask this server from that port."""
    return ("-b", f"{'::' if ':' in server.ip else '0.0.0.0'}#{port}")


def host(stage: Stage) -> Iterator[Probe]:
    """What the node itself shows: `witness` of host.sh."""
    services = tuple(server.ip for server in stage.services)
    replicas = tuple(server.ip for server in stage.replicas)
    yield from (_witness("route", ip) for ip in (*services, *replicas))
    for what in ("flows", "connections"):
        yield from (_witness(what, ip, *replicas) for ip in services)
    for what in ("defaults", "sysctl", "counters", "ipvs", "listeners", "kernel", "log"):
        yield _witness(what)
    for what in ("nat", "nft", "addresses"):
        yield Probe(id=f"host.{what}", lane=f"-/{what}", argv=("witness", what, *services), cost=0)


def hosts_files(stage: Stage) -> Iterator[Probe]:
    """The node's resolv.conf files, and how its kubelet was told which to read."""
    yield from (_witness("file", path) for path in HOST_FILES)
    yield _witness("kubelet", stage.pod.node)


def _witness(what: str, *words: str) -> Probe:
    """Its id names what it is about, if anything: `host.route.IP`."""
    id = ".".join(("host", what, *words[:1]))
    return Probe(id=id, lane=f"-/{what}", argv=("witness", what, *words), cost=0)


def of_host(stage: Stage) -> Iterator[Probe]:
    """Can the node itself reach the DNS Service and its pods? Its own packets take another way."""
    for server in (*stage.services, *stage.replicas):
        yield from _gates(stage, server, 2, 1)


Battery = tuple[Callable[[Stage], Iterator[Probe]], ...]
HOST_BATTERY = (hosts_files, host, of_host)
HOST_BATTERIES = {Purpose.DIFF: (hosts_files,)}
REACH: Battery = (files, reach)
BATTERY: Battery = (
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

BATTERIES = {
    Purpose.DIAGNOSE: BATTERY,
    Purpose.NODES: BATTERY,
    Purpose.RESOLVE: (files, steps),
    Purpose.DIFF: (files,),
}


def once(probes: Iterable[Probe]) -> Iterator[Probe]:
    """Each probe once (a Service and the user may name the same thing).

    None with a word that the runner would split.
    """
    seen: set[str] = set()
    for probe in probes:
        if probe.id not in seen and all(map(_WORD.fullmatch, (probe.id, *probe.argv))):
            seen.add(probe.id)
            yield probe
