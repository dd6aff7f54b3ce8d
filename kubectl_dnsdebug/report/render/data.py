"""A public shape as a program reads it: JSON, or YAML with the same fields."""

from __future__ import annotations

import json
from typing import Any

from kubectl_dnsdebug.report.render.style import Style


def text(shape: dict[str, Any], form: str, style: Style) -> str:
    """`form` is json or yaml."""
    if form == "json":
        return json.dumps(shape, indent=2, ensure_ascii=not style.unicode) + "\n"
    import yaml

    return str(
        yaml.safe_dump(shape, sort_keys=False, allow_unicode=style.unicode, width=style.width)
    )
