"""One source port of this pod leads nowhere, all others work: an old NAT entry keeps it so.

The node remembers where a UDP flow goes as long as packets come. A client that keeps one source
port renews an entry that was made while the DNS Service had no rule, or that still names a DNS pod
that is gone. Lookups by hand use a new port each and are fine.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Confidence, Missing, Scope, Severity, Subject
from kubectl_dnsdebug.observe import contrast, symptoms
from kubectl_dnsdebug.observe.astray import astray
from kubectl_dnsdebug.observe.host import HostView, host_if_asked
from kubectl_dnsdebug.observe.intermittent import StuckFlow, stuck_flows
from kubectl_dnsdebug.observe.objects import at
from kubectl_dnsdebug.observe.observed import Observed, Reach
from kubectl_dnsdebug.observe.watched import watched
from kubectl_dnsdebug.parse.host import Flow
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "conntrack-stale-udp",
    scope=Scope.POD,
    severity=Severity.ERROR,
    message="Questions of {pod} to {server} from source port {port} are lost, again and again, "
    "while all from fresh ports are answered ({summary}): the node's NAT entry for that flow is "
    "stale.{proof}",
    remedy="Delete the entries of that flow on {node} (conntrack -D -p udp --orig-dst {server} "
    "--sport {port}), let clients use random source ports, and stop needless restarts of DNS pods.",
    verify="conntrack -L -p udp --orig-dst {server}   # on {node}; a reply src must be a DNS pod",
    silent_when="a question from the fixed port is answered, or those from new ports are lost "
    "too; with --deep, when the table has no entry that leads nowhere.",
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    watch = watched(seen)
    stuck = [*stuck_flows(watch)] if watch else []
    told: set[tuple[object, object]] = set()
    gap: Missing | None = None
    try:
        for found in _asked(seen, subject):
            told.add((found.args["server"], found.args["port"]))
            yield found
    except Missing as missing:
        gap = missing
    for flow in stuck:
        if (flow.fixed.server, flow.fixed.source_port) not in told:
            yield _seen_over_time(subject, seen.target(subject).node, flow)
    if gap:
        raise gap


def _asked(seen: Observed, subject: Subject) -> Iterator[Found]:
    """What the questions of the diagnosis show, or the table of the node."""
    place = seen.own(subject)
    unread: Missing | None = None
    for fresh in symptoms.service_reach(seen, place):
        node = entries = None
        try:
            node = host_if_asked(seen.evidence, place.node)
            if node and fresh.fine:
                entries = astray(seen, subject, node.flows, fresh.server)
        except Missing as gap:
            unread = gap
        if node and entries is not None:
            # The table itself: which flows, of whatever port. What it does not have is not there.
            yield from (_proven(seen, node, subject, fresh, each) for each in entries)
            continue
        bound = seen.ask(place, server=fresh.server, probe="fixed")
        flow = Reach(fresh.server, fresh.transport, bound)
        if flow.dead and symptoms.lossy(flow) and contrast.loses_no_other(seen, place.node, fresh):
            yield Found(
                evidence=(*symptoms.ids(flow), *symptoms.ids(fresh)),
                args={
                    "pod": subject.name,
                    "node": place.node,
                    "server": fresh.server,
                    "port": bound[0].source_port,
                    "summary": fresh.summary,
                    "proof": "",
                },
                confidence=Confidence.LIKELY,
                settles="the conntrack table of the node (--deep)",
            )
    if unread:
        raise unread  # a flow of another port may be stuck


def _seen_over_time(subject: Subject, node: str, flow: StuckFlow) -> Found:
    """A flow that got stuck, or was so for a while, as a watch shows it."""
    return Found(
        evidence=(flow.fixed.id, flow.fresh.id),
        args={
            "pod": subject.name,
            "node": node,
            "server": flow.fixed.server,
            "port": flow.fixed.source_port,
            "summary": f"{flow.meanwhile} of {flow.meanwhile} meanwhile",
            "proof": f" It began {flow.since:.0f} s into the watch, "
            + ("and lasted." if flow.lasts else "and went by itself."),
        },
        confidence=Confidence.LIKELY,
        settles="the conntrack table of the node (--deep)",
        severity=None if flow.lasts else Severity.WARNING,
    )


def _proven(seen: Observed, host: HostView, subject: Subject, fresh: Reach, flow: Flow) -> Found:
    facts, restart = _restart(seen, subject)
    return Found(
        evidence=(host.id(f"flows.{fresh.server}"), *symptoms.ids(fresh), *facts),
        args={
            "pod": subject.name,
            "node": host.vantage.node,
            "server": fresh.server,
            "port": flow.port,
            "summary": fresh.summary,
            "proof": f" {flow.client} port {flow.port} awaits its answers from "
            f"{flow.answers_from}, "
            + ("untranslated." if flow.answers_from == fresh.server else "no DNS pod of now.")
            + restart,
        },
    )


def _restart(seen: Observed, subject: Subject) -> tuple[tuple[str, ...], str]:
    """The facts and the words for it, where every DNS pod of now is younger than the target: then
    the flow outlived those it was made for."""
    try:
        began = str(at(seen.target(subject).raw, "status", "startTime", default=""))
        facts = seen.facts("dns-pods/")
        starts = {pod.name: at(pod.raw, "status", "startTime") for pod in seen.dns_pods}
    except Missing:
        return (), ""
    # The API writes all of them alike, so that the order of the texts is that of time.
    if not began or not starts or not all(start and start > began for start in starts.values()):
        return (), ""
    names = " and ".join(f"{name} ({start})" for name, start in sorted(starts.items()))
    return (
        tuple(fact.id for fact in facts),
        f" DNS was restarted since {subject.name} started ({began}): {names}.",
    )
