"""The upstreams of cluster DNS give no answer: names outside the cluster do not resolve.

Cluster names are fast all the while. A firewall, a route, NAT for pods, a dead resolver, or a file
on the node that has changed since the DNS pods read it.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Answer, Confidence, Missing, Role, Scope, Severity, Subject
from kubectl_dnsdebug.observe import logs, outside, symptoms
from kubectl_dnsdebug.observe import names as naming
from kubectl_dnsdebug.observe.logs import UpstreamError
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "upstream-timeout",
    scope=Scope.CLUSTER,
    severity=Severity.ERROR,
    message="Cluster DNS gets no answer from its upstream {upstream}: {name} fails ({status}) "
    "while "
    "cluster names resolve. {proof}",
    remedy="Restore the way from DNS pods to {upstream} (firewall, route, NAT of pods), or forward "
    "to servers that answer; restart the DNS pods if the node's resolv.conf changed since.",
    verify="dig @{upstream} +tries=1 +time=2 {name}   # from a dnsPolicy Default pod, then from "
    "the node",
    silent_when="names outside resolve, only one DNS pod does not reach the upstream, or the "
    "upstream is the cluster's own Service.",
    explains=("forward-max-concurrent",),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    failed = outside.failed(seen)
    if not failed:
        return
    names = {a.name for a in failed}
    errors = [e for e in logs.upstream_errors(seen, within=logs.FRESH) if e.name in names]
    silent = _silent_upstreams(seen)
    if not errors and not silent:
        _read_logs(seen)
        return
    if not silent and not _all_fail(seen, errors):
        return  # a single DNS pod that does not reach it
    upstream = errors[-1].upstream if errors else silent[0].server
    if upstream in seen.cluster_ips:
        return  # it asks itself
    yield Found(
        evidence=(
            *(a.id for a in failed[:3]),
            *(a.id for a in silent[:2]),
            *(e.id for e in errors[-1:]),
        ),
        args={
            "upstream": upstream,
            "name": failed[0].name,
            "status": failed[0].status.value,
            "proof": _proof(errors, silent),
        },
        confidence=Confidence.CERTAIN if errors else Confidence.LIKELY,
        settles="" if errors else "the DNS pods' log",
        severity=Severity.WARNING if _only_a_registry(seen, names) else None,
    )


def _only_a_registry(seen: Observed, names: set[str]) -> bool:
    """Whether nothing but an image's registry is known to fail, which a cluster with a mirror never
    resolves: a resolver without a way to the Internet may be slow to say so, and sound for all
    that is asked of it."""
    others = any(each.name not in names for each in logs.upstream_errors(seen))
    return not others and all(
        naming.registry_is_weak(naming.pick(seen, seen.client(subject)))
        for subject in seen.looked_from
    )


def _silent_upstreams(seen: Observed) -> list[Answer]:
    """Upstreams of the cluster's DNS that a Default pod asked directly and in vain, each time."""
    found: list[Answer] = []
    for vantage in seen.evidence.vantages:
        if vantage.role is Role.DEFAULT and not vantage.failure:
            asked = outside.of_its_upstreams(seen, vantage, seen.ask(vantage, probe="up."))
            alive = {a.server for a in asked if a.status.is_answer}
            found += [a for a in asked if a.server not in alive and a.status.is_silence]
    return found


def _all_fail(seen: Observed, errors: list[UpstreamError]) -> bool:
    """Whether no DNS pod resolved the name. Raises Missing when one of them was not heard."""
    names = {e.name for e in errors}
    try:
        ready = [e for e in seen.dns_endpoints if e.ready]
    except Missing:
        ready = []
    direct = [a for a in outside.direct(seen) if a.name in names]
    for endpoint in ready:
        asked = any(a.server == endpoint.ip for a in direct)
        if not asked and not any(e.id.endswith(f"/{endpoint.pod}") for e in errors):
            raise Missing(f"DNS pod {endpoint.pod} was not asked for {errors[-1].name}")
    through = [a for a in outside.through_service(seen) if a.name in names]
    return not any(symptoms.says_something(a) for a in (*direct, *through))


def _proof(errors: list[UpstreamError], silent: list[Answer]) -> str:
    said = []
    if errors:
        said.append(f"The DNS pods log '{errors[-1].why}'")
    if silent:
        said.append(
            f"a Default pod that asks {silent[0].server} itself gets no answer either"
            if errors
            else f"A Default pod that asks {silent[0].server} itself gets no answer either"
        )
    return "; ".join(said) + "."


def _read_logs(seen: Observed) -> None:
    """Raise Missing where neither a log nor an upstream asked directly says what became of the
    question."""
    try:
        seen.facts("log/")
    except Missing:
        if not any(v.role is Role.DEFAULT and not v.failure for v in seen.evidence.vantages):
            raise
