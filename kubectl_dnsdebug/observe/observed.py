"""Evidence, read once and made easy to ask: typed answers, resolv.conf files, cluster objects.

Look-ups raise `Missing` with the reason when what they need could not be had, so that a rule is
straight-line code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from kubectl_dnsdebug.model import (
    Answer,
    Evidence,
    Fact,
    Missing,
    Role,
    Scope,
    State,
    Status,
    Subject,
    Transport,
    Vantage,
)
from kubectl_dnsdebug.observe import configuration, discovery, elsewhere, host
from kubectl_dnsdebug.observe.host import HostView
from kubectl_dnsdebug.observe.objects import (
    Endpoint,
    Node,
    Pod,
    Service,
    at,
    is_link_local,
    items,
    plain_pod,
    read_endpoints,
    read_node,
    read_pod,
    read_service,
)
from kubectl_dnsdebug.observe.reach import Reach as Reach
from kubectl_dnsdebug.parse import dig, resolvconf
from kubectl_dnsdebug.parse.corefile import Corefile, Forward
from kubectl_dnsdebug.parse.resolvconf import ResolvConf

TARGETS = (Role.TARGET, Role.SIBLING)
HOSTS_FILE = (Role.DEFAULT, Role.HOSTNET_DEFAULT)  # where pods are given the host's resolv.conf


class Observed:
    """One evidence, seen. Cheap to make; everything is read when first asked for."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self._facts = {fact.id: fact for fact in evidence.facts}
        self._kinds: dict[tuple[str, ...], tuple[Fact, ...]] = {}

    # Facts

    def fact(self, id: str) -> Fact | None:
        """The fact; None when the API says there is none. Raises Missing when it is unread."""
        found = self._facts.get(id)
        if found is None:
            raise Missing(f"{id} was not asked for")
        if found.state is State.UNKNOWN:
            raise Missing(found.reason)
        return found if found.state is State.GOT else None

    def of_kind(self, *kinds: str) -> tuple[Fact, ...]:
        """Facts of these kinds, the first words of their ids, got or not, in their order."""
        if kinds not in self._kinds:
            found = (f for f in self.evidence.facts if f.id.partition("/")[0] in kinds)
            self._kinds[kinds] = tuple(found)
        return self._kinds[kinds]

    def facts(self, *prefixes: str) -> tuple[Fact, ...]:
        """All facts of one kind whose id starts so and that were got; Missing when there are only
        gaps."""
        kind = prefixes[0].partition("/")[0]
        found = [fact for fact in self.of_kind(kind) if fact.id.startswith(prefixes)]
        got = tuple(fact for fact in found if fact.state is State.GOT)
        gaps = [fact.reason for fact in found if fact.state is State.UNKNOWN]
        if not got and (gaps or not found):
            raise Missing(gaps[0] if gaps else f"{prefixes[0]} was not asked for")
        return got

    def target(self, subject: Subject) -> Pod:
        fact = self.fact(f"pod/{subject.namespace}/{subject.name}")
        if fact is None:
            raise Missing(f"{subject} is gone")
        return read_pod(fact.data)

    @cached_property
    def subjects(self) -> tuple[Subject, ...]:
        """What was asked for: pods, or nodes."""
        return tuple(map(Subject.parse, self.evidence.request.targets))

    @cached_property
    def targets(self) -> tuple[Pod, ...]:
        """The pods that were asked for, none where it was nodes."""
        return tuple(self.target(each) for each in self.subjects if each.scope is Scope.POD)

    @cached_property
    def looked_from(self) -> tuple[Subject, ...]:
        """What was asked for and looked from: of many nodes only those with logs of their own.

        Not where there is but a witness of what happens on the way.
        """
        nodes = {v.node for v in self.evidence.vantages if v.role in HOSTS_FILE}
        return tuple(s for s in self.subjects if s.scope is Scope.POD or s.name in nodes)

    def client(self, subject: Subject) -> Pod:
        """The pod that asks there: the target; on a node the plain one that was put on it."""
        if subject.scope is Scope.NODE:
            return plain_pod(self.evidence.request.home, subject.name)
        return self.target(subject)

    def node(self, name: str) -> Node:
        fact = self.fact(f"node/{name}")
        if fact is None:
            raise Missing(f"node {name} is gone")
        return read_node(fact.data)

    @cached_property
    def services(self) -> tuple[Service, ...]:
        """Every Service that could be listed."""
        fact = self.fact("services")
        return tuple(read_service(each) for each in items(fact.data)) if fact else ()

    @cached_property
    def used_nameservers(self) -> frozenset[str]:
        """Nameservers that pods or kubelets of this evidence use for cluster DNS."""
        used: set[str] = set()
        for vantage in self.evidence.vantages:
            if vantage.role not in HOSTS_FILE and (conf := self.conf_or_none(vantage)):
                used.update(conf.nameservers)
        for fact in self.of_kind("configz"):
            used.update(at(fact.data, "clusterDNS", default=()))
        return frozenset(used)

    @cached_property
    def own_services(self) -> tuple[Service, ...]:
        """What of the cluster's Services would be its DNS. Never Missing."""
        try:
            return discovery.chosen(self.services, self.used_nameservers)
        except Missing:
            return ()

    @cached_property
    def dns_services(self) -> tuple[Service, ...]:
        """The cluster's DNS Services, best first; none where something else serves the pods."""
        found = discovery.chosen(self.services, self.used_nameservers)
        return () if elsewhere.serves(self, found) else found

    def dns_service(self) -> Service:
        """The DNS Service that counts most. Raises Missing when there is none to be seen."""
        if not self.dns_services:
            raise Missing("no Service of this cluster looks like its DNS")
        return self.dns_services[0]

    @cached_property
    def cluster_ips(self) -> tuple[str, ...]:
        """ClusterIPs of the DNS Services; empty when none could be found."""
        try:
            return tuple(dict.fromkeys(ip for s in self.dns_services for ip in s.cluster_ips))
        except Missing:
            return ()

    def is_node_cache(self, ip: str) -> bool:
        """Whether an address is a DNS cache on the nodes, which pods may use for the Service:
        these listen on a link-local address, and their pods run on the host's network."""
        return is_link_local(ip)

    def endpoints(self, service: Service) -> tuple[Endpoint, ...]:
        fact = self.fact(f"endpointslices/{service.id}")
        return tuple(read_endpoints(fact.data, service)) if fact else ()

    @cached_property
    def dns_endpoints(self) -> tuple[Endpoint, ...]:
        """Endpoints of all DNS Services, each address once."""
        found = {e.ip: e for s in self.dns_services for e in self.endpoints(s)}
        return tuple(found.values())

    @cached_property
    def dns_pods(self) -> tuple[Pod, ...]:
        """The pods behind the cluster's DNS Services; not those of somebody else's DNS."""
        lists = [id for id in map(discovery.pods_of, self.own_services) if id in self._facts]
        found = {
            (pod.namespace, pod.name): pod
            for fact in self.facts(*lists or ("dns-pods/",))
            for pod in map(read_pod, items(fact.data))
        }
        return tuple(found.values())

    def system_pods(self, node: str) -> tuple[Pod, ...]:
        """kube-system's pods on a node."""
        fact = self.fact(f"system-pods/{node}")
        return tuple(read_pod(each) for each in items(fact.data)) if fact else ()

    @cached_property
    def corefile(self) -> Corefile:
        """The DNS pods' Corefile. Raises Missing when none was read."""
        return configuration.corefile(configuration.facts(self))

    @cached_property
    def forwards(self) -> tuple[Forward, ...]:
        """Where the DNS pods send names that are not their own. Raises Missing."""
        return configuration.forwards(configuration.facts(self))

    @cached_property
    def domain(self) -> str:
        """The cluster domain that the DNS server owns: the Corefile's zone, else kubelet's word."""
        return configuration.domain(self)

    def log(self, pod: Pod, *, previous: bool = False) -> tuple[str, ...]:
        """Lines of a DNS pod's log, time stamps in front. Missing when it could not be read."""
        fact = self.fact(f"log{'-previous' if previous else ''}/{pod.namespace}/{pod.name}")
        return tuple(at(fact.data, "lines", default=())) if fact else ()

    def log_lines(self, *words: str) -> tuple[tuple[str, str], ...]:
        """(fact id, line) of each log line, current or previous, with all words. Never Missing."""
        return tuple(
            (fact.id, line)
            for fact in self.of_kind("log", "log-previous")
            for line in at(fact.data, "lines", default=())
            if all(word in line for word in words)
        )

    def events(self, reason: str, *, about: str = "") -> tuple[tuple[str, str], ...]:
        """(fact id, message) of warnings with that reason, about that object. Never Missing."""
        return tuple(
            (fact.id, str(each.get("message", "")))
            for fact in self.of_kind("events", "node-events")
            for each in items(fact.data)
            if each.get("reason") == reason
            and (not about or at(each, "involvedObject", "name") == about)
        )

    # Vantages

    def vantage(self, subject: Subject, *roles: Role) -> Vantage:
        """The place of that role for a pod: its own, or on its node. Raises Missing."""
        wanted = [v for v in self.evidence.vantages if v.role in roles and self._serves(v, subject)]
        usable = sorted((v for v in wanted if not v.failure), key=lambda v: roles.index(v.role))
        if usable:
            return usable[0]
        names = "/".join(role.value for role in roles)
        raise Missing(wanted[0].failure if wanted else f"no {names} probe ran for {subject}")

    def _serves(self, vantage: Vantage, subject: Subject) -> bool:
        if vantage.stands_for == subject:
            return True
        if vantage.role in TARGETS:
            return False
        target = next((t for t in self.targets if t.subject == subject), None)
        return target is not None and vantage.node == target.node

    def own(self, subject: Subject) -> Vantage:
        """Where the target stands: in the pod, or in its sibling. On a node the plain pod, and
        where the node gives it no network, the one on the node's own."""
        if subject.scope is Scope.NODE:
            return self.vantage(subject, Role.CONTROL, Role.HOSTNET)
        return self.vantage(subject, *TARGETS)

    def control(self, subject: Subject) -> Vantage:
        """A plain ClusterFirst pod on the target's node; for a node, on that node."""
        return self.vantage(subject, Role.CONTROL)

    def default(self, subject: Subject) -> Vantage:
        return self.vantage(subject, Role.DEFAULT)

    def host(self, node: str) -> HostView:
        """What the node itself shows. Raises Missing without --deep, or where that failed."""
        return host.look(self.evidence, node)

    def host_or_none(self, node: str) -> HostView | None:
        try:
            return self.host(node)
        except Missing:
            return None

    def conf(self, vantage: Vantage) -> ResolvConf:
        """The /etc/resolv.conf seen there. Raises Missing."""
        if vantage.id in self._confs:
            return self._confs[vantage.id]
        raise Missing(vantage.failure or f"/etc/resolv.conf was not read at {vantage.id}")

    @cached_property
    def _confs(self) -> dict[str, ResolvConf]:
        texts = (t for t in self.evidence.transcripts if t.probe == "conf" and not t.failure)
        return {t.vantage: resolvconf.read(t.out) for t in reversed([*texts])}

    def conf_or_none(self, vantage: Vantage) -> ResolvConf | None:
        try:
            return self.conf(vantage)
        except Missing:
            return None

    def conf_id(self, vantage: Vantage) -> str:
        """The evidence id of that file."""
        return f"{vantage.id}#conf"

    # Answers

    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        return tuple(answer for each in self.evidence.transcripts for answer in dig.read(each))

    @cached_property
    def _answers_at(self) -> dict[str, list[Answer]]:
        found: dict[str, list[Answer]] = {}
        for answer in self.answers:
            found.setdefault(answer.vantage, []).append(answer)
        return found

    def ask(
        self,
        vantage: Vantage,
        *,
        server: str | Sequence[str] | None = None,
        name: str | None = None,
        type: str | None = None,
        transport: Transport | None = None,
        tool: str = "dig",
        probe: str = "",
    ) -> tuple[Answer, ...]:
        """Answers got at a vantage, by any of these; none of questions that never ran."""
        servers: Iterable[str] | None = (server,) if isinstance(server, str) else server
        wanted = name.rstrip(".").lower() + "." if name is not None else None
        return tuple(
            a
            for a in self._answers_at.get(vantage.id, ())
            if (a.tool == tool or (a.tool == dig.FORWARDED and tool == "dig"))
            and a.status is not Status.NOT_RUN
            and (servers is None or a.server in servers)
            and (wanted is None or a.name == wanted)
            and (type is None or a.type == type)
            and (transport is None or a.transport is transport)
            and (not probe or a.id.split("#", 1)[1].startswith(probe))
        )

    def reach(self, vantage: Vantage, server: str, transport: Transport = Transport.UDP) -> Reach:
        """Whether a server can be talked to: over names it owns, so that no upstream is in the way.

        Raises Missing when it was never asked there.
        """
        found = self.ask(vantage, server=server, transport=transport, probe="reach.")
        if not found:
            raise Missing(f"{server} was not asked over {transport.value.upper()} at {vantage.id}")
        return Reach(server, transport, found)
