"""A watch as a drawing: what was lost when, and how long answers took. No markup here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from kubectl_dnsdebug.report.watch import SLOTS, Bar, Picture, Row, slot_of

SLOT, HEIGHT = 4, 24  # pixels of one slot of the strip
WIDTH = SLOTS * SLOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A piece of the strip of one series: `height` of it lost, where that is not nothing."""

    x: int
    width: int
    height: float
    lost: bool


def strip(row: Row) -> Iterator[Mark]:
    """Slots alike are one piece; a slot in which nothing was asked is left open."""
    place = 0
    for slot, alike in groupby(row.slots):
        width = len(list(alike))
        asked, lost = slot
        if asked:
            share = lost / asked
            yield Mark(
                x=place * SLOT,
                width=width * SLOT,
                height=max(8.0, share * HEIGHT) if lost else 5.0,
                lost=bool(lost),
            )
        place += width


def told(row: Row, picture: Picture) -> str:
    """The strip in words."""
    width = max(picture.seconds, 1.0) / SLOTS
    lossy = [place for place, (_, lost) in enumerate(row.slots) if lost]
    if not lossy:
        return "nothing lost"
    spans = []
    for _, group in groupby(enumerate(lossy), lambda pair: pair[1] - pair[0]):
        places = [place for _, place in group]
        spans.append(f"{places[0] * width:.0f} to {(places[-1] + 1) * width:.0f} s")
    more = f" and {len(spans) - 6} more times" if len(spans) > 6 else ""
    return f"lost some at {', '.join(spans[:6])}{more}"


def changes(picture: Picture) -> list[int]:
    """Where the strip bears the mark of a change of the cluster."""
    span = max(picture.seconds, 1.0)
    return sorted({slot_of(each.at, span) * SLOT for each in picture.changes})


def share(bar: Bar, picture: Picture) -> float:
    """How long a bar of the histogram is, of a hundred."""
    most = max(each.answers + each.lookups for each in picture.bars)
    return 100 * (bar.answers + bar.lookups) / most if most else 0.0
