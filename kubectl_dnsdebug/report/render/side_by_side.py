"""The screen of `diff`: every line of the files, those that differ explained."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Scope
from kubectl_dnsdebug.report import conf_diff
from kubectl_dnsdebug.report.conf_diff import Diff, Line
from kubectl_dnsdebug.report.exits import Exit
from kubectl_dnsdebug.report.line_reasons import Column
from kubectl_dnsdebug.report.render.style import Style, Tone, one_line, wrap

_GAP = 2  # between columns


def render(found: Diff, style: Style) -> str:
    target = str(found.files.pod)
    of_pod = bool(found.node and found.files.pod.scope is Scope.POD)
    where = f" on node/{one_line(found.node)}" if of_pod else ""
    lines = [f"resolv.conf of {style.paint(one_line(target), Tone.TITLE)}{where}", ""]
    columns = [each for each in found.columns if each.conf or not each.path]
    if found.lines:
        lines += [*_legend(columns, style), "", *_grid(found, columns, style)]
    lines += [""] if found.gaps else []
    for gap in found.gaps:
        lines += wrap(f"could not be seen: {gap}", style.width)
    lines += ["", *_end(found, style)]
    return style.final("\n".join(line.rstrip() for line in lines) + "\n")


def _legend(columns: list[Column], style: Style) -> Iterator[str]:
    """What each column is."""
    widest = max(len(each.key) for each in columns)
    for each in columns:
        path = f": {each.path}" if each.path else ""
        if each.leads_to != each.path:
            path += f" -> {each.leads_to}"
        first = f"  {each.key.ljust(widest)}  "
        yield from wrap(each.what + path, style.width, first=first)


def _grid(found: Diff, columns: list[Column], style: Style) -> Iterator[str]:
    """The reason stands beneath its line, once for lines that share it."""
    marks = sum(_GAP + len(each.key) for each in columns)
    texts = [f"{line.kind} {one_line(line.value)}" for line in found.lines]
    room = max(len("line"), *(len(t) for t in texts if 2 + len(t) + marks <= style.width), 0)
    keys = "".join(" " * _GAP + each.key for each in columns)
    yield style.paint(f"  {'line'.ljust(room)}{keys}", Tone.TITLE)
    for place, (line, text) in enumerate(zip(found.lines, texts, strict=True)):
        said = f"{'!' if line.differs else ' '} "
        cells = "".join(
            " " * _GAP + _mark(line, each.key).ljust(len(each.key)) for each in columns
        ).rstrip()
        rows = [f"{said}{text.ljust(room)}{cells}"]
        if len(text) > room:  # too long for the screen: its marks stand beneath
            rows = [f"{said}{text}", f"  {' ' * room}{cells}"]
        yield from (style.paint(row, Tone.BAD) if line.differs else row for row in rows)
        following = found.lines[place + 1 : place + 2]
        if line.why and not any(_alike(line, each) for each in following):
            yield from wrap(line.why, style.width, first="      ")


def _mark(line: Line, key: str) -> str:
    has = line.has[key]
    return "?" if has is None else "yes" if has else "no"


def _alike(line: Line, other: Line) -> bool:
    return (line.kind, line.why, line.has) == (other.kind, other.why, other.has)


def _end(found: Diff, style: Style) -> Iterator[str]:
    code = conf_diff.exit_code(found)
    of_pod = found.files.pod.scope is Scope.POD
    who = "the pod has the file" if of_pod else "pods get the file"
    tone, text = {
        Exit.HEALTHY: (Tone.GOOD, f"{who} that kubelet would write"),
        Exit.CAUSES: (Tone.BAD, "a file is not the one that kubelet would write"),
    }.get(code, (Tone.DOUBTFUL, "inconclusive: not all that is compared could be read"))
    text = f"{text}. Exit code {code}."
    first, *more = wrap(text, style.width - 2)
    yield f"{style.mark(tone)} {style.paint(first, tone)}"
    yield from (f"  {style.paint(each, tone)}" for each in more)
