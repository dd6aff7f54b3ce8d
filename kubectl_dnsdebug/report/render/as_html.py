"""HTML: one file that needs no network and no script, for a colleague, an incident, a phone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from kubectl_dnsdebug import __version__
from kubectl_dnsdebug.model import Evidence, Severity, Status, Transport
from kubectl_dnsdebug.report.pictures import Cell, Hop, HopState, Matrix, Row
from kubectl_dnsdebug.report.render import (
    drawing,
    files,
    grid,
    moments,
    nodes,
    verdict,
    walk,
    watch,
    watch_drawing,
)
from kubectl_dnsdebug.report.render.style import Style, Tone, brief, one_line
from kubectl_dnsdebug.report.report import Conclusion, Report
from kubectl_dnsdebug.report.unknowns import UNEXPLAINED
from kubectl_dnsdebug.report.walks import Resolution
from kubectl_dnsdebug.report.watch import MOST_CHANGES, told

if TYPE_CHECKING:
    from jinja2 import Template

HERE = Path(__file__).parent
SLOW = (10, 100, 1000)  # ms: where a shade of the heat map ends
_CLASS = {
    Tone.GOOD: "good",
    Tone.BAD: "bad",
    Tone.DOUBTFUL: "doubtful",
    Tone.INFO: "info",
    Tone.QUIET: "quiet",
}
_SEVERITY = {Severity.ERROR: "bad", Severity.WARNING: "doubtful", Severity.INFO: "info"}
_STATE = {HopState.OK: "good", HopState.BROKEN: "bad", HopState.UNKNOWN: "doubtful"}
_OUTCOME = {
    Conclusion.HEALTHY: ("good", "Healthy"),
    Conclusion.PROBLEMS: ("bad", "Problems found"),
    Conclusion.INCONCLUSIVE: ("doubtful", "Inconclusive"),
    Conclusion.UNPROBED: ("doubtful", "No fault seen, nothing probed"),
}


@cache
def _template(name: str) -> Template:
    # Late: most runs print a table, and a template engine takes a while to load.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup, escape

    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["line"] = brief
    environment.filters["whole"] = one_line
    # Long names break at their dots rather than anywhere.
    environment.filters["joints"] = lambda text: escape(brief(text)).replace(".", Markup(".<wbr>"))
    # The style sheet is ours, and nothing of the cluster's is in it.
    environment.globals["style"] = Markup((HERE / "report.css").read_text("utf-8"))
    environment.globals.update(
        version=__version__,
        css=_CLASS,
        nodes=nodes,
        cell=walk.cell,
        fares=walk.fares,
        sentence=walk.sentence,
        turns=walk.turns,
        watched=watch,
        strips=watch_drawing,
        change_told=told,
        most_changes=MOST_CHANGES,
    )
    return environment.get_template(name)


def render(report: Report, style: Style) -> str:
    page = _template("report.html.j2").render(
        report=report,
        title=f"DNS of {verdict.what(report) or 'the cluster'}",
        context=report.target["context"],
        collected_at=report.target["collected_at"],
        outcome=_OUTCOME[report.outcome],
        headline=verdict.headline(report).removeprefix(f"{report.outcome.value}: "),
        exit_code=report.exit_code,
        meaning=verdict.meaning(report),
        severity_class=_SEVERITY,
        state_class=_STATE,
        unexplained=[each for each in report.unknown if each.rule == UNEXPLAINED],
        shades=_shades,
        marks=_marks,
        file_lines=files.lines,
        drawing=drawing,
        verdict=verdict,
        entries=list(moments.entries(report)),
        phases=moments.phases(report),
        paths_of_nodes=[_from_node(hops) for hops in report.paths] if report.sweep else (),
    )
    return _carried(page, style)


def _from_node(hops: Sequence[Hop]) -> list[Hop]:
    """Of a node it is our own pod that asks: no library of anybody's to be seen."""
    first, *others = hops
    return [replace(first, detail=first.detail or "a plain pod there"), *others]


def render_walk(found: Resolution, evidence: Evidence, style: Style) -> str:
    """The page of one name, looked for as programs do."""
    tone, words = walk.ending(found)
    title = {Tone.GOOD: "Resolves", Tone.BAD: "Does not resolve"}.get(tone, "Inconclusive")
    page = _template("walk.html.j2").render(
        found=found,
        title=f"{found.name} in {found.pod}",
        context=evidence.context,
        collected_at=evidence.collected_at,
        outcome=(_CLASS[tone], title),
        headline=words.removeprefix("inconclusive: "),
        exit_code=found.exit_code,
        meaning="",
    )
    return _carried(page, style)


def _carried(page: str, style: Style) -> str:
    """A reference says the same in any encoding, whatever carries the file."""
    return page if style.unicode else page.encode("ascii", "xmlcharrefreplace").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What one server said over one transport, and the CSS class of its shade."""

    way: str
    said: str
    took: str
    shade: str


def _marks(row: Row, server: str) -> list[Mark]:
    """One or two; one for both transports where both were good. None where nothing was asked."""
    cells = {way: cell for way in Transport if (cell := row.cells.get((server, way)))}
    words = {grid.said(cell) for cell in cells.values()}
    if len(cells) == 2 and words == {"ok"}:
        slowest = max(cells.values(), key=lambda cell: cell.ms or 0)
        return [_mark("UDP+TCP", slowest, grid.took(*cells.values()))]
    return [_mark(way.value.upper(), cell, grid.took(cell)) for way, cell in cells.items()]


def _mark(way: str, cell: Cell, took: str) -> Mark:
    return Mark(way=way, said=grid.said(cell), took=took.replace("ms", " ms"), shade=_shade(cell))


def _shade(cell: Cell) -> str:
    if cell.status is Status.NOERROR and cell.has_records:
        return f"heat{sum((cell.ms or 0) >= limit for limit in SLOW)}"
    return _CLASS[grid.tone(cell)]


def _shades(matrix: Matrix) -> list[tuple[str, str]]:
    """The legend: (class, meaning) of what occurs."""
    words = {
        "heat0": f"answered in under {SLOW[0]} ms",
        "heat1": f"under {SLOW[1]} ms",
        "heat2": f"under {SLOW[2]} ms",
        "heat3": "slower",
        "quiet": "NODATA: the name is there, a record of that type is not",
        "doubtful": "no such name",
        "bad": "refused, failed or silent",
    }
    seen = {_shade(cell) for row in matrix.rows for cell in row.cells.values()}
    return [(shade, meaning) for shade, meaning in words.items() if shade in seen]
