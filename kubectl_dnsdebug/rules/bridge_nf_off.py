"""Replies of a DNS pod on the client's node skip the NAT that gives the Service's address back."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug import symptoms
from kubectl_dnsdebug.model import Confidence, Scope, Severity, Subject
from kubectl_dnsdebug.observe import Observed
from kubectl_dnsdebug.rule import Found, rule


@rule(
    "bridge-nf-off",
    scope=Scope.NODE,
    severity=Severity.ERROR,
    message="{node}: questions to {server} are lost when they go to the DNS pod on the same node: "
    "{summary}, while each DNS pod answers when asked directly; bridged replies skip the NAT",
    remedy="On {node}: modprobe br_netfilter, set net.bridge.bridge-nf-call-iptables=1, make both "
    "last (modules-load.d, sysctl.d), and find what reset them.",
    verify="sysctl net.bridge.bridge-nf-call-iptables   # on {node}; must print 1",
    explains=("tcp-fallback-broken",),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    control = seen.control(subject)
    for service in symptoms.service_reach(seen, control):
        reach = symptoms.node_reach(seen, subject, service.server)
        if not reach.silent or reach.saw(*symptoms.INSTANT):
            continue
        direct = symptoms.replicas(seen, control)
        if not direct.local or not direct.all_fine:
            continue
        if direct.remote and reach.dead:
            continue  # replies from elsewhere pass the NAT: then the loss is partial
        if not direct.remote and not symptoms.other_service_works(seen, control):
            continue  # no ClusterIP works at all: kube-proxy
        yield Found(
            evidence=(*symptoms.ids(reach), *(symptoms.ids(r)[0] for _, r in direct.all)),
            args={"node": subject.name, "server": reach.server, "summary": reach.summary},
            confidence=Confidence.LIKELY,
            settles="the sysctl on the node (--deep)",
        )
