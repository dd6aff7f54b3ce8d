"""The cloud's resolver drops what comes too fast from one machine: upstream time-outs in bursts.

A provider answers so many questions a second of each network interface, 1024 packets in AWS.
DNS pods that share few nodes reach that first. Between the bursts all is well.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from kubectl_dnsdebug.model import Confidence, Missing, Scope, Severity, Subject
from kubectl_dnsdebug.observe import logs, outside, symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule

# Addresses at which providers offer their resolver to every machine.
_RESOLVERS = {
    "169.254.169.253": "AWS",
    "fd00:ec2::253": "AWS",
    "168.63.129.16": "Azure",
    "169.254.169.254": "Google Cloud",
    "100.100.2.136": "Alibaba Cloud",
    "100.100.2.138": "Alibaba Cloud",
}
_BURST = 10  # time-outs of late: fewer may be single lost packets
_NAMES = 3  # different ones: otherwise it is one zone's servers that are slow
_VPC_SECOND = re.compile(r"\d+\.\d+\.\d+\.2")  # in AWS the resolver has the network's address + 2


@rule(
    "cloud-resolver-rate-limit",
    scope=Scope.CLUSTER,
    severity=Severity.WARNING,
    message="DNS pods got no answer from {upstream}, the resolver of {cloud}, {count} times "
    "{when} and for {names} different names ({share}), yet it answers now: it limits what one "
    "machine may ask.",
    remedy="Ask it less from each machine: spread the DNS pods over more nodes, cache longer or on "
    "each node (NodeLocal DNSCache), and lower ndots of pods that ask for outside names.",
    verify="ethtool -S eth0 | grep linklocal_allowance_exceeded   # in AWS, on the nodes of DNS "
    "pods",
    silent_when="names outside fail now, the upstream is no cloud's resolver, or the log has few "
    "time-outs or of few names.",
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    if outside.failed(seen):
        return  # outside names fail now: that is no burst
    errors = [e for e in logs.upstream_errors(seen) if "timeout" in e.why]
    for upstream, count in Counter(e.upstream for e in errors).most_common():
        of_it = [e for e in errors if e.upstream == upstream]
        cloud = _cloud(seen, upstream)
        several = len({e.name for e in of_it})
        if not cloud or count < _BURST or several < _NAMES:
            continue
        said = tuple((e.id, e.line) for e in of_it)
        pods = dict.fromkeys(e.id for e in of_it)
        proof = [a for a in outside.through_service(seen) if symptoms.says_something(a)]
        yield Found(
            evidence=(*pods, *(a.id for a in proof[:2])),
            args={
                "upstream": upstream,
                "cloud": cloud,
                "count": count,
                "names": several,
                "when": logs.when(seen, said),
                "share": f"{len(pods)} of the DNS pods say so" if len(pods) > 1 else "one DNS pod",
            },
            confidence=Confidence.LIKELY,
            settles="the provider's counters of dropped packets on the nodes of DNS pods",
            severity=None if logs.goes_on(seen, said) else Severity.INFO,
        )
        return


def _cloud(seen: Observed, upstream: str) -> str:
    """Whose resolver it is; empty when it is nobody's that is known."""
    if upstream in _RESOLVERS or not _VPC_SECOND.fullmatch(upstream):
        return _RESOLVERS.get(upstream, "")
    for node in dict.fromkeys(v.node for v in seen.evidence.vantages if v.node):
        try:
            if "-eks-" in seen.node(node).kubelet:
                return "AWS"
        except Missing:
            continue
    return ""
