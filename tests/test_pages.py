"""The generated pages are those that the code would write now."""

from __future__ import annotations

import pytest

from tests import confusion, pages
from tests.cluster.faults import FAULTS
from tests.confusion import Asked


@pytest.mark.parametrize("name", pages.PAGES)
def test_a_page_is_what_make_docs_writes(name: str) -> None:
    assert (pages.DOCS / name).read_text("utf-8") == pages.PAGES[name](), "run: make docs"


def test_the_page_of_scenarios_adds_up() -> None:
    page = confusion.PAGE.read_text("utf-8")
    rows = confusion.read(page)
    assert confusion.markdown(rows.values()) == page
    assert rows.keys() <= FAULTS.keys(), "run: make docs-confusion"


def test_what_was_named_instead_is_counted() -> None:
    asked = [
        Asked(scenario="a", expected="x", named="x"),
        Asked(scenario="b", expected="x", named="y"),
        Asked(scenario="c", expected=confusion.HEALTHY, named="y"),
        Asked(scenario="d", expected=confusion.HEALTHY, named=confusion.INCONCLUSIVE),
        Asked(scenario="e", expected="x", named=confusion.UNASKED),
    ]
    assert confusion.total(asked) == (
        "4 scenarios asked, 1 right; 2 of them healthy, 1 false alarms; 1 inconclusive."
    )
    assert next(confusion.mistaken(asked)) == "b: y instead of x"
    assert "| x | 3 | 1 | (not asked) 1, y 1 |" in confusion.markdown(asked)
