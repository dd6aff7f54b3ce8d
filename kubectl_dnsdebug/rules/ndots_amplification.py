"""Many suffixes tried before each name outside the cluster: nothing fails, all of it costs."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Scope, Severity, Subject
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule

_MANY = 12  # queries for one name; the three cluster suffixes alone make 8


@rule(
    "ndots-amplification",
    scope=Scope.POD,
    severity=Severity.INFO,
    message="{pod}: every name with fewer than {ndots} dots costs up to {queries} queries, A and "
    "AAAA for {suffixes} search suffixes and for the name itself.",
    remedy="End names outside the cluster with a dot, remove suffixes that nobody uses from the "
    "host's file, or set ndots to 2 in dnsConfig (then musl images need names of Services with at "
    "most one dot, or in full).",
    verify="kubectl exec -n {namespace} {name} -- grep -e search -e ndots /etc/resolv.conf",
    silent_when="ndots is less than 3, or a name outside costs few questions.",
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    own = seen.own(subject)
    conf = seen.conf(own)
    queries = 2 * (len(conf.search) + 1)
    if conf.ndots < 3 or queries < _MANY:
        return
    yield Found(
        evidence=(seen.conf_id(own),),
        args={
            "pod": subject,
            "namespace": subject.namespace,
            "name": subject.name,
            "ndots": conf.ndots,
            "queries": queries,
            "suffixes": len(conf.search),
        },
    )
