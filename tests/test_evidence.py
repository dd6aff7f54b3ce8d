"""The evidence file: what is written is what is read, and what is damaged is refused in words."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubectl_dnsdebug import evidence
from kubectl_dnsdebug.evidence import EvidenceError, dump, load
from kubectl_dnsdebug.hygiene import clean
from kubectl_dnsdebug.model import (
    CLUSTER,
    DnsdebugError,
    Evidence,
    Fact,
    Made,
    Request,
    Role,
    State,
    Subject,
    Transcript,
    Vantage,
    node,
    pod,
)
from tests import reports

# What the cluster says is cleaned before it becomes evidence.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).map(clean)
NAME = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,8}[a-z0-9])?", fullmatch=True)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(TEXT, inner, max_size=2)),
    max_leaves=5,
)
SECONDS = st.floats(allow_nan=False, allow_infinity=False)
SUBJECT: st.SearchStrategy[Subject] = st.one_of(
    st.just(CLUSTER), NAME.map(node), st.builds(pod, NAME, NAME)
)
EVIDENCE = st.builds(
    Evidence,
    tool=TEXT,
    collected_at=TEXT,
    context=TEXT,
    request=st.builds(
        Request,
        targets=st.lists(st.builds("pod/{}/{}".format, NAME, NAME), max_size=2).map(tuple),
        picked_by=TEXTS,
        names=TEXTS,
        image=TEXT,
        mode=TEXT,
        timeout=SECONDS,
    ),
    facts=st.lists(
        st.builds(
            Fact,
            id=TEXT,
            state=st.sampled_from(State),
            data=st.dictionaries(TEXT, JSON, max_size=3),
            reason=TEXT,
        ),
        max_size=3,
    ).map(tuple),
    vantages=st.lists(
        st.builds(
            Vantage,
            id=TEXT,
            role=st.sampled_from(Role),
            node=TEXT,
            stands_for=SUBJECT,
            pod=TEXT,
            container=TEXT,
            tools=TEXTS,
            failure=TEXT,
        ),
        max_size=3,
    ).map(tuple),
    transcripts=st.lists(
        st.builds(
            Transcript,
            id=TEXT,
            vantage=TEXT,
            probe=TEXT,
            argv=TEXTS,
            out=TEXT,
            exit_code=st.one_of(st.none(), st.integers(0, 255)),
            failure=TEXT,
        ),
        max_size=3,
    ).map(tuple),
    made=st.lists(st.builds(Made, what=TEXT, fate=TEXT), max_size=3).map(tuple),
    timing=st.dictionaries(TEXT, SECONDS, max_size=3),
    counts=st.dictionaries(TEXT, st.integers(), max_size=3),
)


@settings(max_examples=50, deadline=None)
@given(EVIDENCE)
def test_what_is_written_is_what_is_read(given: Evidence) -> None:
    text = dump(given)
    assert load(text) == given
    assert dump(load(text)) == text


def test_the_file_is_readable_and_holds_no_defaults() -> None:
    text = dump(
        Evidence(tool="1", collected_at="now", context="é", request=Request(targets=("p",)))
    )
    assert json.loads(text) == {
        "format": evidence.FORMAT,
        "tool": "1",
        "collected_at": "now",
        "context": "é",
        "request": {"targets": ["p"]},
    }
    assert "é" in text
    assert text.endswith("}\n")


SMALL = dump(reports.evidence(*reports.surroundings()))


def damaged(change: Any) -> str:
    data = json.loads(SMALL)
    change(data)
    return json.dumps(data)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        "7",
        '"dnsdebug.evidence/v1"',
        "{}",
        json.dumps({"format": evidence.FORMAT}),
        json.dumps({"format": "dnsdebug.evidence/v2"}),
        json.dumps({"format": ["dnsdebug.evidence/v1"]}),
        "[" * 100_000,
        '{"format": "dnsdebug.evidence/v1", "facts": ' + "[" * 100_000,
        "\x00",
        damaged(lambda data: data.update(unknown=1)),
        damaged(lambda data: data.update(request=None)),
        damaged(lambda data: data.update(request=[])),
        damaged(lambda data: data.update(facts=7)),
        damaged(lambda data: data.update(facts="abc")),
        damaged(lambda data: data.update(facts={"a": 1})),
        damaged(lambda data: data.update(facts=[None])),
        damaged(lambda data: data.update(facts=[{"id": "x", "state": "perhaps"}])),
        damaged(lambda data: data.update(facts=[{"id": "x"}])),
        damaged(lambda data: data.update(facts=[{"id": 7, "state": "got"}])),
        damaged(lambda data: data.update(facts=[{"id": "x", "state": "got", "data": [1]}])),
        damaged(lambda data: data.update(context=7)),
        damaged(lambda data: data.update(tool=None)),
        damaged(lambda data: data["vantages"][0].update(stands_for="planet/x")),
        damaged(lambda data: data["vantages"][0].update(stands_for="node/a/b")),
        damaged(lambda data: data["vantages"][0].update(stands_for=3)),
        damaged(lambda data: data["vantages"][0].update(role="king")),
        damaged(lambda data: data["transcripts"][0].update(argv="dig")),
        damaged(lambda data: data["transcripts"][0].update(argv=[1])),
        damaged(lambda data: data["transcripts"][0].update(exit_code="0")),
        damaged(lambda data: data["transcripts"][0].update(out=None)),
        damaged(lambda data: data["request"].update(timeout="long")),
        damaged(lambda data: data["request"].update(targets=["pod/a"])),
        damaged(lambda data: data.update(timing={"total": "x"})),
        damaged(lambda data: data.update(timing=[])),
    ],
)
def test_what_is_damaged_is_refused(text: str) -> None:
    with pytest.raises(EvidenceError) as caught:
        load(text)
    assert isinstance(caught.value, DnsdebugError)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_value_anywhere_is_evidence_or_refused(data: st.DataObject) -> None:
    """One value of a good file replaced by some other JSON."""
    whole = json.loads(SMALL)
    place: Any = whole
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not (isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans())):
            break
        place = place[key]
    place[key] = data.draw(JSON)
    try:
        found = load(json.dumps(whole))
    except EvidenceError:
        return
    assert load(dump(found)) == found


def test_numbers_that_are_none() -> None:
    """JSON of Python admits NaN; a report must not."""
    with pytest.raises(EvidenceError):
        load(damaged(lambda data: data.update(timing={"total": math.nan})))
