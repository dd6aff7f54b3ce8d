"""Three lines for a chat: what and how it ended, the cause, the fix."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.report.render.style import Style, one_line
from kubectl_dnsdebug.report.render.verdict import fix, headline, named, what
from kubectl_dnsdebug.report.report import Conclusion, Report
from kubectl_dnsdebug.report.unknowns import UNEXPLAINED

LONGEST = 300  # characters of a line


def render(report: Report, style: Style) -> str:
    return style.final("\n".join(_cut(line) for line in _lines(report)) + "\n")


def _lines(report: Report) -> Iterator[str]:
    where = report.target.get("context", "")
    end = f"{headline(report)} (exit code {report.exit_code})"
    yield f"dnsdebug {what(report) or 'cluster'} in {where or 'no context'}: {end}"
    if report.causes:
        found = report.causes[0].finding
        yield f"cause: {found.message} ({found.severity.value}, {found.confidence.value})"
        yield f"fix: {fix(report.causes[0])} Check: {found.verify}"
        return
    if report.outcome in (Conclusion.HEALTHY, Conclusion.UNPROBED):
        yield f"{len(report.clear)} checks clear, {len(report.unknown)} unknown"
        yield "advice: " + ("; ".join(named(c) for c in report.advice) or "none")
        return
    graves = sorted((u for u in report.unknown if u.matters), key=lambda u: u.rule != UNEXPLAINED)
    first = graves[0]
    yield f"{first.rule} on {first.subject}: {first.reason}"
    yield f"{len(report.clear)} checks clear, {len(report.unknown)} unknown"


def _cut(line: str) -> str:
    line = one_line(line)
    return line if len(line) <= LONGEST else line[: LONGEST - 3] + "..."
