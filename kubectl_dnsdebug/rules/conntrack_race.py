"""One of two questions from one socket is lost: the lookup waits for seconds, then works.

Programs ask for A and AAAA at once, from one source port. Two packets that make the same new NAT
entry race, and the kernel drops the one that comes second. dig, which sends one, never sees it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kubectl_dnsdebug.model import (
    Answer,
    Confidence,
    Missing,
    Scope,
    Severity,
    Status,
    Subject,
    Vantage,
)
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.intermittent import stalls
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.observe.watched import watched
from kubectl_dnsdebug.reason.rule import Found, rule

_QUICK = 2000.0  # ms for all questions of a look-up: what dig got so, getent does not wait 4 s for


@rule(
    "conntrack-race",
    scope=Scope.POD,
    severity=Severity.WARNING,
    message="{pod}: getent {waited}, though {server} gave dig the same A and AAAA at once, {asked} "
    "of {asked} times: one of two questions sent together is lost, as when they race for one NAT "
    "entry on {node}.{proof}",
    remedy="Run NodeLocal DNSCache (no NAT on the way) or a kernel of 5.9 or newer on {node}; for "
    "glibc images `single-request-reopen` or `use-vc` in dnsConfig helps at once.",
    verify="conntrack -S | grep -o 'insert_failed=[0-9]*'   # on {node}, twice: does it rise?",
    silent_when="no lookup through libc had to wait, single questions are slow or lost too, no "
    "NAT is on the way, or the node never lost an entry to another.",
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    own = seen.own(subject)
    waiting = [*_waiting(seen, own)]
    if not waiting:
        return
    server = next(iter(seen.conf(own).nameservers), "")
    if server not in symptoms.service_addresses(seen) or seen.is_node_cache(server):
        return  # no NAT on the way
    reach = seen.reach(own, server)
    if not reach.fine:
        return
    walked = seen.ask(own, probe="walk.")
    for suffix in symptoms.inherited(seen.conf(own)):
        if walked and not any(a.name.endswith(f".{suffix}.") for a in walked):
            raise Missing(f"no name under {suffix}, which it may wait for, was asked at {own.id}")
    asked = seen.ask(own, server=server)
    if not all(map(symptoms.says_something, asked)):
        return  # single questions are lost, too
    id, total, rise = _insert_failed(seen, own.node)
    if id and total == 0:
        return  # no entry was ever lost to another
    pairs = {late: _pair(seen, own, server, name) for late, name, _ in waiting}
    told = [
        (late, waited)
        for late, name, waited in waiting
        if pairs[late] and _takes(asked, name) < _QUICK
    ]
    if not told:
        return
    yield Found(
        evidence=(
            *(id for late, _ in told for id in (late, *(a.id for a in pairs[late]))),
            *symptoms.ids(reach, most=1),
            *([id] if id else []),
        ),
        args={
            "pod": subject.name,
            "waited": told[0][1],
            "server": server,
            "asked": len(asked),
            "node": own.node,
            "proof": f" There insert_failed rose by {rise} within two seconds." if rise else "",
        },
        confidence=Confidence.CERTAIN if rise else Confidence.LIKELY,
        settles=""
        if rise
        else "whether insert_failed of `conntrack -S` rises on the node while it happens"
        if id
        else "insert_failed of `conntrack -S` on the node (--deep)",
    )


def _waiting(seen: Observed, own: Vantage) -> Iterator[tuple[str, str, str]]:
    """Look-ups by getent that took too long: evidence id, name, and how long they took."""
    for late in seen.ask(own, tool="getent", probe="libc."):
        if late.status is Status.TIMEOUT:
            name = late.name.rstrip(".")
            yield late.id, late.name, f"was still waiting for {name} after 4 s"
    watch = watched(seen)
    for series, _ in stalls(watch) if watch else ():
        name = series.name.rstrip(".")
        often = f"{series.slow} of {series.asked} times"
        yield series.id, series.name, f"waited for seconds for {name}, {often}"


def _insert_failed(seen: Observed, node: str) -> tuple[str, int, int]:
    """Evidence id, how many entries the node lost since it started, and how many while we asked.

    Together with a pair of which one is lost and single questions that never are, a rise proves
    the race: nothing else that drops packets counts there. No id: the node was not looked at.
    """
    try:
        host = seen.host(node)
        counters = host.counters
    except Missing:
        return "", 0, 0
    total = counters.total("insert_failed")
    if total is None:
        return "", 0, 0
    return host.id("counters"), total, counters.rise("insert_failed")


def _takes(asked: Iterable[Answer], name: str) -> float:
    """Milliseconds for all questions of a look-up, one after the other, at their slowest: the name
    itself and with each search suffix."""
    slowest: dict[tuple[str, str], float] = {}
    for each in asked:
        if each.name.startswith(name.rstrip(".") + "."):
            key = each.name, each.type
            slowest[key] = max(slowest.get(key, 0.0), each.ms or 0.0)
    return sum(slowest.values())


def _pair(seen: Observed, own: Vantage, server: str, name: str) -> tuple[Answer, ...]:
    """What dig was told of A and AAAA; none unless it asked for both."""
    found = [seen.ask(own, server=server, name=name, type=type)[:1] for type in ("A", "AAAA")]
    return found[0] + found[1] if all(found) else ()
