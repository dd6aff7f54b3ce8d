"""The screen of `diff`: every line of the three files, those that differ explained."""

from __future__ import annotations

from collections.abc import Iterator

from tabulate import tabulate

from kubectl_dnsdebug.report import conf_diff
from kubectl_dnsdebug.report.exits import Exit
from kubectl_dnsdebug.report.pictures import Comparison
from kubectl_dnsdebug.report.render import files
from kubectl_dnsdebug.report.render.style import Style, Tone, one_line, wrap


def render(found: Comparison, style: Style) -> str:
    lines = [f"resolv.conf of {style.paint(one_line(str(found.pod)), Tone.TITLE)}"]
    if found.has or found.expected or found.host:
        lines += ["", *_grid(found, style)]
    lines += [""] if found.gaps else []
    for gap in found.gaps:
        lines += wrap(f"could not be seen: {gap}", style.width)
    lines += ["", *_end(found, style)]
    return style.final("\n".join(line.rstrip() for line in lines) + "\n")


def _grid(found: Comparison, style: Style) -> Iterator[str]:
    """The reason stands beneath its line."""
    shown = [*files.lines(found)]
    rows = [
        [
            "!" if line.why else "",
            f"{line.kind} {one_line(line.value)}",
            *("?" if has is None else "yes" if has else "no" for has in line.has),
        ]
        for line in shown
    ]
    text = tabulate(
        rows,
        headers=["", "line", "pod", "kubelet would write", "host"],
        tablefmt="plain",
        disable_numparse=True,
    )
    head, *body = text.splitlines()
    yield style.paint(head, Tone.TITLE)
    for row, line in zip(body, shown, strict=True):
        yield style.paint(row, Tone.BAD) if line.why else row
        yield from wrap(line.why, style.width, first="     ") if line.why else ()


def _end(found: Comparison, style: Style) -> Iterator[str]:
    code = conf_diff.exit_code(found)
    tone, text = {
        Exit.HEALTHY: (Tone.GOOD, "the pod has the file that kubelet would write"),
        Exit.CAUSES: (Tone.BAD, "the pod's file is not the one that kubelet would write"),
    }.get(code, (Tone.DOUBTFUL, "inconclusive: not all that is compared could be read"))
    yield f"{style.mark(tone)} {style.paint(f'{text}. Exit code {code}.', tone)}"
