"""One source port of this pod leads nowhere, all others work: an old NAT entry keeps it so.

The node remembers where a UDP flow goes as long as packets come. A client that keeps one source
port renews an entry that was made while the DNS Service had no rule, or that still names a DNS pod
that is gone. Lookups by hand use a new port each and are fine.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Confidence, Scope, Severity, Subject
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.observed import Observed, Reach
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "conntrack-stale-udp",
    scope=Scope.POD,
    severity=Severity.ERROR,
    message="Questions of {pod} to {server} from source port {port} are lost, again and again, "
    "while "
    "all from fresh ports are answered ({summary}): the node's NAT entry for that flow is stale.",
    remedy="Delete the entries of that flow on {node} (conntrack -D -p udp --orig-dst {server} "
    "--sport {port}), let clients use random source ports, and stop needless restarts of DNS pods.",
    verify="conntrack -L -p udp --orig-dst {server}   # on {node}; a reply src must be a DNS pod",
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    place = seen.own(subject)
    for fresh in symptoms.service_reach(seen, place):
        bound = seen.ask(place, server=fresh.server, probe="fixed")
        flow = Reach(fresh.server, fresh.transport, bound)
        if fresh.fine and flow.dead and symptoms.lossy(flow):
            yield Found(
                evidence=(*symptoms.ids(flow), *symptoms.ids(fresh)),
                args={
                    "pod": subject.name,
                    "node": place.node,
                    "server": fresh.server,
                    "port": bound[0].source_port,
                    "summary": fresh.summary,
                },
                confidence=Confidence.LIKELY,
                settles="the conntrack table of the node (--deep)",
            )
