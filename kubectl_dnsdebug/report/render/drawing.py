"""The path as a drawing: where each station and each line between them goes. No markup here.

Two layouts, for a wide and for a narrow screen. Text in a drawing does not wrap by itself, so that
labels are broken here, by the width of a monospaced character.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from kubectl_dnsdebug.report.pictures import Hop, HopState
from kubectl_dnsdebug.report.render.style import one_line

STAGES = ("pod", "nameserver", "DNS pods", "upstream")
MOST = 8  # hops of one stage that are drawn; of the others only how many there are
CHARACTER, LINE = 7.6, 17  # pixels of the labels' font
PAD, ICON, TITLE = 12, 30, 26
MOST_LINES = 3
WIDE_BOX, WIDE_GAP, STACK = 232, 56, 12
TALL_BOX, TALL_WIDTH = 318, 350


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One station. `lines` are its label, `said` what became of it, `full` all of that."""

    x: float
    y: float
    width: float
    height: float
    state: HopState
    lines: tuple[str, ...]
    said: tuple[str, ...]
    full: str

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A connection. One that leads to a station has its state, and where its mark stands."""

    path: str
    state: HopState | None = None
    arrow: str = ""
    mark: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """`titles` are (x, y, text)."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    titles: tuple[tuple[float, float, str], ...]


def said(hop: Hop) -> str:
    """A station's state in words: no reader should depend on its colour."""
    if hop.stage == 0:
        return hop.detail or ("libc not seen" if hop.state is HopState.OK else hop.state.value)
    return hop.detail or hop.state.value


def shown(hops: Sequence[Hop]) -> list[list[Hop]]:
    """The hops by stage, the broken ones first among too many."""
    stages = []
    for stage in sorted({hop.stage for hop in hops}):
        here = [hop for hop in hops if hop.stage == stage]
        if len(here) > MOST:
            order = (HopState.BROKEN, HopState.UNKNOWN, HopState.OK)
            here.sort(key=lambda hop: order.index(hop.state))
            rest = here[MOST - 1 :]
            states = ", ".join(
                f"{count} {state.value}"
                for state in order
                if (count := sum(hop.state is state for hop in rest))
            )
            more = Hop(stage=stage, label=f"{len(rest)} more", state=rest[0].state, detail=states)
            here = [*here[: MOST - 1], more]
        stages.append(here)
    return stages


def wide(hops: Sequence[Hop]) -> Drawing:
    """Stages side by side."""
    stages = shown(hops)
    columns = []
    for place, stage in enumerate(stages):
        x = place * (WIDE_BOX + WIDE_GAP)
        columns.append([*_stacked(stage, x, TITLE, WIDE_BOX)])
    height = max(column[-1].y + column[-1].height for column in columns)
    columns = [_centred(column, height) for column in columns]
    lines = []
    for left, right in pairwise(columns):
        bus = left[0].x + WIDE_BOX + WIDE_GAP * 0.34
        ends = [box.middle for box in (*left, *right)]
        if max(ends) > min(ends):
            lines.append(Line(path=f"M{bus:g} {min(ends):g}V{max(ends):g}"))
        lines += [Line(path=f"M{box.x + WIDE_BOX:g} {box.middle:g}H{bus:g}") for box in left]
        lines += [_tick(bus, box) for box in right]
    titles = [
        (column[0].x, 14.0, STAGES[stage[0].stage])
        for column, stage in zip(columns, stages, strict=True)
    ]
    return Drawing(
        width=len(columns) * (WIDE_BOX + WIDE_GAP) - WIDE_GAP,
        height=height,
        boxes=tuple(box for column in columns for box in column),
        lines=tuple(lines),
        titles=tuple(titles),
    )


def tall(hops: Sequence[Hop]) -> Drawing:
    """Stages one below the other, along one trunk."""
    x, trunk, y = TALL_WIDTH - TALL_BOX, 1.5, 0.0
    boxes: list[Box] = []
    titles = []
    for stage in shown(hops):
        titles.append((x, y + 14, STAGES[stage[0].stage]))
        boxes += _stacked(stage, x, y + TITLE, TALL_BOX)
        y = boxes[-1].y + boxes[-1].height + STACK
    first, *rest = boxes
    lines = [Line(path=f"M{x:g} {first.middle:g}H{trunk:g}V{boxes[-1].middle:g}")] if rest else []
    return Drawing(
        width=TALL_WIDTH,
        height=y - STACK,
        boxes=tuple(boxes),
        lines=(*lines, *(_tick(trunk, box) for box in rest)),
        titles=tuple(titles),
    )


def _tick(start: float, box: Box) -> Line:
    mark = ((start + box.x - 8) / 2, box.middle) if box.state is not HopState.OK else None
    end, y = box.x - 1, box.middle
    return Line(
        path=f"M{start:g} {y:g}H{end - 6:g}",
        state=box.state,
        arrow=f"M{end:g} {y:g}l-8 -4.5v9z",
        mark=mark,
    )


def _stacked(hops: Sequence[Hop], x: float, y: float, width: float) -> Iterator[Box]:
    letters = int((width - ICON - PAD) / CHARACTER)
    for hop in hops:
        label, words = one_line(hop.label), one_line(said(hop))
        above, below = broken(label, letters, MOST_LINES), broken(words, letters, MOST_LINES)
        height = (len(above) + len(below)) * LINE + PAD
        yield Box(
            x=x,
            y=y,
            width=width,
            height=height,
            state=hop.state,
            lines=above,
            said=below,
            full=f"{label}: {words}",
        )
        y += height + STACK


def _centred(column: Sequence[Box], height: float) -> list[Box]:
    shift = (height - column[-1].y - column[-1].height) / 2
    return [replace(box, y=box.y + shift) for box in column]


_PLACES = re.compile(r"[^\s@./:-]*[@./:-]?|\s")


def broken(text: str, letters: int, most: int) -> tuple[str, ...]:
    """At most `most` lines of so many letters, broken where names have joints."""
    lines = [""]
    for piece in filter(None, _PLACES.findall(text)):
        for start in range(0, len(piece), letters):
            part = piece[start : start + letters]
            if len(lines[-1]) + len(part.rstrip()) > letters:
                lines.append("")
            lines[-1] += part if lines[-1] or part.strip() else ""
            if len(lines) > most:
                return (
                    *(line.rstrip() for line in lines[: most - 1]),
                    _cut(lines[most - 1], letters),
                )
    return tuple(line.rstrip() for line in lines)


def _cut(line: str, letters: int) -> str:
    return line.rstrip()[: letters - 3] + "..."
