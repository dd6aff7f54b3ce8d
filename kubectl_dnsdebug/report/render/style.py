"""How text may look, and the few ways to lay it out: marks, colour, wrapping."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import click

from kubectl_dnsdebug.model import Severity, Status

LABEL = 13  # columns of the words at the left of a screen
NARROWEST = 40  # columns: below that, lines are left to the terminal


class Tone(Enum):
    """What a piece of text means."""

    GOOD = auto()
    BAD = auto()
    DOUBTFUL = auto()
    INFO = auto()
    TITLE = auto()
    QUIET = auto()


_LOOKS: dict[Tone, dict[str, Any]] = {
    Tone.GOOD: {"fg": "green"},
    Tone.BAD: {"fg": "red", "bold": True},
    Tone.DOUBTFUL: {"fg": "yellow"},
    Tone.INFO: {"fg": "cyan"},
    Tone.TITLE: {"bold": True},
    Tone.QUIET: {"dim": True},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """What the output can show. `unicode` is False for ASCII only."""

    width: int
    colour: bool
    unicode: bool

    def paint(self, text: str, tone: Tone) -> str:
        """The text in that tone; as it is without colour."""
        return click.style(text, **_LOOKS[tone]) if self.colour and text else text

    def mark(self, tone: Tone) -> str:
        """A sign that tells good, bad and doubtful apart without colour."""
        good, bad, doubtful = ("✓", "✗", "?") if self.unicode else ("ok", "X", "?")
        return self.paint({Tone.GOOD: good, Tone.BAD: bad}.get(tone, doubtful), tone)

    @property
    def arrow(self) -> str:
        return "→" if self.unicode else "->"

    def final(self, text: str) -> str:
        """Text that the output can hold."""
        return text if self.unicode else text.encode("ascii", "backslashreplace").decode()


SEVERITY = {
    Severity.ERROR: Tone.BAD,
    Severity.WARNING: Tone.DOUBTFUL,
    Severity.INFO: Tone.INFO,
}


def word(status: Status) -> str:
    """A status as a cell shows it. The codes of a server and silences read alike otherwise."""
    return {
        Status.NOERROR: "ok",
        Status.CONNECTION_REFUSED: "CONN-REFUSED",
        Status.OTHER_RCODE: "OTHER-RCODE",
    }.get(status, status.value.upper())


def one_line(text: str) -> str:
    """Names and messages of the cluster may hold line breaks; the layout is ours."""
    return " ".join(text.split())


def brief(text: str, longest: int = 600) -> str:
    """One line that leaves room for the rest of a page; `-o json` has all of it."""
    line = one_line(text)
    return line if len(line) <= longest else f"{line[:longest]}... ({len(line)} characters)"


def wrap(text: str, width: int, *, first: str = "", rest: str | None = None) -> list[str]:
    """Lines of at most `width` columns, but no word is cut: names and addresses are for copying."""
    lines = textwrap.wrap(
        one_line(text),
        max(width, NARROWEST),
        initial_indent=first,
        subsequent_indent=" " * len(first) if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines or [first.rstrip()]


def entry(label: str, text: str, style: Style) -> list[str]:
    """A line with its word at the left, wrapped beside it."""
    first, *rest = wrap(text, style.width - LABEL)
    lines = [style.paint(label.ljust(LABEL), Tone.TITLE) + first]
    return lines + [" " * LABEL + line for line in rest]


def flow(pieces: Iterable[tuple[str, str]], width: int, indent: str) -> Iterator[str]:
    """Put pieces (plain, painted) side by side, and on a new line where `width` is reached."""
    line, used = indent, len(indent)
    for plain, painted in pieces:
        if used > len(indent) and used + 1 + len(plain) > max(width, NARROWEST):
            yield line
            line, used = indent, len(indent)
        gap = "" if used == len(indent) else " "
        line, used = f"{line}{gap}{painted}", used + len(gap) + len(plain)
    yield line
