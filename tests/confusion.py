"""Which cause was named first in each scenario: shown after a run, kept in docs/confusion.md.

The page is brought up to date by the scenarios of a run (`make docs-confusion`); of those that were
not asked it keeps what an earlier run found, those that are no more lose their line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "confusion.md"
HEALTHY, INCONCLUSIVE, UNASKED = "(healthy)", "(inconclusive)", "(not asked)"

HEAD = """# What was named first

Each scenario breaks a real cluster on purpose, or makes it odd and leaves it healthy, and asks the
tool once. Which cause stood first in the report? Where {healthy} is expected, any alarm is a false
one. Written by `make docs-confusion`; `make faults` says what each scenario is.

{total}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One scenario: the slug that must stand first, and the one that did."""

    scenario: str
    expected: str
    named: str

    @property
    def right(self) -> bool:
        return self.expected == self.named


def total(all_asked: Iterable[Asked]) -> str:
    """One sentence about them all."""
    asked = [each for each in all_asked if each.named != UNASKED]
    healthy = [each for each in asked if each.expected == HEALTHY]
    alarms = [each for each in healthy if each.named not in (HEALTHY, INCONCLUSIVE)]
    right = sum(each.right for each in asked)
    unsure = sum(each.named == INCONCLUSIVE for each in asked)
    return (
        f"{len(asked)} scenarios asked, {right} right; {len(healthy)} of them healthy, "
        f"{len(alarms)} false alarms; {unsure} inconclusive."
    )


def mistaken(asked: Iterable[Asked]) -> Iterator[str]:
    """What is off the diagonal, a line each."""
    for each in asked:
        if not each.right and each.named != UNASKED:
            yield f"{each.scenario}: {each.named} instead of {each.expected}"


def markdown(asked: Iterable[Asked]) -> str:
    """docs/confusion.md."""
    rows = list(asked)
    named: dict[str, Counter[str]] = {}
    for each in rows:
        named.setdefault(each.expected, Counter())[each.named] += 1
    lines = [HEAD.format(healthy=HEALTHY, total=total(rows))]
    lines += ["| expected | scenarios | right | otherwise |", "|---|--:|--:|---|"]
    for slug, counts in sorted(named.items()):
        others = ", ".join(f"{name} {n}" for name, n in sorted(counts.items()) if name != slug)
        lines.append(f"| {slug} | {counts.total()} | {counts[slug]} | {others} |")
    lines += ["", "## Each scenario", "", "| scenario | expected | named first |", "|---|---|---|"]
    lines += [f"| {each.scenario} | {each.expected} | {each.named} |" for each in rows]
    return "\n".join((*lines, ""))


def read(page: str) -> Mapping[str, Asked]:
    """The scenarios of a page, by name."""
    rows = re.findall(r"^\| (\S+) \| (\S+) \| ([^|]+) \|$", page.partition("## Each")[2], re.M)
    return {
        scenario: Asked(scenario=scenario, expected=expected, named=named)
        for scenario, expected, named in rows
        if scenario != "scenario"
    }


def update(asked: Iterable[Asked], expected: Mapping[str, str | None]) -> None:
    """Put these into the page, among all scenarios that there are and what each has to name."""
    earlier = read(PAGE.read_text("utf-8"))
    now = {each.scenario: each for each in asked}
    rows = []
    for name, slug in expected.items():
        unasked = Asked(scenario=name, expected=slug or HEALTHY, named=UNASKED)
        known = now.get(name) or earlier.get(name, unasked)
        rows.append(replace(known, expected=unasked.expected))
    PAGE.write_text(markdown(rows), "utf-8")
