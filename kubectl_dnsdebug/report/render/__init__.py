"""Report to text: one file a format, listed here.

Pure: the caller decides width, colour and character set. What a format needs is loaded when
it is used.
"""

from __future__ import annotations

from collections.abc import Callable

from kubectl_dnsdebug.report.render.style import Style
from kubectl_dnsdebug.report.report import Report

__all__ = ["RENDERERS", "Style"]


def _table(report: Report, style: Style) -> str:
    from kubectl_dnsdebug.report.render import table

    return table.render(report, style)


def _short(report: Report, style: Style) -> str:
    from kubectl_dnsdebug.report.render import short

    return short.render(report, style)


def _json(report: Report, style: Style) -> str:
    from kubectl_dnsdebug.report.render import as_json

    return as_json.render(report, style)


def _yaml(report: Report, style: Style) -> str:
    from kubectl_dnsdebug.report.render import as_yaml

    return as_yaml.render(report, style)


def _markdown(report: Report, style: Style) -> str:
    from kubectl_dnsdebug.report.render import markdown

    return markdown.render(report, style)


def _html(report: Report, style: Style) -> str:
    from kubectl_dnsdebug.report.render import as_html

    return as_html.render(report, style)


def _junit(report: Report, style: Style) -> str:
    from kubectl_dnsdebug.report.render import as_junit

    return as_junit.render(report, style)


RENDERERS: dict[str, Callable[[Report, Style], str]] = {
    "table": _table,
    "json": _json,
    "yaml": _yaml,
    "short": _short,
    "markdown": _markdown,
    "html": _html,
    "junit": _junit,
}
