"""A firewall for DNS alone between two nodes, and a broken way between them: what tells them
apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from kubectl_dnsdebug.model import Confidence, Evidence, Outcome, Transcript
from kubectl_dnsdebug.observe.observed import Observed
from tests import rule_cases
from tests.test_host_rules import verdict

CUT = rule_cases.load(rule_cases.CASES / "overlay-broken" / "overlay-broken" / "evidence.json")
HERE, THERE = "10.244.1.63", "10.244.2.29"  # the DNS pods of w1 and w2
Changes = Callable[[Transcript], bool]


def answered(evidence: Evidence, which: Changes) -> Evidence:
    """The same, had these questions been answered."""
    good = {
        "+tcp" in each.argv: each
        for each in evidence.transcripts
        if "#reach." in each.id and "NOERROR" in each.out
    }

    def said(each: Transcript) -> str:
        other = good["+tcp" in each.argv]
        return other.out.replace(other.argv[1][1:], each.argv[1][1:])

    return replace(
        evidence,
        transcripts=tuple(
            replace(each, out=said(each), exit_code=0, failure="")
            if "#reach." in each.id and which(each)
            else each
            for each in evidence.transcripts
        ),
    )


def refused(evidence: Evidence, words: str) -> Evidence:
    """The same, had somebody refused what w1 asked of the DNS pod there."""
    says = f";; communications error to {THERE}#53: {words}\n;; no servers could be reached"
    return replace(
        evidence,
        transcripts=tuple(
            replace(each, out=says) if "w1#reach." in each.id and THERE in each.id else each
            for each in evidence.transcripts
        ),
    )


def back(each: Transcript) -> bool:
    return each.vantage.endswith("@w2") and HERE in each.id


def over_tcp(each: Transcript) -> bool:
    return THERE in each.id and "+tcp" in each.argv


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (answered(CUT, back), "pods of w2 reach the DNS pod of w1"),
        (answered(CUT, over_tcp), "over TCP"),
        (refused(CUT, "host unreachable"), "refuses them at once"),
        (refused(CUT, "connection refused"), "refuses them at once"),
    ],
)
def test_dns_alone_is_kept_out(seen: Evidence, words: str) -> None:
    assert verdict(Observed(seen), "overlay-broken", "node/w1").outcome is not Outcome.FOUND
    (finding,) = verdict(Observed(seen), "dns-ingress-blocked", "cluster").findings
    assert words in finding.message
    assert finding.confidence is Confidence.LIKELY


def test_where_nothing_passes_it_is_the_way() -> None:
    (finding,) = verdict(Observed(CUT), "overlay-broken", "node/w1").findings
    assert finding.confidence is Confidence.CERTAIN
    assert verdict(Observed(CUT), "dns-ingress-blocked", "cluster").outcome is Outcome.CLEAR


def test_without_an_answer_or_a_loss_the_other_way_it_is_likely() -> None:
    unasked = replace(CUT, transcripts=tuple(t for t in CUT.transcripts if not back(t)))
    (finding,) = verdict(Observed(unasked), "overlay-broken", "node/w1").findings
    assert finding.confidence is Confidence.LIKELY


def test_a_dns_pod_that_was_down_for_a_moment_refused_by_itself() -> None:
    def restarted(data: object) -> object:
        if isinstance(data, dict):
            return {k: 1 if k == "restartCount" else restarted(v) for k, v in data.items()}
        return [restarted(each) for each in data] if isinstance(data, list) else data

    seen = refused(CUT, "connection refused")
    facts = tuple(
        replace(each, data=restarted(each.data)) if each.id.startswith("dns-pods/") else each  # type: ignore[arg-type]
        for each in seen.facts
    )
    found = verdict(Observed(replace(seen, facts=facts)), "dns-ingress-blocked", "cluster")
    assert found.outcome is Outcome.CLEAR
