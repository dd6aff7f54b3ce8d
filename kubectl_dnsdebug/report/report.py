"""The report: what the reasoning says and what it rests on, ready to be rendered or compared.

Its JSON shape (`as_json`) is public and versioned; `report.schema.json` describes it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kubectl_dnsdebug.model import (
    CLUSTER,
    Cause,
    Evidence,
    Finding,
    Made,
    Outcome,
    Purpose,
    Role,
    Severity,
    Subject,
    Verdict,
)
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason import diagnose
from kubectl_dnsdebug.reason.rule import Rule
from kubectl_dnsdebug.report import pictures, servers, sweeps, walks, watch
from kubectl_dnsdebug.report.exits import Exit
from kubectl_dnsdebug.report.pictures import Comparison, Hop, Matrix
from kubectl_dnsdebug.report.pictures.sweep import Sweep, sweep, sweep_json
from kubectl_dnsdebug.report.pictures.timeline import Timeline, timeline
from kubectl_dnsdebug.report.unknowns import DEEP, UNEXPLAINED, UNPROBED, Unknown
from kubectl_dnsdebug.report.walks import Resolution
from kubectl_dnsdebug.report.watch import Picture
from kubectl_dnsdebug.report.watch_json import watch_json

SCHEMA = "dnsdebug.report/v1"


class Conclusion(StrEnum):
    HEALTHY = "healthy"
    PROBLEMS = "problems"
    INCONCLUSIVE = "inconclusive"
    UNPROBED = "unprobed"  # no fault in what the API shows; whether names resolve was not asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything a renderer may show.

    `causes` hold errors and warnings, `advice` what is merely worth knowing.
    """

    outcome: Conclusion
    exit_code: int
    target: Mapping[str, Any]
    causes: tuple[Cause, ...]
    advice: tuple[Cause, ...]
    unknown: tuple[Unknown, ...]
    clear: tuple[tuple[str, Subject], ...]
    matrices: tuple[Matrix, ...]
    resolv_conf: tuple[Comparison, ...]
    paths: tuple[tuple[Hop, ...], ...]
    walks: tuple[Resolution, ...]
    timeline: Timeline
    made: tuple[Made, ...]
    timing: Mapping[str, float]
    counts: Mapping[str, int]
    evidence: Mapping[str, str]  # id -> the line that proves most, for the ids that findings name
    fail_on: Severity = Severity.ERROR  # from which severity on the exit code says "found"
    sweep: Sweep | None = None  # where nodes were asked for
    watch: Picture | None = None  # where the pod was watched for a while


def build(
    evidence: Evidence,
    rules: Sequence[Rule],
    *,
    fail_on: Severity = Severity.ERROR,
    ignore: Iterable[str] = (),
    by_api: Collection[str] = (),
) -> Report:
    """Reason over the evidence, but for the rules of the slugs in `ignore`.

    `by_api` names the rules that count where nothing was probed.
    """
    seen = Observed(evidence)
    ignored = set(ignore)
    verdicts = diagnose.diagnose(seen, [rule for rule in rules if rule.slug not in ignored])
    unasked = evidence.request.purpose is Purpose.CLUSTER
    if unasked:
        verdicts = diagnose.unprobed(verdicts, by_api)
    nodes = {pod.subject: pod.node for pod in pictures.targets(seen)}
    causes = diagnose.link(verdicts, rules, nodes)
    unknown = tuple(_unknowns(verdicts))
    swept = sweep(seen)
    if swept:
        causes = sweeps.gathered(seen, swept, causes)
        swept = sweeps.explained(seen, swept, causes)
        unknown = sweeps.unknowns(swept, unknown)
    # What explains a grave finding is a cause, however harmless by itself.
    grave = tuple(c for c in causes if any(f.severity is not Severity.INFO for f in flatten((c,))))
    matrices = pictures.matrices(seen)
    watched = watch.picture(seen)
    explained = {
        id for f in flatten(causes) if f.severity is not Severity.INFO for id in f.evidence
    }
    unexplained = (
        []
        if swept
        else [
            *watch.failures(watched, explained),
            *servers.failures(seen, explained),
            *pictures.failures(matrices, explained),
        ]
    )
    if unexplained and not any(f.severity is Severity.ERROR for f in flatten(causes)):
        unknown = (
            *(
                Unknown(rule=UNEXPLAINED, subject=subject, reason=reason, matters=True)
                for subject, reason in unexplained
            ),
            *unknown,
        )
    unknown = (
        *unknown,
        *_unseen_nodes(evidence),
        *servers.unknowns(seen),
        *watch.unknowns(watched),
    )
    outcome, code = _conclusion(causes, unknown, fail_on)
    if unasked:
        left = len({rule.slug for rule in rules} - ignored - {v.rule for v in verdicts})
        unknown = (*unknown, _not_asked(left, servers.summary(seen)))
        outcome = Conclusion.UNPROBED if outcome is Conclusion.HEALTHY else outcome
    return Report(
        outcome=outcome,
        exit_code=code,
        target=pictures.target(seen),
        causes=grave,
        advice=tuple(c for c in causes if c not in grave),
        unknown=unknown,
        clear=tuple((v.rule, v.subject) for v in verdicts if v.outcome is Outcome.CLEAR),
        matrices=matrices,
        resolv_conf=pictures.resolv_confs(seen),
        paths=pictures.paths(seen),
        walks=walks.diagnosed(seen),
        timeline=timeline(seen),
        made=evidence.made,
        timing=evidence.timing,
        counts=evidence.counts,
        evidence=pictures.proofs(seen, _to_prove(causes)),
        fail_on=fail_on,
        sweep=swept,
        watch=watched,
    )


def _not_asked(rules: int, servers_said: str) -> Unknown:
    who = (
        f"only the DNS pods themselves were asked ({servers_said})"
        if servers_said
        else "nothing was asked"
    )
    reason = (
        f"{rules} rules need answers from pods or nodes, and {who}; "
        "`kubectl dnsdebug pod/NAME` asks from there"
    )
    return Unknown(rule=UNPROBED, subject=CLUSTER, reason=reason, matters=False)


def flatten(causes: Iterable[Cause]) -> Iterable[Finding]:
    """Every finding, consequences too."""
    return (cause.finding for cause in everything(causes))


def everything(causes: Iterable[Cause]) -> Iterator[Cause]:
    """Every cause, consequences too."""
    for cause in causes:
        yield cause
        yield from everything(cause.explains)


def _to_prove(causes: Iterable[Cause]) -> dict[str, str]:
    """What each piece of evidence is there to prove, by its id: of several the gravest."""
    said: dict[str, str] = {}
    for found in flatten(causes):
        for id in found.evidence:
            said.setdefault(id, found.message)
    return said


def _unknowns(verdicts: Iterable[Verdict]) -> Iterable[Unknown]:
    for verdict in verdicts:
        if verdict.outcome is Outcome.UNKNOWN:
            yield Unknown(
                rule=verdict.rule,
                subject=verdict.subject,
                reason=verdict.reason,
                matters=verdict.crashed or verdict.severity is not Severity.INFO,
            )


def _unseen_nodes(evidence: Evidence) -> Iterable[Unknown]:
    """Nodes that --deep was refused. Every rule has had its say without them: no verdict hangs on
    it."""
    for vantage in evidence.vantages:
        if vantage.role is Role.HOST and vantage.failure:
            yield Unknown(
                rule=DEEP, subject=vantage.stands_for, reason=vantage.failure, matters=False
            )


def _conclusion(
    causes: Iterable[Cause], unknown: Iterable[Unknown], fail_on: Severity
) -> tuple[Conclusion, int]:
    worst = min((f.severity.rank for f in flatten(causes)), default=len(Severity))
    gap = any(each.matters for each in unknown)
    if worst <= fail_on.rank:
        return Conclusion.PROBLEMS, Exit.CAUSES
    if gap:
        return Conclusion.INCONCLUSIVE, Exit.INCONCLUSIVE
    if worst < len(Severity) and worst <= Severity.WARNING.rank:
        return Conclusion.PROBLEMS, Exit.HEALTHY
    return Conclusion.HEALTHY, Exit.HEALTHY


def as_json(report: Report) -> dict[str, Any]:
    """The public shape of a report."""
    return {
        "schema": SCHEMA,
        "outcome": report.outcome.value,
        "exit_code": report.exit_code,
        "target": dict(report.target),
        "causes": [_cause_json(each) for each in report.causes],
        "advice": [_cause_json(each) for each in report.advice],
        "unknown": [
            {"rule": u.rule, "subject": str(u.subject), "reason": u.reason, "matters": u.matters}
            for u in report.unknown
        ],
        "evidence": dict(sorted(report.evidence.items())),
        "clear": [{"rule": rule, "subject": str(subject)} for rule, subject in report.clear],
        "matrix": [pictures.matrix_json(each) for each in report.matrices],
        "resolv_conf": {
            str(each.pod): pictures.comparison_json(each) for each in report.resolv_conf
        },
        "path": [[pictures.hop_json(hop) for hop in path] for path in report.paths],
        "sweep": report.sweep and sweep_json(report.sweep),
        "watch": report.watch and watch_json(report.watch),
        "made": [{"what": m.what, "fate": m.fate} for m in report.made],
        "cleanup": {"complete": all(m.fate in ("removed", "ended") for m in report.made)},
        "timing": {**report.timing},
        "counts": {**report.counts},
    }


def _cause_json(cause: Cause) -> dict[str, Any]:
    found = cause.finding
    return {
        "rule": found.rule,
        "subject": str(found.subject),
        **({"others": [str(each) for each in cause.others]} if cause.others else {}),
        "severity": found.severity.value,
        "confidence": found.confidence.value,
        "message": found.message,
        "evidence": list(found.evidence),
        "remedy": found.remedy,
        "verify": found.verify,
        **({"settles": found.settles} if found.settles else {}),
        "explains": [_cause_json(each) for each in cause.explains],
    }
