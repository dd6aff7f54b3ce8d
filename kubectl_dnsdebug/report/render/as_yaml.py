"""YAML: the same shape as JSON."""

from __future__ import annotations

import yaml

from kubectl_dnsdebug.report.render.style import Style
from kubectl_dnsdebug.report.report import Report, as_json


def render(report: Report, style: Style) -> str:
    return str(
        yaml.safe_dump(
            as_json(report), sort_keys=False, allow_unicode=style.unicode, width=style.width
        )
    )
