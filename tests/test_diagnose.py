"""Verdicts, their order, and what stands above what; then the exit code for every outcome."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_dnsdebug.model import (
    CLUSTER,
    Cause,
    Confidence,
    Finding,
    Missing,
    Outcome,
    Scope,
    Severity,
    Subject,
    Verdict,
    node,
    pod,
)
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason import diagnose
from kubectl_dnsdebug.reason.rule import Found, Rule
from kubectl_dnsdebug.report import report
from kubectl_dnsdebug.report.report import Conclusion
from kubectl_dnsdebug.report.unknowns import UNEXPLAINED
from tests import reports
from tests.reports import cannot, finds, made_rule, sure

SEEN = Observed(reports.evidence(reports.in_pod(), *reports.surroundings()))
WEB, OTHER = pod("shop", "web-1"), pod("shop", "web-2")
NODES = {WEB: "w1", OTHER: "w2"}


# One rule, one subject


def crash(seen: Observed, subject: Subject) -> Iterator[Found]:
    yield Found(evidence=())
    raise KeyError("oops")


def late(seen: Observed, subject: Subject) -> Iterator[Found]:
    yield Found(evidence=(), args={"who": "x"})
    raise Missing("the rest")


def forgetful(seen: Observed, subject: Subject) -> Iterator[Found]:
    yield Found(evidence=())  # no `who` for the message


@pytest.mark.parametrize(
    ("check", "outcome", "reason", "crashed"),
    [
        (sure, Outcome.CLEAR, "", False),
        (finds("a"), Outcome.FOUND, "", False),
        (cannot("no permission"), Outcome.UNKNOWN, "no permission", False),
        (late, Outcome.FOUND, "", False),  # what was found stands
        (crash, Outcome.UNKNOWN, "the rule failed: KeyError: 'who'", True),
        (forgetful, Outcome.UNKNOWN, "the rule failed: KeyError: 'who'", True),
    ],
)
def test_a_verdict(check: object, outcome: Outcome, reason: str, crashed: bool) -> None:
    rule = made_rule("some-rule", check)  # type: ignore[arg-type]
    (verdict,) = diagnose.diagnose(SEEN, [rule])
    assert (verdict.rule, verdict.subject) == ("some-rule", WEB)
    assert (verdict.outcome, verdict.reason, verdict.crashed) == (outcome, reason, crashed)
    assert bool(verdict.findings) == (outcome is Outcome.FOUND)


@pytest.mark.parametrize(
    ("scope", "subjects"),
    [(Scope.CLUSTER, (CLUSTER,)), (Scope.NODE, (node("w1"),)), (Scope.POD, (WEB,))],
)
def test_a_rule_is_asked_of_its_scope(scope: Scope, subjects: tuple[Subject, ...]) -> None:
    assert diagnose.subjects(SEEN, made_rule("some-rule", sure, scope)) == subjects


def test_evidence_is_named_once() -> None:
    (verdict,) = diagnose.diagnose(SEEN, [made_rule("x", finds("b", "a", "b"))])
    assert verdict.findings[0].evidence == ("b", "a")


# What stands above what


@pytest.mark.parametrize(
    ("wide", "narrow", "covered"),
    [
        (CLUSTER, CLUSTER, True),
        (CLUSTER, node("w1"), True),
        (CLUSTER, WEB, True),
        (node("w1"), WEB, True),
        (node("w1"), node("w1"), True),
        (WEB, WEB, True),
        (node("w2"), WEB, False),
        (node("w1"), node("w2"), False),
        (node("w1"), CLUSTER, False),
        (WEB, OTHER, False),
        (WEB, node("w1"), False),
        (node("w1"), pod("shop", "unknown"), False),
    ],
)
def test_covers(wide: Subject, narrow: Subject, covered: bool) -> None:
    assert diagnose.covers(wide, narrow, NODES) is covered


def finding(
    rule: str,
    subject: Subject = WEB,
    severity: Severity = Severity.ERROR,
    confidence: Confidence = Confidence.CERTAIN,
) -> Finding:
    return Finding(
        rule=rule,
        subject=subject,
        severity=severity,
        confidence=confidence,
        message=f"{rule} {subject}",
        remedy="",
        verify="",
    )


def rules(**explains: tuple[str, ...]) -> list[Rule]:
    return [made_rule(slug, sure, explains=names) for slug, names in explains.items()]


def link(rules: list[Rule], *findings: Finding) -> tuple[Cause, ...]:
    verdicts = [
        Verdict(
            rule=each.rule,
            subject=each.subject,
            outcome=Outcome.FOUND,
            severity=each.severity,
            findings=(each,),
        )
        for each in findings
    ]
    return diagnose.link(verdicts, rules, NODES)


def tree(causes: tuple[Cause, ...]) -> dict[str, object]:
    return {each.finding.message: tree(each.explains) for each in causes}


CHAIN = rules(a=("b",), b=("c",), c=(), d=())


def test_a_cause_stands_above_what_it_explains() -> None:
    found = link(CHAIN, finding("c"), finding("b"), finding("a", node("w1")))
    assert tree(found) == {"a node/w1": {"b pod/shop/web-1": {"c pod/shop/web-1": {}}}}


def test_a_cause_elsewhere_explains_nothing_here() -> None:
    found = link(CHAIN, finding("a", node("w2")), finding("b", WEB), finding("b", OTHER))
    assert tree(found) == {"a node/w2": {"b pod/shop/web-2": {}}, "b pod/shop/web-1": {}}


def test_a_cause_may_be_narrower_than_what_it_explains() -> None:
    """What one pod of CoreDNS does explains what the cluster shows."""
    assert tree(link(CHAIN, finding("b", CLUSTER), finding("a", WEB))) == {
        "a pod/shop/web-1": {"b cluster": {}}
    }


def test_of_two_explanations_the_first_in_rank_takes_it() -> None:
    both = rules(a=("c",), b=("c",), c=())
    sure_one, guess = finding("b"), finding("a", confidence=Confidence.LIKELY)
    assert tree(link(both, finding("c"), guess, sure_one)) == {
        "b pod/shop/web-1": {"c pod/shop/web-1": {}},
        "a pod/shop/web-1": {},
    }


ORDERED = [
    finding("a"),
    finding("b"),
    finding("b", confidence=Confidence.LIKELY),
    finding("a", severity=Severity.WARNING),
    finding("c", severity=Severity.WARNING, confidence=Confidence.LIKELY),
    finding("a", severity=Severity.INFO),
]


@given(st.permutations(ORDERED))
def test_worse_then_surer_then_deeper_comes_first(shuffled: list[Finding]) -> None:
    found = link(rules(a=(), b=(), c=()), *shuffled)
    assert [each.finding for each in found] == ORDERED


SLUGS = "abcdef"
FINDINGS = st.lists(
    st.builds(
        finding,
        st.sampled_from(SLUGS),
        st.sampled_from([CLUSTER, node("w1"), node("w2"), WEB, OTHER]),
        st.sampled_from(Severity),
        st.sampled_from(Confidence),
    ),
    max_size=8,
    unique=True,
)
# What explains what, without a cycle: a slug explains later ones only.
EXPLAINS = st.fixed_dictionaries(
    {
        slug: st.lists(st.sampled_from(SLUGS[place + 1 :] or "f"))
        for place, slug in enumerate("abcde")
    }
)


@given(FINDINGS, EXPLAINS)
def test_no_finding_is_lost_and_none_is_told_twice(
    findings: list[Finding], explains: dict[str, list[str]]
) -> None:
    known = rules(**{slug: tuple(explains.get(slug, ())) for slug in SLUGS})
    told = list(report.flatten(link(known, *findings)))
    assert sorted(map(str, told)) == sorted(map(str, findings))


def test_the_same_finding_twice_is_told_once() -> None:
    assert len(link(CHAIN, finding("a"), finding("a"))) == 1


# The exit code


FOUND = {s: made_rule(f"found-{s}", finds("x"), severity=s) for s in Severity}
GAP = {s: made_rule(f"gap-{s}", cannot("no permission"), severity=s) for s in Severity}
CRASH = made_rule("crash", crash, severity=Severity.INFO)


@pytest.mark.parametrize("fail_on", Severity)
@pytest.mark.parametrize("gap", [None, *Severity, "crash"])
@pytest.mark.parametrize("worst", [None, *Severity])
def test_every_exit_code(
    worst: Severity | None, gap: Severity | str | None, fail_on: Severity
) -> None:
    """Causes at or above the bar are 4; else a gap that matters is 3; else 0."""
    chosen = [FOUND[worst]] if worst else []
    if gap:
        chosen.append(CRASH if gap == "crash" else GAP[Severity(gap)])
    place = reports.in_pod().battery()
    held = reports.evidence(place, *reports.surroundings())
    made = report.build(held, chosen, fail_on=fail_on)
    if worst and worst.rank <= fail_on.rank:
        expected = (Conclusion.PROBLEMS, 4)
    elif gap in ("crash", Severity.ERROR, Severity.WARNING):
        expected = (Conclusion.INCONCLUSIVE, 3)
    elif worst in (Severity.ERROR, Severity.WARNING):
        expected = (Conclusion.PROBLEMS, 0)
    else:
        expected = (Conclusion.HEALTHY, 0)
    assert (made.outcome, made.exit_code) == expected


def test_what_is_ignored_counts_for_nothing() -> None:
    held = reports.evidence(reports.in_pod().battery(), *reports.surroundings())
    chosen = [FOUND[Severity.ERROR], GAP[Severity.ERROR]]
    made = report.build(held, chosen, ignore=["found-error", "gap-error"])
    assert (made.outcome, made.exit_code) == (Conclusion.HEALTHY, 0)
    assert (made.causes, made.unknown, made.clear) == ((), (), ())
    half = report.build(held, chosen, ignore=["found-error"])
    assert half.exit_code == 3


def test_names_that_fail_without_a_cause_are_never_healthy() -> None:
    here = reports.in_pod().battery({reports.SERVICE: reports.DEAD})
    held = reports.evidence(here, *reports.surroundings())
    for chosen in ([], [made_rule("clear", sure)], [FOUND[Severity.WARNING]]):
        made = report.build(held, chosen)
        assert (made.outcome, made.exit_code) == (Conclusion.INCONCLUSIVE, 3)
        assert made.unknown[0].rule == UNEXPLAINED
    assert report.build(held, [FOUND[Severity.ERROR]]).exit_code == 4


def test_evidence_without_anything_is_never_healthy() -> None:
    """No probe ran at all: whatever the rules say, nothing was tested."""
    made = report.build(reports.evidence(), [made_rule("needs", cannot("no probe ran"))])
    assert made.exit_code == 3
