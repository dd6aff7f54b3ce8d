"""Recorded evidence with what one rule must make of it.

A case is a folder `cases/SLUG/NAME` with an `expect.json`:

    {"found": ["node/w1"]}  or  {"clear": [...]}  or  {"unknown": [...]}   for these subjects
    "first": SLUG         the first cause that the whole report names; by default the rule itself
    "evidence": "SLUG/NAME"   the evidence of that case instead of an `evidence.json` of its own
    "without": [...]      records to take away, as when they could not be had: the id of a fact, of
                          a vantage, or `*` for every vantage
    "composed": "..."     of what the evidence was made, when no run on a cluster gave it as it is

`cases/healthy/NAME` holds evidence that gives no rule any reason to speak.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from kubectl_dnsdebug import evidence
from kubectl_dnsdebug.model import Evidence, Outcome, State

CASES = Path(__file__).parent / "cases"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`subjects` are those for which the rule must come to `outcome`."""

    rule: str
    name: str
    outcome: Outcome
    subjects: tuple[str, ...]
    first: str
    recorded: str  # SLUG/NAME of the case whose evidence it is
    composed: str  # how that was made up; empty for a run as it was
    evidence: Evidence

    def __str__(self) -> str:
        return f"{self.rule}/{self.name}"


def read(folder: Path) -> Case:
    expect = json.loads((folder / "expect.json").read_text())
    outcome = next(each for each in Outcome if each in expect)
    source = str(expect.get("evidence", folder.relative_to(CASES)))
    recorded = load(CASES / source / "evidence.json")
    origin = CASES / source / "expect.json"
    made = json.loads(origin.read_text()) if origin.exists() else {}
    return Case(
        rule=folder.parent.name,
        name=folder.name,
        outcome=outcome,
        subjects=tuple(expect[outcome]),
        first=expect.get("first", folder.parent.name) if outcome is Outcome.FOUND else "",
        recorded=source,
        composed=made.get("composed", ""),
        evidence=without(recorded, *expect.get("without", ())),
    )


@cache
def load(path: Path) -> Evidence:
    return evidence.load(path.read_text())


def without(recorded: Evidence, *ids: str) -> Evidence:
    """The same, had these records not been to be had. Raises KeyError for an unknown id."""
    known = {"*"} | {fact.id for fact in recorded.facts} | {v.id for v in recorded.vantages}
    if missing := set(ids) - known:
        raise KeyError(f"not in the evidence: {missing}")
    gone = {v.id for v in recorded.vantages if v.id in ids or "*" in ids}
    return replace(
        recorded,
        facts=tuple(
            replace(fact, state=State.UNKNOWN, data={}, reason="not allowed to read it")
            if fact.id in ids
            else fact
            for fact in recorded.facts
        ),
        vantages=tuple(
            replace(vantage, failure="not allowed to create pods")
            if vantage.id in gone
            else vantage
            for vantage in recorded.vantages
        ),
        transcripts=tuple(t for t in recorded.transcripts if t.vantage not in gone),
    )


_FOLDERS = [path.parent for path in sorted(CASES.glob("*/*/expect.json"))]
ALL = tuple(read(folder) for folder in _FOLDERS if folder.parent.name != "healthy")
HEALTHY = {path.parent.name: load(path) for path in sorted(CASES.glob("healthy/*/evidence.json"))}
