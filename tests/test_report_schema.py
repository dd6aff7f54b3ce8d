"""The public JSON of a report is what its schema says, whatever the report holds."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib import resources
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from kubectl_dnsdebug.hygiene import clean
from kubectl_dnsdebug.model import (
    CLUSTER,
    Cause,
    Confidence,
    Finding,
    Made,
    Severity,
    Status,
    Transport,
    node,
    pod,
)
from kubectl_dnsdebug.parse.resolvconf import Kind, ResolvConf
from kubectl_dnsdebug.report import report
from kubectl_dnsdebug.report.pictures import (
    Cell,
    Comparison,
    Difference,
    Form,
    Hop,
    HopState,
    Matrix,
    Row,
)
from kubectl_dnsdebug.report.pictures.timeline import Timeline
from kubectl_dnsdebug.report.render import RENDERERS, Style
from kubectl_dnsdebug.report.report import Conclusion, Report
from kubectl_dnsdebug.report.unknowns import Unknown
from tests.reports import REPORTS

SCHEMA = json.loads(
    resources.files("kubectl_dnsdebug.report").joinpath("report.schema.json").read_text("utf-8")
)
VALIDATOR = Draft202012Validator(SCHEMA)


def wrong(data: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(data)]


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def objects(schema: Any) -> Iterable[dict[str, Any]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for each in schema.values():
            yield from objects(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from objects(each)


def test_the_schema_lets_nothing_in_that_it_does_not_name() -> None:
    for each in objects(SCHEMA):
        assert each.get("additionalProperties") not in (None, True), each
        if "properties" in each:
            optional = each["properties"].keys() - set(each["required"])
            assert optional <= {"settles", "others", "nodes"}


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_fits(name: str) -> None:
    assert wrong(report.as_json(REPORTS[name]())) == []


DEFS = SCHEMA["$defs"]


@pytest.mark.parametrize(
    ("words", "enum"),
    [
        (SCHEMA["properties"]["outcome"], Conclusion),
        (DEFS["cause"]["properties"]["severity"], Severity),
        (DEFS["cause"]["properties"]["confidence"], Confidence),
        (DEFS["cell"]["properties"]["status"], Status),
        (DEFS["transport"], Transport),
        (DEFS["row"]["properties"]["form"], Form),
        (DEFS["hop"]["properties"]["state"], HopState),
        (DEFS["comparison"]["properties"]["differences"]["items"]["properties"]["kind"], Kind),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_the_words_of_the_schema_are_those_of_the_program(words: Any, enum: Any) -> None:
    assert words["enum"] == [each.value for each in enum]


texts = st.text(max_size=40).map(clean)
names = st.text(st.characters(exclude_characters="/\n"), min_size=1, max_size=12).map(clean)
slugs = st.from_regex(r"[a-z]{1,6}(-[a-z0-9]{1,4}){0,2}", fullmatch=True)
subjects = st.one_of(st.just(CLUSTER), names.map(node), st.builds(pod, names, names))
servers = st.sampled_from(["10.96.0.10", "2001:db8::53", "192.0.2.1"])


def some(of: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(of, max_size=most).map(tuple)


findings = st.builds(
    Finding,
    rule=slugs,
    subject=subjects,
    severity=st.sampled_from(Severity),
    confidence=st.sampled_from(Confidence),
    message=texts,
    remedy=texts,
    verify=texts,
    evidence=st.lists(texts, max_size=4, unique=True).map(tuple),
    settles=texts,
)
causes = st.recursive(
    st.builds(Cause, finding=findings),
    lambda beneath: st.builds(Cause, finding=findings, explains=some(beneath, 2)),
    max_leaves=4,
)
unknowns = st.builds(Unknown, rule=slugs, subject=subjects, reason=texts, matters=st.booleans())
cells = st.builds(
    Cell,
    status=st.sampled_from(Status),
    asked=st.integers(4, 8),
    answered=st.integers(0, 4),
    count=st.integers(1, 4),
    ms=st.none() | st.floats(0, 9999),
    has_records=st.booleans(),
)
rows = st.builds(
    Row,
    name=texts,
    type=st.sampled_from(["A", "AAAA", "PTR", "A+AAAA"]),
    form=st.sampled_from(Form),
    tool=st.sampled_from(["dig", "nslookup", "getent"]),
    cells=st.dictionaries(
        st.tuples(servers, st.sampled_from(Transport)), cells, min_size=1, max_size=4
    ),
)


@st.composite
def matrices(draw: st.DrawFn) -> Matrix:
    drawn = draw(some(rows))
    asked = sorted({server for row in drawn for server, _ in row.cells})
    return Matrix(
        pod=pod(draw(names), draw(names)),
        servers={server: draw(texts) for server in asked},
        owners=frozenset(draw(st.sets(st.sampled_from(asked)))) if asked else frozenset(),
        rows=drawn,
    )


files = st.none() | st.builds(
    ResolvConf,
    nameservers=some(texts),
    search=some(texts),
    options=st.dictionaries(texts, st.none() | texts, max_size=2),
)
comparisons = st.builds(
    Comparison,
    pod=st.builds(pod, names, names),
    has=files,
    expected=files,
    host=files,
    differences=some(
        st.builds(
            Difference,
            kind=st.sampled_from(Kind),
            value=texts,
            in_pod=st.booleans(),
            in_expected=st.booleans(),
            in_host=st.none() | st.booleans(),
            why=texts,
        )
    ),
    gaps=some(texts),
)
hops = st.builds(
    Hop,
    stage=st.integers(0, 3),
    label=texts,
    state=st.sampled_from(HopState),
    detail=texts | st.sampled_from([status.value for status in Status]),
)


@st.composite
def reports(draw: st.DrawFn) -> Report:
    """Any report that could be built: an outcome has what it says."""
    outcome, code = draw(
        st.sampled_from(
            [
                (Conclusion.HEALTHY, 0),
                (Conclusion.PROBLEMS, 0),
                (Conclusion.PROBLEMS, 4),
                (Conclusion.INCONCLUSIVE, 3),
            ]
        )
    )
    found = draw(some(causes))
    gaps = draw(some(unknowns))
    if outcome is Conclusion.PROBLEMS:
        found += (draw(causes),)
    if outcome is Conclusion.INCONCLUSIVE:
        gaps += (Unknown(rule="unexplained", subject=CLUSTER, reason=draw(texts), matters=True),)
    seen = draw(matrices())
    subject = draw(st.sampled_from([seen.pod, draw(st.builds(pod, names, names))]))
    return Report(
        outcome=outcome,
        exit_code=code,
        target={
            "context": draw(texts),
            "collected_at": "2025-01-01T00:00:00+00:00",
            "pods": [
                {
                    "pod": str(subject),
                    "node": draw(texts),
                    "phase": draw(texts),
                    "dnsPolicy": draw(texts),
                    "hostNetwork": draw(st.booleans()),
                    "libc": draw(texts),
                    "picked_by": draw(texts),
                    "seen_from": draw(st.sampled_from(["target", "sibling", "nowhere"])),
                    "seen_from_why": draw(texts),
                    "external_name": draw(texts),
                    "external_name_from": draw(texts),
                }
            ],
        },
        causes=found,
        advice=draw(some(causes)),
        unknown=gaps,
        clear=draw(some(st.tuples(slugs, subjects))),
        matrices=(seen,),
        resolv_conf=draw(some(comparisons, 1)),
        paths=(draw(some(hops, 6).filter(bool)),),
        walks=(),
        timeline=Timeline(moments=()),
        made=draw(some(st.builds(Made, what=texts, fate=texts | st.just("removed")))),
        timing={"total": draw(st.floats(0, 99))},
        counts={"api requests": draw(st.integers(0, 99))},
        evidence={id: draw(texts) for cause in found for id in cause.finding.evidence},
    )


@given(reports())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_report_fits_and_can_be_shown(made: Report) -> None:
    assert wrong(report.as_json(made)) == []
    for style in (
        Style(width=80, colour=False, unicode=False),
        Style(width=30, colour=False, unicode=True),
    ):
        for render in RENDERERS.values():
            text = render(made, style)
            assert text.endswith("\n")
            assert "\x1b" not in text
            assert style.unicode or text.isascii()
