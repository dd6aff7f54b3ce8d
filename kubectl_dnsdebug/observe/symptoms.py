"""What several rules look at first: whether names fail at all, and where on the way they get lost.

Rules are silent where the symptom is absent, whatever else could not be read: that is what lets a
healthy pod be called healthy with few permissions. Each function raises Missing where even the
symptom could not be seen.
"""

from __future__ import annotations

from dataclasses import dataclass

from kubectl_dnsdebug.model import (
    Answer,
    Missing,
    Purpose,
    Role,
    State,
    Status,
    Subject,
    Transport,
    Vantage,
)
from kubectl_dnsdebug.observe import image
from kubectl_dnsdebug.observe.intermittent import loses_directly
from kubectl_dnsdebug.observe.objects import Endpoint, at
from kubectl_dnsdebug.observe.observed import Observed, Reach
from kubectl_dnsdebug.parse.resolvconf import Policy, ResolvConf, effective_policy
from kubectl_dnsdebug.parse.search import Libc, Reply, Stop, Walk, walk

# Failures that come at once, from a host that says no: never a packet lost on the way.
INSTANT = (Status.CONNECTION_REFUSED, Status.UNREACHABLE)


def service_reach(
    seen: Observed, vantage: Vantage, transport: Transport = Transport.UDP
) -> tuple[Reach, ...]:
    """How each ClusterIP of the cluster's DNS did there. Raises Missing when none was asked."""
    if vantage.failure:
        raise Missing(vantage.failure)
    found = [seen.reach(vantage, ip, transport) for ip in service_addresses(seen)]
    if not found:
        raise Missing("the cluster's DNS Service was not found")
    return tuple(found)


def service_addresses(seen: Observed) -> tuple[str, ...]:
    """The ClusterIPs; where Services may not be read, the nameservers of files that kubelet made
    for cluster DNS."""
    if seen.cluster_ips:
        return seen.cluster_ips
    confs = filter(None, map(seen.conf_or_none, seen.evidence.vantages))
    return tuple(
        dict.fromkeys(ip for conf in confs if cluster_domain(conf) for ip in conf.nameservers)
    )


def cluster_names_work(seen: Observed, vantage: Vantage) -> bool:
    """Whether the DNS Service answered every question for a cluster name that it must know."""
    reaches = (*service_reach(seen, vantage), *service_reach(seen, vantage, Transport.TCP))
    return all(a.status is Status.NOERROR and a.records for r in reaches for a in r.answers)


def dns_serves(seen: Observed) -> bool:
    """Whether some place got cluster names from the DNS Service without one failure.

    Then the server side is sound, and what fails is the way from elsewhere or the client. Where
    nothing was to be asked, the API's word stands in: a ready endpoint.
    """
    if seen.evidence.request.purpose is Purpose.CLUSTER:
        return _ready_by_the_api(seen) and _servers_know(seen)
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


def _servers_know(seen: Observed) -> bool:
    """Whether a DNS pod that was asked itself knew the cluster's names; true where none was."""
    asked = [
        answer
        for vantage in seen.evidence.vantages
        if vantage.role is Role.SERVER
        for answer in seen.ask(vantage, probe="reach.")
    ]
    return not asked or any(map(gives_address, asked))


def _ready_by_the_api(seen: Observed) -> bool:
    """With no answer to prove it, nothing may be missing, lest a gap is taken for health."""
    for fact in seen.evidence.facts:
        if fact.state is State.UNKNOWN:
            raise Missing(fact.reason)
    seen.dns_service()  # raises Missing: a cluster where no DNS is seen is not sound
    return any(endpoint.ready for endpoint in seen.dns_endpoints)


@dataclass(frozen=True, slots=True)
class Replicas:
    """The ready DNS pods as one place reaches them over one transport, by their node."""

    local: tuple[tuple[Endpoint, Reach], ...]
    remote: tuple[tuple[Endpoint, Reach], ...]
    steady: bool = True  # no watch saw one of them lose questions, asked directly

    @property
    def all(self) -> tuple[tuple[Endpoint, Reach], ...]:
        return self.local + self.remote

    @property
    def all_fine(self) -> bool:
        return self.steady and bool(self.all) and all(reach.fine for _, reach in self.all)


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
    return Replicas(tuple(local), tuple(remote), not loses_directly(seen))


def replicas_seen(
    seen: Observed, vantage: Vantage, transport: Transport = Transport.UDP
) -> tuple[tuple[str, Reach], ...]:
    """Each DNS pod that was asked directly, ready or not, by its address. Never Missing."""
    others = {*service_addresses(seen), *_nameservers(seen, vantage)}
    asked = [
        a
        for a in seen.ask(vantage, transport=transport, probe="reach.")
        if a.server and a.server not in others
    ]
    return tuple(
        (ip, Reach(ip, transport, tuple(a for a in asked if a.server == ip)))
        for ip in dict.fromkeys(a.server for a in asked)
    )


def _nameservers(seen: Observed, vantage: Vantage) -> tuple[str, ...]:
    conf = seen.conf_or_none(vantage)
    return conf.nameservers if conf else ()


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


def place(seen: Observed, node: Subject) -> Vantage:
    """Where to look at the path from: a plain pod of the node, or a target there. Raises
    Missing."""
    try:
        return seen.control(node)
    except Missing:
        for target in targets_on(seen, node):
            try:
                return seen.own(target)
            except Missing:
                continue
        raise


def lossy(*reaches: Reach) -> bool:
    """Whether questions get lost on the way: more than the one that a busy machine may lose."""
    return sum(reach.silent for reach in reaches) > 1


def local_policy(seen: Observed, server: str) -> bool:
    """Whether the Service of that address sends a node's questions only to DNS pods of the node
    itself."""
    try:
        return any(s.local_only for s in seen.dns_services if server in s.cluster_ips)
    except Missing:
        return False


def is_only_witness(seen: Observed, node: Subject) -> bool:
    """Whether probes ran on a node only to tell a silent DNS pod from a broken way to it."""
    return bool(seen.subjects) and node not in seen.looked_from and not targets_on(seen, node)


# Names and files


def gives_address(answer: Answer) -> bool:
    """Whether it is an address, or for another type a record of it: not just an alias."""
    return answer.status is Status.NOERROR and any(
        record.type in answer.type.split("+") for record in answer.records
    )


def short_names(seen: Observed, vantage: Vantage) -> tuple[Answer, ...]:
    """How names as people type them did through the search list there. Raises Missing.

    Of a dead nameserver nobody asks names: then these are the questions that it left unanswered.
    """
    found = seen.ask(vantage, probe="form.")
    servers = seen.conf(vantage).nameservers
    if not found and servers and (first := seen.reach(vantage, servers[0])).dead:
        return first.answers
    if not found and servers:
        raise Missing(f"no short name was asked at {vantage.id}")
    return found


def short_names_work(seen: Observed, vantage: Vantage) -> bool:
    """Whether any of them led to a Service: then the file leads to the cluster's DNS."""
    return any(map(gives_address, short_names(seen, vantage)))


def short_ids(seen: Observed, vantage: Vantage) -> tuple[str, ...]:
    """The transcript that shows best how they fail."""
    return tuple(a.id for a in short_names(seen, vantage) if not gives_address(a))[:1]


def cluster_first(seen: Observed, node: Subject) -> Vantage:
    """Where a pod has the file that kubelet gives under ClusterFirst: a fresh pod of the node,
    failing that a target there of this policy. Raises Missing."""
    try:
        return seen.control(node)
    except Missing as gap:
        for pod in seen.targets:
            policy = effective_policy(pod.dns_policy, pod.host_network)
            if pod.node == node.name and policy is Policy.CLUSTER and pod.dns_config is None:
                return seen.own(pod.subject)
        raise Missing(str(gap)) from None


def kubelet_says(seen: Observed, node: Subject, key: str) -> tuple[str, ...]:
    """The values of a field of the kubelet's configuration. Raises Missing where it is not read."""
    fact = seen.fact(f"configz/{node.name}")
    found = at(fact.data, key, default=()) if fact else ()
    return (found,) if isinstance(found, str) else tuple(found)


def cluster_domain(conf: ResolvConf) -> str:
    """The cluster domain in a search list, empty without one."""
    found = (s.removeprefix("svc.") for s in conf.search if s.startswith("svc."))
    return next(found, "")


def inherited(conf: ResolvConf) -> tuple[str, ...]:
    """Suffixes of a search list that are none of the cluster's own."""
    own = cluster_domain(conf)
    return tuple(s for s in conf.search if not own or not f".{s}".endswith(f".{own}"))


def outside(seen: Observed, vantage: Vantage) -> tuple[Answer, ...]:
    """How a name outside the cluster did through the DNS Service. Raises Missing when none was."""
    servers = service_addresses(seen)
    found = tuple(a for a in seen.ask(vantage, server=servers, probe="ext.") if a.type == "A")
    if not found:
        raise Missing(f"no name outside the cluster was asked at {vantage.id}")
    return found


def says_something(answer: Answer) -> bool:
    """Whether the name's owner spoke, if only to say that there is no such name."""
    return answer.status in (Status.NOERROR, Status.NXDOMAIN)


def libc(seen: Observed, subject: Subject) -> Libc | None:
    """The C library of the target's image; None when it could not be seen."""
    word = image.libc(seen, subject).partition(" ")[0]
    return {"musl": Libc.MUSL, "glibc": Libc.GLIBC}.get(word)


def is_dns_pod(seen: Observed, subject: Subject) -> bool:
    """Whether a pod is one of the cluster's DNS servers. Raises Missing."""
    return any(pod.subject == subject for pod in seen.dns_pods)


def replies(seen: Observed, vantage: Vantage, server: str, name: str) -> tuple[Reply, ...]:
    """What a server gave there for A and AAAA of an absolute name; empty where that is not
    known."""
    found = []
    for type in ("A", "AAAA"):
        answers = seen.ask(vantage, server=server, name=name, type=type, transport=Transport.UDP)
        known = [reply for answer in answers if (reply := Reply.of(answer))]
        if not known:
            break
        found.append(Reply.ANSWER if Reply.ANSWER in known else known[-1])
    return tuple(found)


def walked(seen: Observed, subject: Subject, name: str, library: Libc | None = None) -> Walk:
    """How the target's C library fares with a name at its first nameserver.

    `library` is what to take it for; by default what it is, glibc where that is not known.
    """
    own = seen.own(subject)
    conf = seen.conf(own)
    server = next(iter(conf.nameservers), "")
    library = library or libc(seen, subject) or Libc.GLIBC
    return walk(name, conf, library, lambda each: replies(seen, own, server, each))


def service_names_fail(seen: Observed, subject: Subject) -> bool:
    """Whether one of the user's names, or a Service by its full name, got no address at the
    target."""
    names = seen.evidence.request.names
    if any(walked(seen, subject, name).stop is not Stop.ANSWERED for name in names):
        return True
    return not all(map(gives_address, seen.ask(seen.own(subject), probe="svc.")))
