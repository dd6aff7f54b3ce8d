"""How old a denial is, set against how old the Service is that it denies."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from kubectl_dnsdebug.model import Evidence, Status
from kubectl_dnsdebug.observe import denials
from kubectl_dnsdebug.observe.observed import Observed
from tests.dns_cases import case, changed, found

MEMORY, LOST = "negative-or-client-cache", "coredns-api-unreachable"


def told(evidence: Evidence) -> denials.Denial:
    seen = Observed(evidence)
    return next(each for each in denials.denials(seen, seen.answers))


def test_its_age_is_counted_from_when_it_was_heard() -> None:
    """The answers come seconds after the survey that read how old the Service is."""
    denial = told(case("coredns-api-unreachable/coredns-api-lost"))
    assert denial.answer.status is Status.NXDOMAIN
    assert (denial.service.id, denial.kept, denial.left) == ("shop/newcomer", 7, 23)
    assert (denial.service_age, denial.age) == (11, 7)  # heard 3 s later, made 7 s before that


@pytest.mark.parametrize(
    ("clock", "age"),
    [
        ("Sat Nov 21 06:34:11 UTC 2026", 4),  # a clock that is slow: as if heard at once
        ("Sat Nov 21 06:39:15 UTC 2026", 7.313),  # or fast: as if heard last
        ("Sat Nov 21 07:34:15 CET 2026", 4),
        ("", 4),
    ],
)
def test_a_clock_that_is_wrong_moves_it_by_seconds_only(clock: str, age: float) -> None:
    evidence = case("coredns-api-unreachable/coredns-api-lost")
    transcripts = tuple(
        replace(each, out=each.out.replace("Sat Nov 21 06:34:15 UTC 2026", clock))
        for each in evidence.transcripts
    )
    assert told(replace(evidence, transcripts=transcripts)).age == pytest.approx(age)


@pytest.mark.parametrize(
    ("made", "slugs"),
    [
        ("06:34:01", {LOST}),  # the Service is seven seconds older than the denial
        ("06:34:06", {LOST, MEMORY}),  # two seconds, while that of the AAAA was made anew
        ("06:34:13", {MEMORY}),  # it came after the denial, or two seconds before that of the AAAA
    ],
)
def test_what_each_denial_is_a_sign_of(made: str, slugs: set[str]) -> None:
    evidence = changed(
        case("coredns-api-unreachable/coredns-api-lost"),
        "services",
        lambda data: json.loads(json.dumps(data).replace("06:34:01", made)),
    )
    assert {slug for slug in (MEMORY, LOST) if found(slug, evidence)} == slugs


def test_another_kind_of_name_may_be_denied_for_good() -> None:
    """An ExternalName that stands for an address has no record, however old it is."""
    evidence = changed(
        case("coredns-api-unreachable/coredns-api-lost"),
        "services",
        lambda data: {
            "items": [
                {**item, "spec": {"type": "ExternalName", "externalName": "203.0.113.77"}}
                if item["metadata"]["name"] == "newcomer"
                else item
                for item in data["items"]
            ]
        },
    )
    assert not [slug for slug in (MEMORY, LOST) if found(slug, evidence)]
