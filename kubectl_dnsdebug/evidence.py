"""The evidence file: everything learned from the cluster, as JSON that a person can read.

`load(dump(evidence))` is the same evidence. A live run analyses what it loads back, so `replay`
walks the same path.
"""

from __future__ import annotations

import dataclasses
import json
from enum import StrEnum
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from kubectl_dnsdebug.hygiene import clean_json
from kubectl_dnsdebug.model import DnsdebugError, Evidence, Subject

FORMAT = "dnsdebug.evidence/v1"


class EvidenceError(DnsdebugError):
    """The file is no evidence of this tool, or of a version this one cannot read."""


def dump(evidence: Evidence) -> str:
    """The file's text. Fields at their default are left out."""
    return json.dumps({"format": FORMAT, **_plain(evidence)}, indent=1, ensure_ascii=False) + "\n"


def load(text: str) -> Evidence:
    """Read a file's text back; it may come from anybody. Raises EvidenceError."""
    try:
        data = clean_json(json.loads(text))
    except ValueError as wrong:
        raise EvidenceError(f"not an evidence file: {wrong}") from None
    found = data.get("format") if isinstance(data, dict) else None
    if found != FORMAT:
        raise EvidenceError(
            f"the file's format is {found!r}, this version of dnsdebug reads {FORMAT!r}: "
            "replay it with the version that wrote it"
        )
    del data["format"]
    try:
        evidence = _typed(Evidence, data)
    except (TypeError, ValueError, KeyError, AttributeError) as wrong:
        raise EvidenceError(f"the evidence file is damaged: {wrong}") from None
    assert isinstance(evidence, Evidence)
    return evidence


def _plain(value: Any) -> Any:
    if isinstance(value, Subject):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(held)
            for field in dataclasses.fields(value)
            if (held := getattr(value, field.name)) != _default(field)
        }
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _typed(kind: Any, value: Any) -> Any:
    if isinstance(kind, UnionType):
        if value is None:
            return None
        kind = next(each for each in get_args(kind) if each is not type(None))
    if kind is Subject:
        return Subject.parse(value)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind(value)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(**{name: _typed(hints[name], held) for name, held in value.items()})
    if get_origin(kind) is tuple:
        return tuple(_typed(get_args(kind)[0], each) for each in value)
    return value
