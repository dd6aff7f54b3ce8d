"""A watch on the screen: while it runs, and as part of the report."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.report.render.style import Style, Tone, one_line, wrap
from kubectl_dnsdebug.report.watch import (
    MOST_CHANGES,
    SLOTS,
    STEPS,
    Bar,
    Client,
    Picture,
    Row,
    slot_of,
    told,
)

INDENT = "  "
COLUMNS = 53  # that a row of numbers takes besides its label
BAR = 24  # columns of the longest bar of the histogram


def line(picture: Picture) -> str:
    """All on one line, for where there is no terminal."""
    parts = [f"watched {picture.seconds:.0f} of {picture.asked_for:.0f} s", _total(picture)]
    parts += [f"{row.label}: {row.lost} of {row.asked} lost" for row in picture.rows if row.lost]
    parts += [f"+{each.at:.0f} s {told(each)}" for each in picture.changes[-1:]]
    return "; ".join(map(one_line, parts))


def live(picture: Picture, style: Style) -> str:
    """The screen while it runs."""
    head = f"watched {picture.seconds:.0f} of {picture.asked_for:.0f} s; Ctrl-C ends the watch"
    lines = [style.paint(head, Tone.TITLE), *_table(picture, style)]
    lines += [*_strips(picture, style)]
    for each in picture.changes[-3:]:
        lines += wrap(f"+{each.at:.1f} s {told(each)}", style.width, first=INDENT)
    return style.final("\n".join(lines))


def part(picture: Picture, style: Style) -> Iterator[str]:
    """What the report shows of it."""
    yield ""
    yield from wrap(length(picture), style.width, first="watch        ")
    yield from _table(picture, style)
    yield from _outcomes(picture, style)
    if picture.bars:
        yield from ("", *_histogram(picture, style))
    for each in picture.clients:
        yield from wrap(says(each), style.width, first=INDENT, rest=INDENT * 2)
    if picture.lost or picture.changes:
        yield from ("", *_strips(picture, style))
        yield from _changes(picture, style)
    for gap in picture.gaps:
        yield from wrap(f"not followed: {gap}", style.width, first=INDENT, rest=INDENT * 2)


def length(picture: Picture) -> str:
    """How long it was, and what came of it in all."""
    return f"{picture.seconds:.0f} of {picture.asked_for:.0f} s; {_total(picture)}"


def _total(picture: Picture) -> str:
    return f"{picture.asked} questions, {picture.lost} lost"


def _table(picture: Picture, style: Style) -> Iterator[str]:
    if not picture.rows:
        return
    room = max(style.width - COLUMNS, 20)
    wide = min(room, max(len(one_line(row.label)) for row in picture.rows))
    heads = _columns("asked", "lost", "p50", "p90", "p99", "max ms")
    yield f"{INDENT}{'':5}{'':{wide}}{heads}"
    for number, row in enumerate(picture.rows, 1):
        times = map(ms, (row.p50, row.p90, row.p99, row.longest))
        text = _columns(str(row.asked), loss(row), *times)
        shown = style.paint(text, Tone.BAD) if row.lost else text
        yield f"{INDENT}{f'[{number}]':5}{_cut(one_line(row.label), room):{wide}}{shown}"


def _columns(*cells: str) -> str:
    return "".join(f"{cell:>{wide}}" for cell, wide in zip(cells, (7, 9, 7, 7, 7, 8), strict=True))


def loss(row: Row) -> str:
    """How many were lost, and of a hundred."""
    return f"{row.lost} {100 * row.series.rate:.0f}%" if row.lost else "0"


def ms(value: float | None) -> str:
    """A time as a table shows it."""
    if value is None:
        return "-"
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 2] + ".."


def _outcomes(picture: Picture, style: Style) -> Iterator[str]:
    """Answers that were not as one hopes."""
    for number, row in enumerate(picture.rows, 1):
        if row.others:
            said = ", ".join(f"{count} {word.upper()}" for word, count in row.others)
            yield from wrap(f"[{number}] besides: {said}", style.width, first=INDENT)
        if row.apart:
            said = f"[{number}] {row.apart} more when it was no endpoint, which do not count"
            yield from wrap(said, style.width, first=INDENT)


def _histogram(picture: Picture, style: Style) -> Iterator[str]:
    yield f"{INDENT}{'answers within':16} {'':{BAR}} {'answers':>8} {'getent':>7}"
    most = max(bar.answers + bar.lookups for bar in picture.bars)
    for bar in picture.bars:
        count = bar.answers + bar.lookups
        length = -(-count * BAR // most) if most else 0
        drawn = ("█" if style.unicode else "#") * length
        tone = Tone.BAD if bar.first in STEPS and count else Tone.QUIET
        text = f"{within(bar):16} {style.paint(drawn, tone)}{' ' * (BAR - length)}"
        yield f"{INDENT}{text} {bar.answers:8} {bar.lookups:7}"
        if bar.step and count:
            yield from wrap(bar.step, style.width, first=INDENT * 2 + "^ ")


def within(bar: Bar) -> str:
    """Up to when the answers of a bar came."""
    if bar.last is None:
        return f"more than {bar.first / 1000:.3g} s"
    return f"{bar.last:.3g} ms" if bar.last < 1000 else f"{bar.last / 1000:.3g} s"


def says(client: Client) -> str:
    """What programs would have felt of what was lost."""
    parts = [f"{count} waited {wait:.3g} s" for wait, count in client.waits]
    parts += [f"{client.failed} failed"] if client.failed else []
    felt = ", ".join(parts) or "none waited"
    return f"with the same losses {client.lookups} look-ups of a {client.libc} program: {felt}"


def _strips(picture: Picture, style: Style) -> Iterator[str]:
    """A line for each series that lost something, and one that marks changes."""
    lossy = [(number, row) for number, row in enumerate(picture.rows, 1) if row.lost]
    if not lossy and not picture.changes:
        return
    width = max(picture.seconds, 1.0) / SLOTS
    legend = f"time line, {width:.2g} s a column: . answered, x some lost, X all lost, ^ a change"
    yield from wrap(legend, style.width, first=INDENT)
    for number, row in lossy:
        drawn = "".join(_slot(asked, lost) for asked, lost in row.slots)
        yield f"{INDENT}{f'[{number}]':5}{style.paint(drawn, Tone.BAD)}"
    if picture.changes:
        places = {slot_of(each.at, max(picture.seconds, 1.0)) for each in picture.changes}
        yield f"{INDENT}{'':5}{''.join('^' if n in places else ' ' for n in range(SLOTS))}"


def _slot(asked: int, lost: int) -> str:
    if not asked:
        return " "
    return "." if not lost else "X" if lost == asked else "x"


def _changes(picture: Picture, style: Style) -> Iterator[str]:
    for each in picture.changes[:MOST_CHANGES]:
        yield from wrap(told(each), style.width, first=f"{INDENT}{f'+{each.at:.1f} s':>9}  ")
    if len(picture.changes) > MOST_CHANGES:
        yield f"{INDENT}{len(picture.changes) - MOST_CHANGES} more changes: see -o json"
