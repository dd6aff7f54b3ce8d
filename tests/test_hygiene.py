"""Nothing hostile gets past the door, and nothing that is evidence gets lost."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_dnsdebug.hygiene import LONGEST, clean, clean_json, one_line, read_json

ANY_TEXT = st.text(st.characters(codec=None))


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("naïve 日本語 ✓", "naïve 日本語 ✓"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("nameserver 192.0.2.1\r\n", "nameserver 192.0.2.1\\r\n"),
        ("a\u202eb\u2066c\u200fd\u061c", r"a\u202eb\u2066c\u200fd\u061c"),
        ("a\u2028b", r"a\u2028b"),
        ("lone \ud800", r"lone \ud800"),
        ("\x00\x7f", r"\x00\x7f"),
    ],
)
def test_unsafe_characters_are_spelled_out(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@given(ANY_TEXT)
def test_cleaned_text_is_safe_and_stays_as_it_is(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    cleaned.encode()  # no lone surrogate is left
    kinds = {unicodedata.category(letter) for letter in cleaned if letter not in "\n\t"}
    assert not kinds & {"Cc", "Cs", "Zl", "Zp"}
    directions = {unicodedata.bidirectional(letter) for letter in cleaned}
    assert not directions & {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def test_long_text_is_cut_and_says_so() -> None:
    assert clean("x" * 100, 40) == "xxxxxxxxxxx... (cut from 100 characters)"
    assert clean(clean("\x1b" * 100, 40), 40) == clean("\x1b" * 100, 40)


def test_one_line_is_one_line() -> None:
    assert one_line("  first\n\tsecond  \rthird\r\n") == r"first second \rthird"


def test_json_is_cleaned_in_depth_keys_too() -> None:
    hostile = json.loads(r'{"a\u001b": ["\ud800", {"b": "x\ny"}, 1, 2.5, true, null]}')
    assert clean_json(hostile) == {
        r"a\x1b": [r"\ud800", {"b": "x\ny"}, 1, 2.5, True, None],
    }


ANY_JSON = st.recursive(
    st.none() | st.integers() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(ANY_JSON, st.booleans())
def test_json_is_read_as_if_every_string_were_cleaned(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert read_json(text) == clean_json(json.loads(text))


@pytest.mark.parametrize(
    "text",
    [
        r'["\u001b", "\\u001b", "\r", "\\r", "a\b\f"]',
        r'["\u202e", "\u0026\u003c\u003E", "\uD800", "\u007f"]',
        '["\x9b31m", {"\u202e": "\x7f"}]',
    ],
)
def test_what_is_spelled_out_in_json_is_cleaned_too(text: str) -> None:
    assert read_json(text) == clean_json(json.loads(text))
    assert read_json(text.encode()) == clean_json(json.loads(text))


@pytest.mark.parametrize("letter", ["x", '\\"', "\\\\"])
@pytest.mark.parametrize("length", [LONGEST // 2, LONGEST, 2 * LONGEST])
def test_long_strings_in_json_are_cut(letter: str, length: int) -> None:
    text = f'{{"a": "b", "c": "{letter * length}", "d": "{"e" * 1000}"}}'
    assert read_json(text) == clean_json(json.loads(text))
