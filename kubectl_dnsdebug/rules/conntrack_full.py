"""New connections of a node are lost at random, to whatever server: its conntrack table is full.

What has an entry goes on; what needs a new one is dropped. DNS suffers first, since each question
is a connection of its own, but everything else on the node does too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from kubectl_dnsdebug.model import (
    Answer,
    Confidence,
    Missing,
    Role,
    Scope,
    Severity,
    Subject,
    Transport,
    Vantage,
)
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.objects import at
from kubectl_dnsdebug.observe.observed import TARGETS, Observed
from kubectl_dnsdebug.reason.rule import Found, rule

_SERVERS = 3  # that must lose questions: what they share is the node, not the servers
_FULL, _ROOM = 0.95, 0.8  # of the table: full, or not so a moment ago either
_OFTEN = 4  # questions to one server that chance does not lose all


@rule(
    "conntrack-full",
    scope=Scope.NODE,
    severity=Severity.ERROR,
    message="On {node} questions to every server are lost{how} ({summary} over UDP and TCP)"
    "{elsewhere}: new connections are dropped, as when the conntrack table is full.{said}",
    remedy="Find what fills the table of {node} (conntrack -L), raise nf_conntrack_max (conntrack "
    "settings of kube-proxy), or keep DNS out of it with NodeLocal DNSCache.",
    verify="sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max; dmesg | grep "
    "'table full'   # on {node}",
    silent_when="the DNS Service answers every question, the table has room, a server never "
    "answers or only one transport loses questions, or questions between other nodes are lost as "
    "well; without a word of the node it is unknown, for a bad link does the same.",
    explains=(
        "aaaa-delay",
        "bridge-nf-off",
        "cni-down-on-node",
        "conntrack-race",
        "conntrack-stale-udp",
        "coredns-api-unreachable",
        "coredns-replica-divergence",
        "kube-proxy-rules-missing",
        "netpol-egress",
        "overlay-broken",
        "tcp-fallback-broken",
        "upstream-timeout",
    ),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    place = symptoms.place(seen, subject)
    services = symptoms.service_reach(seen, place)
    if symptoms.is_only_witness(seen, subject):
        return
    asked = _asked(seen, subject)
    table = _table(seen, subject)
    if table and table.drops and any(a.status.is_silence for a in asked):
        # Whoever comes when a flow has just ended gets through: one pod's luck is no excuse.
        yield _proven(subject, table, asked)
        return
    if all(reach.fine for reach in services):
        return
    if table and table.count < _ROOM * table.most:
        return  # the table has room
    servers = {a.server for a in asked if a.status.is_silence}
    lossy = servers & {a.server for a in asked if a.status.is_answer}
    kinds = {a.transport for a in asked if a.status.is_silence}
    if len(lossy) < _SERVERS or kinds != set(Transport) or _dead(asked):
        return  # a server that never answers, or one transport: not chance
    others = _elsewhere(seen, subject)
    if not others:
        raise Missing(f"no other node than {subject.name} asked DNS pods directly")
    if not all(a.status.is_answer for a in others):
        return  # the servers' own doing
    said = _condition(seen, subject)
    if not table and not said:
        raise Missing(
            f"a bad link of {subject.name} loses packets at random as well as a full conntrack "
            "table, and the node was not looked at (--deep)"
        )
    yield Found(
        evidence=(
            *(a.id for a in asked if a.status.is_silence),
            *(a.id for a in others[:1]),
            *((table.id,) if table else ()),
            *((f"node/{subject.name}",) if said else ()),
        ),
        args={
            "node": subject.name,
            "summary": f"{sum(a.status.is_silence for a in asked)} of {len(asked)}",
            "how": " at random",
            "elsewhere": f", while {len(others)} between other nodes are all answered",
            "said": f" The node says so: {said}." if said else "",
        },
        confidence=Confidence.CERTAIN if said else Confidence.LIKELY,
        settles="" if said else "the kernel's log and conntrack counters of the node",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """The node's table of flows. `drops` says by what it drops new ones now; empty: it does not."""

    id: str
    count: int
    most: int
    drops: str
    proof: tuple[str, ...]


def _table(seen: Observed, subject: Subject) -> _Table | None:
    """None where the node was not looked at.

    A full table that makes room again is no fault. One that drops says so: in the counter, while
    questions were lost, or in the kernel's log of the last two minutes.
    """
    try:
        host = seen.host(subject.name)
        count, most = (
            int(host.settings.setting(f"net.netfilter.nf_conntrack_{what}") or "")
            for what in ("count", "max")
        )
    except (Missing, ValueError):
        return None
    drops, proof = [], []
    if count >= _FULL * most:
        with suppress(Missing):
            if rise := host.counters.rise("drop"):
                drops.append(f"its drop counter rose by {rise} within two seconds")
                proof.append(host.id("counters"))
        with suppress(Missing):
            if line := host.log.table_full:
                drops.append(f"its kernel's log says {line!r}")
                proof.append(host.id("log"))
    return _Table(
        id=host.id("sysctl"), count=count, most=most, drops=", ".join(drops), proof=tuple(proof)
    )


def _proven(subject: Subject, table: _Table, asked: list[Answer]) -> Found:
    lost = [a for a in asked if a.status.is_silence]
    return Found(
        evidence=(table.id, *table.proof, *(a.id for a in lost)),
        args={
            "node": subject.name,
            "summary": f"{len(lost)} of {len(asked)}",
            "how": "",
            "elsewhere": "",
            "said": f" nf_conntrack_count is {table.count} of nf_conntrack_max {table.most}, and "
            f"{table.drops}.",
        },
    )


def _asked(seen: Observed, subject: Subject) -> list[Answer]:
    """Every question of the node's pods to a server about what it must know, or to an upstream."""
    here = {v.id for v in _places(seen) if v.node == subject.name}
    return [
        a
        for a in seen.answers
        if a.vantage in here and a.id.split("#", 1)[1].startswith(("reach.", "up."))
    ]


def _dead(asked: list[Answer]) -> bool:
    """Whether a server was silent too often for chance."""
    often = Counter(a.server for a in asked)
    answering = {a.server for a in asked if a.status.is_answer}
    return any(count > _OFTEN and server not in answering for server, count in often.items())


def _elsewhere(seen: Observed, subject: Subject) -> list[Answer]:
    """What pods of other nodes got of DNS pods of other nodes: that way does not touch this one."""
    away = {v.id for v in _places(seen) if v.node != subject.name}
    servers = {e.ip for e in seen.dns_endpoints if e.ready and e.node != subject.name}
    return [
        a
        for a in seen.answers
        if a.vantage in away and a.server in servers and a.id.split("#", 1)[1].startswith("reach.")
    ]


def _places(seen: Observed) -> Iterator[Vantage]:
    """Pods of the pod network: what is lost on the way to them is lost to all of their node."""
    roles = (*TARGETS, Role.CONTROL, Role.DEFAULT)
    yield from (v for v in seen.evidence.vantages if v.role in roles and not v.failure)


def _condition(seen: Observed, subject: Subject) -> str:
    """What the node problem detector says of the table, where there is one."""
    try:
        fact = seen.fact(f"node/{subject.name}")
    except Missing:
        return ""
    for each in at(fact.data, "status", "conditions", default=()) if fact else ():
        words = f"{each.get('type', '')} {each.get('reason', '')}"
        if each.get("status") == "True" and "conntrack" in words.lower():
            return words.strip()
    return ""
