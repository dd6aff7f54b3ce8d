"""What rules of the pod, its kubelet and its names make of variants of recorded runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from kubectl_dnsdebug.model import Evidence, Outcome, Transcript, Verdict
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason import diagnose
from kubectl_dnsdebug.rules import RULES
from tests import rule_cases

LOST = ";; communications error to 10.96.0.10#53: timed out\n;; no servers could be reached"


def recorded(case: str) -> Evidence:
    return rule_cases.load(rule_cases.CASES / case / "evidence.json")


def verdict(evidence: Evidence, slug: str) -> Verdict:
    """That of the rule on the only subject of its scope."""
    (found,) = diagnose.diagnose(Observed(evidence), [r for r in RULES if r.slug == slug])
    assert not found.crashed, found.reason
    return found


def retold(
    evidence: Evidence, which: Callable[[Transcript], bool], out: str, code: int = 0
) -> Evidence:
    """The same run, had those commands printed this."""
    assert any(map(which, evidence.transcripts))
    return replace(
        evidence,
        transcripts=tuple(
            replace(t, out=out, exit_code=code, failure="") if which(t) else t
            for t in evidence.transcripts
        ),
    )


def lose(evidence: Evidence, *probes: str) -> Evidence:
    """The same run, had the questions of these probes got lost."""
    return retold(evidence, lambda t: t.probe.startswith(probes), LOST, 9)


UNDER_LAN = "walk.{}.kubernetes.default.svc.cluster.local.lan.example."


@pytest.mark.parametrize(
    ("slug", "probe"),
    [
        ("host-search-inherited", UNDER_LAN.format("AAAA")),
        ("musl-search-abort", UNDER_LAN.format("A")),
        ("aaaa-delay", "reach6.10.96.0.10"),
    ],
)
def test_one_lost_question_is_chance(slug: str, probe: str) -> None:
    evidence = recorded("healthy/healthy-musl")
    assert verdict(lose(evidence, probe), slug).outcome is Outcome.CLEAR


@pytest.mark.parametrize(
    ("slug", "probes"),
    [
        ("host-search-inherited", (UNDER_LAN.format("A"), UNDER_LAN.format("AAAA"))),
        ("aaaa-delay", ("reach6.",)),
    ],
)
def test_more_than_one_is_not(slug: str, probes: tuple[str, ...]) -> None:
    evidence = recorded("healthy/healthy-musl")
    assert verdict(lose(evidence, *probes), slug).outcome is Outcome.FOUND
