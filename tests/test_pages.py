"""The generated pages are those that the code would write now."""

from __future__ import annotations

import pytest

from tests import pages


@pytest.mark.parametrize("name", pages.PAGES)
def test_a_page_is_what_make_docs_writes(name: str) -> None:
    assert (pages.DOCS / name).read_text("utf-8") == pages.PAGES[name](), "run: make docs"
