"""Replies of a DNS pod on the client's own node skip the NAT that would restore their address.

Bridged packets pass iptables only while br_netfilter is loaded and its sysctl is on. Without that,
a lookup fails when the Service picks the DNS pod on the same node, and works when it picks another.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Confidence, Missing, Scope, Severity, Subject, Transport
from kubectl_dnsdebug.observe import contrast, symptoms
from kubectl_dnsdebug.observe.host import BRIDGE_NF, BRIDGE_NF6
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "bridge-nf-off",
    scope=Scope.NODE,
    severity=Severity.ERROR,
    message="On {node} questions to {server} are lost when they go to the DNS pod on the same "
    "node: {summary}, while each DNS pod answers when asked directly. Bridged replies skip the "
    "NAT.{proof}",
    remedy="On {node}: modprobe br_netfilter, set net.bridge.bridge-nf-call-iptables=1, make both "
    "last (modules-load.d, sysctl.d), and find what reset them.",
    verify="sysctl net.bridge.bridge-nf-call-iptables   # on {node}; must print 1",
    silent_when="questions to the Service are refused, a DNS pod asked directly fails too, none "
    "is on the client's node, or the sysctl is seen to be on; when all is lost though DNS pods "
    "are elsewhere. So few losses that a bad network explains them leave it unknown, and so do "
    "lost questions of the node itself.",
    explains=("tcp-fallback-broken",),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    place = symptoms.place(seen, subject)
    if symptoms.is_only_witness(seen, subject):
        return
    for service in symptoms.service_reach(seen, place):
        reach, over_tcp = (contrast.asked(seen, place, service.server, each) for each in Transport)
        # Both transports lose alike, so both count: of few questions chance may spare nearly all.
        lossy = reach.silent and symptoms.lossy(reach, over_tcp)
        if not lossy or reach.saw(*symptoms.INSTANT):
            continue
        direct = symptoms.replicas(seen, place)
        if not direct.local or not direct.all_fine:
            continue
        if direct.remote and reach.dead:
            continue  # with replicas elsewhere the loss is partial: those replies pass the NAT
        if not direct.remote and not symptoms.other_service_works(seen, place):
            continue  # no ClusterIP works at all: kube-proxy
        sysctl, value = _sysctl(seen, subject, reach.server)
        if value is None:
            continue  # the node says otherwise
        if not sysctl and contrast.own_way_loses(seen, subject.name, reach.server):
            raise Missing(
                f"questions of {subject.name} itself, which cross no bridge, are lost as well: "
                "bridged replies alone do not explain it"
            )
        if not sysctl:
            homes = [each.node == subject.name for each in seen.dns_endpoints if each.ready]
            share = sum(homes) / len(homes)
            contrast.only_by_service(seen, subject, reach.server, own_way=True, share=share)
        yield Found(
            evidence=(
                *sysctl,
                *symptoms.ids(*(each for each in (reach, over_tcp) if each.silent)),
                *(symptoms.ids(r)[0] for _, r in direct.all),
            ),
            args={
                "node": subject.name,
                "server": reach.server,
                "summary": reach.summary,
                "proof": value,
            },
            confidence=Confidence.CERTAIN if sysctl else Confidence.LIKELY,
            settles="" if sysctl else "the sysctl on the node (--deep)",
        )


def _sysctl(seen: Observed, subject: Subject, server: str) -> tuple[tuple[str, ...], str | None]:
    """The evidence of the node's own setting, and what it is in words; None: it is not the cause.

    No evidence where the node was not looked at.
    """
    host = seen.host_or_none(subject.name)
    if host is None:
        return (), ""
    name = BRIDGE_NF6 if ":" in server else BRIDGE_NF
    try:
        settings = host.settings
        value = settings.setting(name)
    except Missing:
        return (), ""
    if value == "1" or not settings.bridges:
        return (), None
    says = f" There {name} is 0." if value else f" {name} is not there: br_netfilter is not loaded."
    return (host.id("sysctl"),), says
