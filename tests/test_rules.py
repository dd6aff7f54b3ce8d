"""What holds for every rule, and what each makes of recorded evidence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from kubectl_dnsdebug import rules
from kubectl_dnsdebug.model import (
    Evidence,
    Outcome,
    Request,
    Role,
    Severity,
    Vantage,
    Verdict,
    node,
    pod,
)
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse import dig
from kubectl_dnsdebug.reason import diagnose
from kubectl_dnsdebug.reason.rule import Rule
from kubectl_dnsdebug.report import report
from kubectl_dnsdebug.rules import RULES
from tests import rule_cases
from tests.rule_cases import Case

BY_SLUG = {rule.slug: rule for rule in RULES}
FILES = sorted(
    path.stem for path in Path(rules.__file__).parent.glob("*.py") if path.stem != "__init__"
)
SENTENCE = re.compile(r"[A-Z{].*[.}]")

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.slug)
each_case = pytest.mark.parametrize("case", rule_cases.ALL, ids=str)
clear_case = pytest.mark.parametrize(
    "case", [c for c in rule_cases.ALL if c.outcome is Outcome.CLEAR], ids=str
)


@pytest.fixture(autouse=True, scope="module")
def parsed_once() -> Iterator[None]:
    """Transcripts recur by the thousand where records are taken away one by one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dig, "read", cache(dig.read))
        yield


def judge(rule: Rule, evidence: Evidence) -> tuple[Verdict, ...]:
    verdicts = diagnose.diagnose(Observed(evidence), [rule])
    assert not [v.reason for v in verdicts if v.crashed]
    return verdicts


# The rules themselves


def test_every_file_is_a_rule_of_its_name_and_listed_once() -> None:
    assert sorted(rule.slug.replace("-", "_") for rule in RULES) == FILES


@each_rule
def test_the_words_are_fit_to_be_read(rule: Rule) -> None:
    assert SENTENCE.fullmatch(rule.message), "the message is a sentence"
    assert SENTENCE.fullmatch(rule.remedy), "the remedy is a sentence"
    assert re.fullmatch(r".+", rule.verify), "one line to paste"


@each_rule
def test_it_explains_other_rules_that_exist(rule: Rule) -> None:
    assert not set(rule.explains) - set(BY_SLUG)
    assert rule.slug not in rule.explains


def test_no_two_rules_explain_each_other() -> None:
    def reach(slug: str, path: tuple[str, ...]) -> None:
        assert slug not in path, " -> ".join((*path, slug))
        for lower in BY_SLUG[slug].explains:
            reach(lower, (*path, slug))

    for slug in BY_SLUG:
        reach(slug, ())


# Gaps


def blind() -> Evidence:
    """A target on a node, and nothing that ran: no probe, no fact."""
    places = [
        (Role.TARGET, pod("shop", "web")),
        (Role.CONTROL, node("w1")),
        (Role.DEFAULT, node("w1")),
    ]
    return Evidence(
        tool="test",
        collected_at="2026-01-01T00:00:00Z",
        context="test",
        request=Request(targets=("pod/shop/web",), names=("payments",)),
        vantages=tuple(
            Vantage(
                id=f"{role}:shop", role=role, node="w1", stands_for=whose, failure="not allowed"
            )
            for role, whose in places
        ),
    )


@each_rule
def test_without_any_evidence_it_does_not_know(rule: Rule) -> None:
    for verdict in judge(rule, blind()):
        if rule.severity is Severity.INFO:
            assert verdict.outcome is not Outcome.FOUND
        else:
            assert verdict.outcome is Outcome.UNKNOWN


@each_rule
def test_it_says_when_it_is_silent(rule: Rule) -> None:
    assert rule.silent_when.endswith(".")
    assert "{" not in rule.silent_when


# Recorded evidence


@each_rule
@pytest.mark.parametrize("outcome", list(Outcome))
def test_it_has_a_case_of_each_outcome(rule: Rule, outcome: Outcome) -> None:
    if outcome is Outcome.UNKNOWN and rule.severity is Severity.INFO:
        return  # advice that could not be given is no gap
    assert [c for c in rule_cases.ALL if c.rule == rule.slug and c.outcome is outcome]


@each_case
def test_it_says_what_is_expected(case: Case) -> None:
    verdicts = {str(v.subject): v for v in judge(BY_SLUG[case.rule], case.evidence)}
    said = {subject: verdicts[subject].outcome for subject in case.subjects}
    assert said == dict.fromkeys(case.subjects, case.outcome)
    if case.outcome is Outcome.FOUND:
        others = {s for s, v in verdicts.items() if v.outcome is Outcome.FOUND}
        assert others == set(case.subjects)


@each_case
def test_its_findings_are_proven_and_complete(case: Case) -> None:
    known = {fact.id for fact in case.evidence.facts} | {t.id for t in case.evidence.transcripts}
    for verdict in judge(BY_SLUG[case.rule], case.evidence):
        for finding in verdict.findings:
            assert finding.evidence
            assert set(finding.evidence) <= known
            assert "\n" not in finding.verify
            assert finding.confidence.value == "certain" or finding.settles


@each_case
def test_the_report_names_the_root_first(case: Case) -> None:
    if case.first:
        made = report.build(case.evidence, RULES)
        assert (made.causes or made.advice)[0].finding.rule == case.first


@clear_case
def test_nothing_taken_away_makes_a_fault(case: Case) -> None:
    rule, whole = BY_SLUG[case.rule], case.evidence
    for less in lacking_one(whole):
        for verdict in judge(rule, less):
            if str(verdict.subject) in case.subjects:
                assert verdict.outcome is not Outcome.FOUND


def lacking_one(whole: Evidence) -> Iterator[Evidence]:
    """The evidence without each of its records, one at a time."""
    for n in range(len(whole.facts)):
        yield replace(whole, facts=whole.facts[:n] + whole.facts[n + 1 :])
    for n in range(len(whole.transcripts)):
        yield replace(whole, transcripts=whole.transcripts[:n] + whole.transcripts[n + 1 :])
    for n, gone in enumerate(whole.vantages):
        yield replace(
            whole,
            vantages=whole.vantages[:n] + whole.vantages[n + 1 :],
            transcripts=tuple(t for t in whole.transcripts if t.vantage != gone.id),
        )


@pytest.mark.parametrize("name", rule_cases.HEALTHY)
def test_a_healthy_cluster_gives_no_alarm(name: str) -> None:
    made = report.build(rule_cases.HEALTHY[name], RULES)
    assert [cause.finding.message for cause in made.causes] == []
    assert [gap for gap in made.unknown if gap.matters] == []
