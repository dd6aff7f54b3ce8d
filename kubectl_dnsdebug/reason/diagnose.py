"""Ask every rule about every subject of its scope, and put causes above what they explain."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from itertools import islice

from kubectl_dnsdebug.model import (
    CLUSTER,
    Cause,
    Confidence,
    Finding,
    Missing,
    Outcome,
    Scope,
    Subject,
    Verdict,
    node,
)
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Rule

MOST = 24  # nodes that are judged by what the API says of them, of those where nothing ran


def diagnose(seen: Observed, rules: Sequence[Rule]) -> tuple[Verdict, ...]:
    """One verdict for each rule and subject. A rule that crashes is unknown; no report is lost."""
    return tuple(_judge(rule, seen, subject) for rule in rules for subject in subjects(seen, rule))


def subjects(seen: Observed, rule: Rule) -> tuple[Subject, ...]:
    """What a rule speaks of in this evidence."""
    if not rule.on_nodes and any(each.scope is Scope.NODE for each in seen.subjects):
        return ()
    match rule.scope:
        case Scope.CLUSTER:
            return (CLUSTER,)
        case Scope.POD:
            return seen.looked_from
        case Scope.NODE:
            # Nodes in the order in which they were asked for, not in that of their answers.
            asked = (each.name for each in seen.looked_from if each.scope is Scope.NODE)
            others = (v.node for v in seen.evidence.vantages if v.node)
            names = dict.fromkeys((*asked, *others))
            return tuple(node(name) for name in (*names, *islice(_not_ready(seen, names), MOST)))


def _not_ready(seen: Observed, looked_at: Collection[str]) -> Iterable[str]:
    """Nodes of the targets where nothing was tried, as their own condition says what is wrong."""
    for subject in seen.subjects:
        if subject.scope is Scope.NODE and subject.name not in looked_at:
            with suppress(Missing):
                if not seen.node(subject.name).ready:
                    yield subject.name


def _judge(rule: Rule, seen: Observed, subject: Subject) -> Verdict:
    def verdict(outcome: Outcome, reason: str = "", crashed: bool = False) -> Verdict:
        return Verdict(
            rule=rule.slug,
            subject=subject,
            outcome=outcome,
            severity=rule.severity,
            reason=reason,
            crashed=crashed,
            findings=tuple(findings),
        )

    findings: list[Finding] = []
    try:
        findings.extend(rule.finding(subject, found) for found in rule.check(seen, subject))
    except Missing as gap:
        if not findings:  # else what was found stands, whatever else could not be seen
            return verdict(Outcome.UNKNOWN, str(gap))
    except Exception as wrong:
        return verdict(Outcome.UNKNOWN, f"the rule failed: {type(wrong).__name__}: {wrong}", True)
    return verdict(Outcome.FOUND if findings else Outcome.CLEAR)


def unprobed(verdicts: Iterable[Verdict], by_api: Collection[str]) -> tuple[Verdict, ...]:
    """Verdicts that count where nothing was asked: of rules that need no answers, and findings.

    That another rule is clear means nothing there, and that it is not known goes without saying.
    """
    return tuple(v for v in verdicts if v.rule in by_api or v.crashed or v.outcome is Outcome.FOUND)


def covers(wide: Subject, narrow: Subject, nodes: dict[Subject, str]) -> bool:
    """Whether what is wrong with `wide` touches `narrow`. `nodes` says where each pod runs."""
    if wide in (CLUSTER, narrow):
        return True
    return wide.scope is Scope.NODE and nodes.get(narrow) == wide.name


def link(
    verdicts: Iterable[Verdict], rules: Sequence[Rule], nodes: dict[Subject, str]
) -> tuple[Cause, ...]:
    """Findings as causes with their consequences beneath, the most fundamental first."""
    findings = dict.fromkeys(f for v in verdicts for f in v.findings)
    order = {rule.slug: place for place, rule in enumerate(rules)}
    explains = {rule.slug: set(rule.explains) for rule in rules}

    def accounts_for(upper: Finding, lower: Finding) -> bool:
        return lower.rule in explains[upper.rule] and (
            covers(upper.subject, lower.subject, nodes)
            or covers(lower.subject, upper.subject, nodes)
        )

    def weight(finding: Finding) -> tuple[int, int, int, int]:
        scope = list(Scope).index(finding.subject.scope)
        unsure = finding.confidence is not Confidence.CERTAIN
        return finding.severity.rank, int(unsure), order[finding.rule], scope

    ranked = sorted(findings, key=weight)
    parent = {
        lower: next(upper for upper in uppers)
        for lower in ranked
        if (uppers := [u for u in ranked if u is not lower and accounts_for(u, lower)])
    }

    def cause(finding: Finding) -> Cause:
        return Cause(
            finding=finding, explains=tuple(cause(f) for f in ranked if parent.get(f) is finding)
        )

    return tuple(cause(f) for f in ranked if f not in parent)
