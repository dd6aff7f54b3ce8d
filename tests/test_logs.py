"""Log lines have a time: what is told as present, what as past, and what not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from kubectl_dnsdebug.model import Confidence, Evidence, Fact, Finding, Severity
from kubectl_dnsdebug.observe import logs
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason import diagnose
from kubectl_dnsdebug.rules import RULES
from tests.dns_cases import logged
from tests.rule_cases import CASES, load

STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
BY_SLUG = {rule.slug: rule for rule in RULES}


def case(name: str) -> Evidence:
    return load(CASES / name / "evidence.json")


def facts(evidence: Evidence, change: Callable[[Fact], Fact]) -> Evidence:
    return replace(evidence, facts=tuple(map(change, evidence.facts)))


def log(fact: Fact, change: Callable[[str], str]) -> Fact:
    if not fact.id.startswith(("log/", "log-previous/")):
        return fact
    return replace(fact, data={"lines": [change(line) for line in fact.data["lines"]]})


def earlier(evidence: Evidence, seconds: float) -> Evidence:
    """The same with logs that are older by so much."""

    def shifted(line: str) -> str:
        return STAMP.sub(lambda found: moved(found[0], -seconds), line)

    return facts(evidence, lambda fact: log(fact, shifted))


def moved(stamp: str, seconds: float) -> str:
    then = datetime.fromisoformat(re.sub(r"\.\d+Z|Z", "+00:00", stamp)) + timedelta(seconds=seconds)
    return then.strftime("%Y-%m-%dT%H:%M:%SZ")


def edited(evidence: Evidence, seconds_ago: float) -> Evidence:
    """The same with a Corefile that was written so long before the collection."""
    stamp = moved(evidence.collected_at.replace("+00:00", "Z"), -seconds_ago)

    def change(fact: Fact) -> Fact:
        if not fact.id.startswith("configmap/"):
            return fact
        return replace(fact, data={**fact.data, "changed": stamp})

    return facts(evidence, change)


def pods(evidence: Evidence, change: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Evidence:
    def changed(fact: Fact) -> Fact:
        if not fact.id.startswith("dns-pods/"):
            return fact
        return replace(fact, data={"items": [change(each) for each in fact.data["items"]]})

    return facts(evidence, changed)


def ready(pod: Mapping[str, Any]) -> dict[str, Any]:
    status = {**pod["status"], "conditions": [{"type": "Ready", "status": "True"}]}
    return {**pod, "status": status}


def found(slug: str, evidence: Evidence) -> list[Finding]:
    verdicts = diagnose.diagnose(Observed(evidence), [BY_SLUG[slug]])
    assert not [v.reason for v in verdicts if v.crashed]
    return [finding for verdict in verdicts for finding in verdict.findings]


LOGGED = {
    "forward-max-concurrent/forward-max-concurrent": "forward-max-concurrent",
    "coredns-cpu-starved/coredns-cpu-starved": "coredns-cpu-starved",
    "large-answer-lost/large-answer-lost": "large-answer-lost",
    "cloud-resolver-rate-limit/aws-burst": "cloud-resolver-rate-limit",
    "coredns-rbac/coredns-rbac": "coredns-rbac",
}


@pytest.mark.parametrize(("name", "slug"), LOGGED.items())
def test_what_was_said_long_ago_is_not_said(name: str, slug: str) -> None:
    assert found(slug, case(name))
    assert not found(slug, earlier(case(name), 3600))


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("forward-max-concurrent/forward-max-concurrent", "forward-max-concurrent"),
        ("large-answer-lost/large-answer-lost", "large-answer-lost"),
        ("cloud-resolver-rate-limit/aws-burst", "cloud-resolver-rate-limit"),
    ],
)
def test_what_is_not_heard_again_is_a_hint_with_its_time(name: str, slug: str) -> None:
    (now,) = found(slug, case(name))
    assert now.severity is not Severity.INFO
    assert " of late" in now.message
    seen = Observed(case(name))
    newest = max(line for _, line in seen.log_lines("plugin/errors"))
    (past,) = found(slug, earlier(case(name), 150 - logs.age(seen, newest)))
    assert past.severity is Severity.INFO
    assert re.search(r" until \d\d:\d\d UTC and not since", past.message)


@pytest.mark.parametrize(("name", "slug"), list(LOGGED.items())[2:4])
def test_an_edit_of_the_corefile_ends_what_was_said_before(name: str, slug: str) -> None:
    (past,) = found(slug, edited(case(name), seconds_ago=-60))
    assert past.severity is Severity.INFO


CRASHES = {
    "coredns-loop/coredns-loop": "coredns-loop",
    "corefile-invalid/corefile-invalid": "corefile-invalid",
    "coredns-bind-failed/coredns-bind-failed": "coredns-bind-failed",
}


@pytest.mark.parametrize(("name", "slug"), CRASHES.items())
def test_the_last_words_of_a_crash(name: str, slug: str) -> None:
    (finding,) = found(slug, case(name))
    assert finding.confidence is Confidence.CERTAIN
    assert not [f for f in found(slug, earlier(case(name), 3600)) if "log" in str(f.evidence)]
    (finding,) = found(slug, edited(case(name), seconds_ago=-60))
    assert finding.confidence is Confidence.LIKELY
    assert "edited at" in finding.settles


def test_a_loop_that_was_healed_is_not_why_names_fail_now() -> None:
    """The pods are ready; the Service fails for a reason of its own."""
    evidence = pods(case("coredns-loop/coredns-loop"), ready)
    only_previous = replace(
        evidence, facts=tuple(f for f in evidence.facts if not f.id.startswith("log/"))
    )
    assert only_previous != evidence
    assert not [f for f in found("coredns-loop", only_previous) if "stops itself" in f.message]


def test_a_refused_reload_stands_until_the_next_edit() -> None:
    name = "corefile-invalid/corefile-reload-refused"
    assert found("corefile-invalid", edited(case(name), seconds_ago=600))
    assert not found("corefile-invalid", edited(case(name), seconds_ago=-60))


def test_old_time_outs_do_not_prove_a_failure_of_now() -> None:
    """The name fails still, but nothing of it is logged any more: the upstream answers so."""
    name = "upstream-timeout/upstream-timeout"
    assert found("upstream-timeout", case(name))[0].confidence is Confidence.CERTAIN
    for finding in found("upstream-timeout", earlier(case(name), 120)):
        assert finding.confidence is Confidence.LIKELY
        assert "log '" not in finding.message


def test_a_refused_reload_of_long_ago_is_likely_where_no_edit_can_be_seen() -> None:
    """It may have been taken back since: of the text that runs the servers say nothing again."""
    name = "corefile-invalid/corefile-reload-refused"
    unread = facts(
        case(name), lambda f: replace(f, data={}) if f.id.startswith("configmap/") else f
    )
    assert [f.confidence for f in found("corefile-invalid", unread)] == [Confidence.CERTAIN]
    (old,) = found("corefile-invalid", earlier(unread, 86_400))
    assert old.confidence is Confidence.LIKELY
    assert "last edited" in old.settles


@pytest.mark.parametrize(
    ("said", "upstream", "why"),
    [
        ("read udp 10.244.1.2:4->192.0.2.1:53: i/o timeout", "192.0.2.1", "i/o timeout"),
        ("read udp [::1]:4->[2001:db8::1]:53: i/o timeout", "2001:db8::1", "i/o timeout"),
        ("dial tcp 192.0.2.1:853: i/o timeout", "192.0.2.1", "dial tcp: i/o timeout"),
        ("dial tcp [2001:db8::1]:53: connect: x", "2001:db8::1", "dial tcp: connect: x"),
    ],
)
def test_an_upstream_that_gave_no_answer(said: str, upstream: str, why: str) -> None:
    line = f"[ERROR] plugin/errors: 2 a.test. A: {said}"
    (error, *_) = logs.upstream_errors(Observed(logged(case("healthy/healthy"), line)))
    assert (error.name, error.upstream, error.why) == ("a.test.", upstream, why)


def test_the_time_of_day() -> None:
    assert logs.clock("2026-11-21T08:31:07.1Z rest") == "08:31 UTC"
    assert logs.clock("no time") == "an unknown time"
