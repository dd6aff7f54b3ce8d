"""Make text from the cluster safe to keep and to show, once, where it enters.

Whatever a pod, a log or an object says may be hostile: an escape sequence that rewrites the
terminal, a bidi control that reorders a line. What is unsafe is not dropped but spelled out
(`\\x1b`, `\\r`, `\\u202e`): a stray carriage return in a resolv.conf is evidence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

LONGEST = 1 << 20  # characters of one string: the largest object the API stores is about this long

# C0 but tab and newline, DEL, C1, line and paragraph separators, bidi controls, lone surrogates.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"
    "\ud800-\udfff]"
)
# What JSON can spell such a character by; Go spells `&`, `<` and `>` out as well.
_ESCAPED = re.compile(r"\\(?:[bfr]|u(?!00(?:26|3[ce])))")
_END = re.compile(r'(?<!\\)"')  # of a string in JSON, or its beginning
_WHITE = re.compile(r"[\t\n ]+")


def clean(text: str, longest: int = LONGEST) -> str:
    """The text with every unsafe character spelled out; newlines and tabs stay.

    Beyond `longest` characters it is cut, and says so. Cleaning twice changes nothing.
    """
    # Nearly every string there is: looked at by C alone.
    if len(text) <= longest and text.isascii() and text.isprintable():
        return text
    text = _UNSAFE.sub(_spell_out, text)
    if len(text) > longest:
        note = f"... (cut from {len(text)} characters)"
        text = text[: max(0, longest - len(note))] + note
    return text


def one_line(text: str, longest: int = 300) -> str:
    """The text cleaned and put on one line, for names and messages inside a sentence."""
    return clean(_WHITE.sub(" ", text).strip(), longest)


def clean_json(value: Any) -> Any:
    """Parsed JSON with every string in it, keys too, cleaned."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): clean_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clean_json(item) for item in value]
    return value


def read_json(content: str | bytes, parse_constant: Callable[[str], Any] | None = None) -> Any:
    """Parse JSON, cleaned as by `clean_json`. Raises as `json.loads` does.

    Nearly all that comes is harmless, which its text shows at once: then nothing is copied.
    """
    if isinstance(content, bytes):
        content = content.decode(json.detect_encoding(content), "surrogatepass")
    value = json.loads(content, parse_constant=parse_constant)
    return value if _is_harmless(content) else clean_json(value)


def _is_harmless(content: str) -> bool:
    """Whether no string of this JSON would be changed; False where that would be long to find."""
    half = LONGEST // 2  # without a string's end in a block of that length, one may be too long
    blocks = range(0, len(content) - half, half)
    return not (_UNSAFE.search(content) or _ESCAPED.search(content)) and all(
        _END.search(content, start, start + half) for start in blocks
    )


def _spell_out(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape", "surrogatepass").decode("ascii")
