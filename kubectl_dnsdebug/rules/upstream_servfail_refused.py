"""The upstream itself answers SERVFAIL or REFUSED, and cluster DNS passes that on without a word.

A broken delegation, recursion that is denied to this source, DNSSEC that does not validate
(clock!).
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Missing, Role, Scope, Severity, Status, Subject
from kubectl_dnsdebug.observe import names, outside, symptoms
from kubectl_dnsdebug.observe.observed import TARGETS, Observed
from kubectl_dnsdebug.reason.rule import Found, rule

_BAD = (Status.SERVFAIL, Status.REFUSED)


@rule(
    "upstream-servfail-refused",
    scope=Scope.CLUSTER,
    severity=Severity.ERROR,
    message="{upstream} itself answers {rcode} for {name}, and cluster DNS passes it on.",
    remedy="Have the owner of {upstream} repair {name} (delegation, DNSSEC, recursion allowed for "
    "the cluster's addresses), or forward to other servers.",
    verify="dig @{upstream} {name}; dig @{upstream} +cd {name}   # works only with +cd: DNSSEC",
    silent_when="names outside resolve or do not exist, each upstream answers otherwise when asked "
    "directly, or it keeps silent.",
    explains=("coredns-replica-divergence",),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    failed = [a for a in outside.failed(seen) if a.status in _BAD]
    for answer in failed:
        for vantage in seen.evidence.vantages:
            if vantage.role is not Role.DEFAULT and vantage.role not in TARGETS:
                continue
            asked = outside.of_its_upstreams(
                seen, vantage, seen.ask(vantage, probe="up", name=answer.name)
            )
            same = [a for a in asked if a.status is answer.status]
            well = {a.server for a in asked if a.type == "A" and symptoms.says_something(a)}
            if well and outside.route(seen, vantage, answer.name) is None:
                continue  # whether one of those is asked at all is not known
            same = [a for a in same if a.server not in well]
            if same:
                yield Found(
                    evidence=(answer.id, *(a.id for a in same[:3])),
                    args={
                        "upstream": same[0].server,
                        "rcode": answer.status.value.upper(),
                        "name": answer.name,
                    },
                    severity=Severity.WARNING if _weak(seen, answer.name) else None,
                )
                return
    if failed:
        for each in seen.looked_from:
            seen.default(each)  # raises Missing: it would have asked the upstreams


def _weak(seen: Observed, name: str) -> bool:
    """Whether the name was only found in an image reference: nobody may ever resolve it."""
    try:
        picked = [names.pick(seen, seen.client(subject)) for subject in seen.looked_from]
    except Missing:
        return False
    return any(
        names.registry_is_weak(each) and each.external.rstrip(".") + "." == name for each in picked
    )
