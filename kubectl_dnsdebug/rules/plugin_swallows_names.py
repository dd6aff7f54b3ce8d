"""A plugin answers before the one that knows: hosts without fallthrough, acl, template, rewrite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from kubectl_dnsdebug.model import (
    Answer,
    Confidence,
    Missing,
    Role,
    Scope,
    Severity,
    Subject,
    Vantage,
)
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.observe.swallowing import Swallowed, dropped, swallowed
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "plugin-swallows-names",
    scope=Scope.CLUSTER,
    severity=Severity.ERROR,
    message="{server} answers {status} for {name}: in the Corefile, line {line}, {why}.",
    remedy="In the Corefile, line {line}: {cure}.",
    verify="dig {name} @{server}   # {status}; a Corefile without that plugin gives the answer",
    silent_when="names resolve, or no plugin that comes before kubernetes and forward is set to "
    "answer for the name that fails, and kubernetes serves its namespace.",
    explains=(
        "wrong-name",
        "dns-no-ready-endpoints",
        "upstream-servfail-refused",
        "upstream-timeout",
    ),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    answers = _asked(seen)
    silent = [] if any(map(symptoms.gives_address, answers)) else list(_silent(seen))
    if not answers and not silent:
        raise Missing("the cluster's DNS was asked nothing")
    for answer, client in silent:
        if told := dropped(seen, answer, client):
            yield _found(seen, answer, told, None)
            return
    for answer in answers:
        if symptoms.gives_address(answer) or not _is_wrong(seen, answer):
            continue
        if told := swallowed(seen, answer):
            yield _found(seen, answer, told, Severity.WARNING if _meant(told, answers) else None)
            return


def _found(seen: Observed, answer: Answer, told: Swallowed, severity: Severity | None) -> Found:
    return Found(
        evidence=(answer.id, *(fact.id for fact in seen.facts("configmap/"))),
        args={
            "server": answer.server,
            "status": answer.status.value.upper(),
            "name": answer.name,
            "line": told.plugin.line,
            "why": told.why,
            "cure": told.cure,
        },
        confidence=Confidence.CERTAIN if told.sure else Confidence.LIKELY,
        settles="" if told.sure else "the DNS pods' answer without that plugin",
        severity=severity,
    )


def _silent(seen: Observed) -> Iterator[tuple[Answer, str]]:
    """A question of a target that no DNS pod answered, each asked itself, and its address."""
    for pod in seen.targets:
        with suppress(Missing):
            found = symptoms.replicas(seen, seen.own(pod.subject)).all
            if found and not pod.host_network and all(r.dead and r.silent for _, r in found):
                yield from ((r.answers[0], ip) for _, r in found[:1] for ip in pod.ips[:1])


def _meant(told: Swallowed, answers: list[Answer]) -> bool:
    """Whether what the pod itself needs resolves, and namespaces were left out on purpose."""
    own = [a for a in answers if a.id.split("#", 1)[1].startswith("svc.")]
    return told.plugin.name == "kubernetes" and any(map(symptoms.gives_address, own))


def _asked(seen: Observed) -> list[Answer]:
    """Names that must exist, as DNS pods and their Service answered them."""
    return [
        answer
        for vantage in seen.evidence.vantages
        if vantage.role is not Role.DEFAULT
        for probe in ("reach.udp.", "svc.", "ext.", "user.A.")
        for answer in seen.ask(vantage, probe=probe)
        if answer.status.is_answer and answer.server in _servers(seen, vantage)
    ]


def _servers(seen: Observed, vantage: Vantage) -> set[str]:
    """The DNS Service and its pods, as far as they were asked there."""
    found: set[str] = set()
    with suppress(Missing):
        found |= {reach.server for reach in symptoms.service_reach(seen, vantage)}
    with suppress(Missing):
        found |= {endpoint.ip for endpoint, _ in symptoms.replicas(seen, vantage).all}
    return found


def _is_wrong(seen: Observed, answer: Answer) -> bool:
    """Whether the name exists: the `kubernetes` Service, another that the API has, or a name that
    an upstream has."""
    if answer.id.split("#", 1)[1].startswith("reach.") or _is_service(seen, answer.name):
        return True
    return any(
        a.name == answer.name and symptoms.gives_address(a)
        for a in seen.answers
        if a.id.split("#", 1)[1].startswith("up.")
    )


def _is_service(seen: Observed, name: str) -> bool:
    try:
        services, domain = seen.services, seen.domain
    except Missing:
        return False
    return any(
        name == f"{s.name}.{s.namespace}.svc.{domain}.".lower() for s in services if s.cluster_ips
    )
