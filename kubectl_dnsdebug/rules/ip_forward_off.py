"""A node that passes on no packets: its pods reach each other, and nothing beyond the node.

Something set net.ipv4.ip_forward to 0, often a hardening script that ran after the network plugin
had turned it on. What the node itself sends and receives goes on.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Confidence, Missing, Scope, Severity, Subject
from kubectl_dnsdebug.observe import forwarding, symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "ip-forward-off",
    scope=Scope.NODE,
    severity=Severity.ERROR,
    message="{node} passes on no packets of its pods{proof}. They get no answer from {lost} "
    "({summary}) nor through any Service{here}.",
    remedy="On {node}: set {setting}=1, make it last in sysctl.d, and find what sets it to 0 "
    "(hardening scripts, a second sysctl file).",
    verify="sysctl {setting}   # on {node}; must print 1",
    silent_when="anything comes back from another node, servers outside answer the node's pods, "
    "or the node says that it forwards.",
    explains=(
        "coredns-api-unreachable",
        "kube-proxy-rules-missing",
        "overlay-broken",
        "upstream-timeout",
    ),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    place = symptoms.place(seen, subject)
    reaches = (
        *symptoms.service_reach(seen, place),
        *(reach for _, reach in symptoms.replicas_seen(seen, place)),
    )
    if all(reach.fine for reach in reaches) or symptoms.is_only_witness(seen, subject):
        return
    direct = symptoms.replicas(seen, place)
    lost = [(e, r) for e, r in direct.remote if r.dead and not r.saw(*symptoms.INSTANT)]
    if len(lost) < max(1, len(direct.remote)):
        return  # something came back from another node
    forwards = forwarding.forwards(seen, subject)
    if forwards:
        return
    sealed = forwarding.nothing_leaves(seen, subject)
    local = [r for _, r in direct.local if r.fine]
    if forwards is None and not sealed:
        return  # servers outside answer its pods
    # Packets between two pods of one bridge need no forwarding, unless NAT changed their way: an
    # overlay that is broken leaves that way open, rules that are missing leave the others.
    signature = local and not any(r.answered for r in symptoms.service_reach(seen, place))
    if forwards is None and not signature:
        raise Missing(f"{forwarding.FORWARD} of {subject.name} was not read (--deep)")
    proof = () if forwards is None else (seen.host(subject.name).id("sysctl"),)
    yield Found(
        evidence=(
            *proof,
            *(id for _, r in lost for id in symptoms.ids(r)),
            *(r.ids[0] for r in local),
            *(r.ids[0] for r in symptoms.service_reach(seen, place)),
        ),
        args={
            "node": subject.name,
            "setting": forwarding.FORWARD,
            "proof": f": {forwarding.FORWARD} is 0 there" if proof else "",
            "lost": ", ".join(f"{e.pod or e.ip} on {e.node}" for e, _ in lost),
            "summary": lost[0][1].summary,
            "here": ", while the DNS pod of the node itself answers" if local else "",
        },
        confidence=Confidence.CERTAIN if proof else Confidence.LIKELY,
        settles="" if proof else f"{forwarding.FORWARD} of the node (--deep)",
    )
