"""The resolv.conf diff: pod, expected, host; what differs with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tabulate import tabulate

from kubectl_dnsdebug.parse import resolvconf
from kubectl_dnsdebug.report.pictures import Comparison, Difference
from kubectl_dnsdebug.report.render.style import Style, Tone, one_line, wrap


def differences(comparison: Comparison, style: Style) -> Iterator[str]:
    yield ""
    if not comparison.differences and not comparison.gaps:
        yield "resolv.conf  as kubelet would write it"
        return
    if comparison.differences:
        yield from _table(comparison, style)
    elif comparison.has and comparison.expected:
        yield "resolv.conf  as kubelet would write it, as far as could be seen"
    gaps: dict[str, list[str]] = {}
    for gap in comparison.gaps:
        file, _, reason = gap.partition(": ")
        gaps.setdefault(reason, []).append(file)
    for reason, missing in gaps.items():
        text = f"{' and '.join(missing)} could not be seen: {reason}"
        yield from wrap(text, style.width, first="resolv.conf  ")


def _table(comparison: Comparison, style: Style) -> Iterator[str]:
    """Marks, not the values three times over; the reason beneath its line."""
    rows = [
        [_line(each, style), *(_has(each, flag, style) for flag in _flags(each))]
        for each in comparison.differences
    ]
    text = tabulate(
        rows,
        headers=["resolv.conf", "pod", "expected", "host"],
        tablefmt="plain",
        disable_numparse=True,
    )
    head, *body = text.splitlines()
    yield style.paint(head, Tone.TITLE)
    for line, each in zip(body, comparison.differences, strict=True):
        yield line
        yield from wrap(each.why, style.width, first="    ")


def _line(each: Difference, style: Style) -> str:
    text = f"  {each.kind.value} {one_line(each.value)}"
    room = max(style.width - 22, 20)
    return text if len(text) <= room else text[: room - 3] + "..."


def _flags(each: Difference) -> tuple[bool | None, ...]:
    return each.in_pod, each.in_expected, each.in_host


def _has(each: Difference, flag: bool | None, style: Style) -> str:
    if each.in_pod and each.in_expected:
        return "order" if flag is not None else ""
    if flag is None:
        return "?"
    return "yes" if flag else style.paint("no", Tone.QUIET)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A value and in which file it is (pod, expected, host); None for a file that is unknown."""

    kind: str
    value: str
    has: tuple[bool | None, ...]
    why: str


def lines(comparison: Comparison) -> Iterator[Line]:
    """Every value of the three files, in kubelet's order; last, what is in the wrong order."""
    files = (comparison.has, comparison.expected, comparison.host)
    values = [resolvconf.lines(file) if file else None for file in files]
    why = {(each.kind, each.value): each.why for each in comparison.differences}
    for kind in resolvconf.Kind:
        have = [None if each is None else each[kind] for each in values]
        for value in dict.fromkeys(_joined(have[1], have[0], have[2])):
            yield Line(
                kind=kind.value,
                value=value,
                has=tuple(None if each is None else value in each for each in have),
                why=why.get((kind, value), ""),
            )
    for each in comparison.differences:
        if each.in_pod and each.in_expected:
            value = f"in the order {each.value}"
            has = (True, False, each.in_host)
            yield Line(kind=each.kind.value, value=value, has=has, why=each.why)


def _joined(*lists: Iterable[str] | None) -> Iterator[str]:
    for each in lists:
        yield from each or ()
