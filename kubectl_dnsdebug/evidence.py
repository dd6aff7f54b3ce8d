"""The evidence file: everything learned from the cluster, as JSON that a person can read.

`load(dump(evidence))` is the same evidence. A live run analyses what it loads back, so `replay`
walks the same path.
"""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Any, cast, get_args, get_origin, get_type_hints

from kubectl_dnsdebug import __version__
from kubectl_dnsdebug.hygiene import one_line, read_json
from kubectl_dnsdebug.model import DnsdebugError, Evidence, Subject

FORMAT = "dnsdebug.evidence/v1"
_FILE = json.JSONEncoder(indent=1, ensure_ascii=False)


class EvidenceError(DnsdebugError):
    """The file is no evidence of this tool, or of a version this one cannot read."""


def dump(evidence: Evidence) -> str:
    """The file's text. Fields at their default are left out."""
    text = io.StringIO()  # of thousands of nodes: not all pieces at once, then all of it again
    text.writelines(_FILE.iterencode({"format": FORMAT, **_plain(evidence)}))
    return text.getvalue() + "\n"


def load(text: str) -> Evidence:
    """Read a file's text back; it may come from anybody. Raises EvidenceError."""
    try:
        data = read_json(text, _refuse)
    except (ValueError, RecursionError) as wrong:
        raise EvidenceError(f"not an evidence file: {wrong}") from None
    found = data.get("format") if isinstance(data, dict) else None
    if not str(found).startswith(FORMAT.partition("/")[0]):
        raise EvidenceError(
            f"not an evidence file: its format is {one_line(repr(found), 60)}, not {FORMAT!r}; "
            "--save keeps evidence, -o json prints a report"
        )
    if found != FORMAT:
        raise EvidenceError(
            f"the file's format is {one_line(repr(found), 60)}, this version of dnsdebug reads "
            f"{FORMAT!r}: replay it with the version that wrote it"
        )
    del data["format"]
    try:
        evidence: Evidence = _typed(Evidence, data)
        for target in evidence.request.targets:
            Subject.parse(target)
    except (TypeError, ValueError) as wrong:
        raise unfit(str(data.get("tool") or __version__), wrong) from None
    return evidence


def unfit(tool: str, wrong: Exception) -> EvidenceError:
    """What to say of a file by that version of the tool which this one cannot make sense of."""
    what = one_line(f"{type(wrong).__name__}: {wrong}")
    if tool != __version__:
        return EvidenceError(
            f"the evidence is of dnsdebug {one_line(tool, 60)}, and this version, {__version__}, "
            f"cannot read it ({what}): replay it with the version that wrote it"
        )
    return EvidenceError(
        f"the evidence file is damaged ({what}); if nobody has changed it, this is a bug, please "
        "report it: rerun with DNSDEBUG_DEBUG=1 for the traceback"
    )


def _refuse(number: str) -> None:
    raise ValueError(f"{number} is no number")


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
    """The value as a record of that kind, whole. Raises TypeError or ValueError."""
    if isinstance(kind, UnionType):
        if value is None:
            return None
        kind = next(each for each in get_args(kind) if each is not type(None))
    if kind is Any:
        return value
    if kind is Subject:
        return Subject.parse(_as(str, value))
    if dataclasses.is_dataclass(kind):
        hints = _hints(cast(type, kind))
        fields = {name: _typed(hints.get(name, Any), v) for name, v in _as(dict, value).items()}
        return cast(type, kind)(**fields)
    if get_origin(kind) is tuple:
        return tuple(_typed(get_args(kind)[0], each) for each in _as(list, value))
    if get_origin(kind) is Mapping:
        return {key: _typed(get_args(kind)[1], each) for key, each in _as(dict, value).items()}
    if kind is float and type(value) is int:
        return value
    return kind(value) if issubclass(kind, StrEnum) else _as(kind, value)


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _as(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{json.dumps(value)[:40]} where a {kind.__name__} should be")
    return value
