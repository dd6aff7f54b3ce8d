"""How each node did, by the summaries that its probing pods left: a mark for each check.

Linear in nodes. The logs of a few nodes are read as those of any other place; this is all that
there is of the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from kubectl_dnsdebug.model import Missing, Role, Scope, Status
from kubectl_dnsdebug.observe import names as naming
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.objects import at
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse import resolvconf, summary
from kubectl_dnsdebug.parse.resolvconf import Difference, Kind
from kubectl_dnsdebug.parse.summary import Summary, Told


class Check(StrEnum):
    """What is looked at on every node, in the order of a question's way."""

    CONF = "resolv-conf"  # a ClusterFirst pod is given the file that kubelet should write
    SERVICE_UDP = "service-udp"  # the DNS Service
    SERVICE_TCP = "service-tcp"
    DNS_PODS = "dns-pods"  # each of them, asked directly
    OUTSIDE = "outside"  # a name outside the cluster, asked of the DNS Service
    UPSTREAM = "upstream"  # the nameservers of the host's file, asked by a Default pod
    HOST = "host-network"  # the DNS Service, asked from the node's own network


class Mark(StrEnum):
    """The outcome of a check. NOT_ASKED: nobody meant to ask there; UNKNOWN: in vain."""

    OK = "ok"
    PART = "part"  # some of it works
    BAD = "bad"
    UNKNOWN = "unknown"
    NOT_ASKED = "not-asked"

    @property
    def is_ill(self) -> bool:
        return self in (Mark.PART, Mark.BAD)


class Health(StrEnum):
    FINE = "fine"
    ILL = "ill"
    UNTESTED = "untested"


# Without these nothing is known of a node.
VITAL = (Check.CONF, Check.SERVICE_UDP, Check.SERVICE_TCP)
_MANY = 4  # questions to one server of which one may get lost by chance, on a busy machine
_MOST_SAID = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One check of one node. `why` says what is wrong; `ms` is the slowest answer."""

    mark: Mark
    why: str = ""
    ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptNode:
    """One node: a cell for each check, the mark of each DNS pod by address, and why something is
    not known. Nodes of one `fingerprint` fared the same; it is empty where nothing was tried."""

    name: str
    cells: Mapping[Check, Cell]
    pods: Mapping[str, Mark] = field(default_factory=dict)
    gaps: tuple[str, ...] = ()
    fingerprint: str = ""

    @property
    def marks(self) -> tuple[Mark, ...]:
        """In the order of the checks. Nodes with the same marks fail alike."""
        return tuple(self.cells[check].mark for check in Check)

    @property
    def health(self) -> Health:
        if any(mark.is_ill for mark in self.marks):
            return Health.ILL
        unseen = any(self.cells[check].mark is not Mark.OK for check in VITAL)
        return Health.UNTESTED if unseen or Mark.UNKNOWN in self.marks else Health.FINE


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What is the same on every node. `dns_pods` are the ready ones by address, None unread."""

    services: tuple[str, ...]
    dns_pods: Mapping[str, str] | None
    domain: str
    good_upstream: Callable[[Told], bool]


def dns_pod_names(seen: Observed) -> dict[str, str]:
    """The ready DNS pods, address to `POD@NODE`. Raises Missing."""
    return {
        each.ip: f"{each.pod or each.ip}@{each.node}" for each in seen.dns_endpoints if each.ready
    }


def swept(seen: Observed) -> tuple[SweptNode, ...]:
    """Each node that was asked for, in that order. Never Missing."""
    nodes = [each for each in seen.subjects if each.scope is Scope.NODE]
    if not nodes:
        return ()
    ground = _ground(seen)
    return tuple(_node(seen, ground, each.name) for each in nodes)


def _ground(seen: Observed) -> _Ground:
    try:
        dns_pods: dict[str, str] | None = dns_pod_names(seen)
    except Missing:
        dns_pods = None
    try:
        domain = seen.domain
    except Missing:
        domain = ""
    external = naming.pick(seen, seen.client(seen.subjects[0])).external
    # Without a name outside, the root is asked for, which an upstream may decline.
    good = _says_something if external else _speaks
    services = symptoms.service_addresses(seen)
    return _Ground(services=services, dns_pods=dns_pods, domain=domain, good_upstream=good)


def _node(seen: Observed, ground: _Ground, name: str) -> SweptNode:
    try:
        fact = seen.fact(f"swept/{name}")
    except Missing as gap:
        return _untested(name, [str(gap)])
    data = fact.data if fact else {}
    gaps = [str(why) for why in at(data, "failures", default={}).values()]
    read: dict[str, Summary] = {}
    for role, text in at(data, "summaries", default={}).items():
        try:
            read[role] = summary.read(str(text))
        except Missing as gap:
            gaps.append(str(gap))
    if not read:
        gaps = gaps or ["nothing of ours ran there"]
    node = _judged(seen, ground, name, read, gaps) if read else _untested(name, gaps)
    print = summary.group(at(data, "summaries", default={}), at(data, "failures", default={}))
    return replace(node, fingerprint=print)


def _untested(name: str, gaps: Iterable[str]) -> SweptNode:
    cells = {check: Cell(mark=Mark.UNKNOWN) for check in Check}
    return SweptNode(name=name, cells=cells, gaps=tuple(dict.fromkeys(gaps)))


def _judged(
    seen: Observed, ground: _Ground, name: str, read: Mapping[str, Summary], gaps: list[str]
) -> SweptNode:
    control = [read[role] for role in (Role.CONTROL,) if role in read]
    default = [read[role] for role in (Role.DEFAULT,) if role in read]
    host = [read[role] for role in (Role.HOSTNET,) if role in read]
    plain = control + default
    own = [ip for each in control for ip in each.conf.nameservers]
    services = tuple(dict.fromkeys((*ground.services, *filter(seen.is_node_cache, own)))) or own
    strangers = {ip for each in plain for ip in each.conf.nameservers} | {*services}
    known = ground.dns_pods
    asked = [*known] if known is not None else [*_servers(plain, "reach.udp.", strangers)]
    direct = {
        ip: (_told(plain, f"reach.udp.{ip}"), _told(plain, f"reach.tcp.{ip}")) for ip in asked
    }
    pods = {ip: _together(_mark(told, _gives) for told in both) for ip, both in direct.items()}
    labelled = {(known or {}).get(ip, ip): udp + tcp for ip, (udp, tcp) in direct.items()}
    outside = _servers(control, "ext.", ())
    upstream = _servers(default, "up.udp.", ())
    cells = {
        Check.CONF: _conf(seen, ground, control, default),
        Check.SERVICE_UDP: _cell(plain, _each(plain, "reach.udp.", services), _gives),
        Check.SERVICE_TCP: _cell(plain, _each(plain, "reach.tcp.", services), _gives),
        Check.DNS_PODS: _cell(plain, labelled, _gives),
        Check.OUTSIDE: _cell(control, _each(control, "ext.", outside), _says_something),
        Check.UPSTREAM: _cell(default, _each(default, "up.udp.", upstream), ground.good_upstream),
        Check.HOST: _cell(host, _each(host, "reach.udp.", services), _gives)
        if host
        else Cell(mark=Mark.NOT_ASKED),
    }
    return SweptNode(
        name=name,
        cells=cells,
        pods=pods,
        gaps=tuple(dict.fromkeys(gaps)),
    )


def _servers(read: Iterable[Summary], probe: str, but: Iterable[str]) -> dict[str, None]:
    """The addresses that were asked by that probe, but for some."""
    found = (id.removeprefix(probe) for each in read for id in each.told if id.startswith(probe))
    return dict.fromkeys(ip for ip in found if ip not in but)


def _told(read: Iterable[Summary], id: str) -> list[Told]:
    return [told for each in read for told in each.told.get(id, ())]


def _each(read: Sequence[Summary], probe: str, servers: Iterable[str]) -> dict[str, list[Told]]:
    return {ip: _told(read, f"{probe}{ip}") for ip in servers}


# Answers


def _gives(told: Told) -> bool:
    return told.has_records


def _says_something(told: Told) -> bool:
    return told.status in (Status.NOERROR, Status.NXDOMAIN)


def _speaks(told: Told) -> bool:
    return told.status.is_answer


def _mark(told: Sequence[Told], good: Callable[[Told], bool]) -> Mark:
    """Of one server. What was skipped, as the server answered nothing else, tells nothing new."""
    ran = [each for each in told if each.status not in (Status.NOT_RUN, Status.GARBLED)]
    if not ran:
        garbled = any(each.status is Status.GARBLED for each in told)
        return Mark.UNKNOWN if garbled else Mark.NOT_ASKED
    bad = [each for each in ran if not good(each)]
    chance = len(bad) == 1 and bad[0].status.is_silence and len(ran) >= _MANY
    if not bad or chance:
        return Mark.OK
    return Mark.BAD if len(bad) == len(ran) else Mark.PART


def _together(marks: Iterable[Mark]) -> Mark:
    """Of several: one that is ill among others makes a part."""
    found = {mark for mark in marks if mark is not Mark.NOT_ASKED}
    if any(mark.is_ill for mark in found):
        return Mark.BAD if found == {Mark.BAD} else Mark.PART
    return next((mark for mark in (Mark.UNKNOWN, Mark.OK) if mark in found), Mark.NOT_ASKED)


def _cell(
    read: Sequence[Summary], told: Mapping[str, Sequence[Told]], good: Callable[[Told], bool]
) -> Cell:
    """Of all servers of a check, by what they are called."""
    marks = {server: _mark(each, good) for server, each in told.items()}
    mark = _together(marks.values())
    if not read or (mark is Mark.NOT_ASKED and not all(each.whole for each in read)):
        return Cell(mark=Mark.UNKNOWN)
    ill = [server for server, mark in marks.items() if mark.is_ill]
    said = [f"{server} {_loss(told[server], good)}" for server in ill[:_MOST_SAID]]
    more = [f"{len(ill) - _MOST_SAID} more"] if len(ill) > _MOST_SAID else []
    times = [each.ms for tokens in told.values() for each in tokens if each.ms is not None]
    return Cell(mark=mark, why=", ".join(said + more), ms=max(times, default=None))


def _loss(told: Sequence[Told], good: Callable[[Told], bool]) -> str:
    """Such as `3 of 10 timeout`."""
    ran = [each for each in told if each.status not in (Status.NOT_RUN, Status.GARBLED)]
    kinds = Counter(
        "no records" if each.status is Status.NOERROR else each.status.value
        for each in ran
        if not good(each)
    )
    kind, count = max(kinds.items(), key=lambda each: (each[1], each[0]))
    return f"{count} of {len(ran)} {kind}"


# Files


def _conf(
    seen: Observed, ground: _Ground, control: Sequence[Summary], default: Sequence[Summary]
) -> Cell:
    """Whether a ClusterFirst pod was given what leads to the cluster's names.

    Kubelet's own additions aside: an option or a suffix more is somebody's wish.
    """
    if not control or (not control[0].conf.nameservers and not control[0].whole):
        return Cell(mark=Mark.UNKNOWN)
    has = control[0].conf
    domain = ground.domain or symptoms.cluster_domain(has)
    if not domain:
        return Cell(mark=Mark.UNKNOWN)
    good = [ip for ip in has.nameservers if ip in seen.cluster_ips or seen.is_node_cache(ip)]
    should = resolvconf.expected(
        dns_policy="ClusterFirst",
        host_network=False,
        namespace=seen.evidence.request.home,
        cluster_dns=good or seen.cluster_ips[:1] or has.nameservers,
        cluster_domain=domain,
        host=resolvconf.read_as_kubelet(default[0].conf.text) if default else None,
        dns_config=None,
    )
    wrong = [each for each in resolvconf.compare(has, should, None) if _misleads(each, domain)]
    said = [_differs(each) for each in wrong[:_MOST_SAID]]
    return Cell(mark=Mark.BAD if wrong else Mark.OK, why=", ".join(said))


def _misleads(each: Difference, domain: str) -> bool:
    if each.kind is Kind.SEARCH:
        return not each.in_pod and f".{each.value}".endswith(f".{domain}")
    return each.kind is Kind.NAMESERVER and not (each.in_pod and each.in_expected)


def _differs(each: Difference) -> str:
    what = f"{each.kind.value} {each.value}"
    return f"{what} is wrong" if each.in_pod else f"no {what}"
