"""JSON: the public shape, described by `report.schema.json`."""

from __future__ import annotations

import json

from kubectl_dnsdebug.report.render.style import Style
from kubectl_dnsdebug.report.report import Report, as_json


def render(report: Report, style: Style) -> str:
    return json.dumps(as_json(report), indent=2, ensure_ascii=not style.unicode) + "\n"
