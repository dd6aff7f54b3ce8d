"""The resolv.conf diff: pod, expected, host; only what differs, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator

from tabulate import tabulate

from kubectl_dnsdebug.pictures import Comparison, Difference
from kubectl_dnsdebug.render.style import Style, Tone, one_line, wrap


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
