"""Texts that stand in files, so that a change of the screen is seen in a review.

UPDATE_GOLDENS=1 python -m pytest tests/test_render.py
"""

from __future__ import annotations

import os
from pathlib import Path

GOLDENS = Path(__file__).parent / "goldens"


def check(name: str, text: str) -> None:
    """Fail unless the text is what the file of that name holds."""
    path = GOLDENS / name
    if os.environ.get("UPDATE_GOLDENS"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")
