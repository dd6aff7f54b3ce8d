"""YAML: the same shape as JSON."""

from __future__ import annotations

from kubectl_dnsdebug.report.render import data
from kubectl_dnsdebug.report.render.style import Style
from kubectl_dnsdebug.report.report import Report, as_json


def render(report: Report, style: Style) -> str:
    return data.text(as_json(report), "yaml", style)
