"""nslookup, of BIND and of BusyBox, and getent: tools that go through a resolver of their own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_address

from kubectl_dnsdebug.model import Record, Status
from kubectl_dnsdebug.parse.dig.outcome import (
    BOTH,
    FAILED,
    GAVE_UP,
    RCODES,
    Question,
    Result,
    absolute,
    failure,
    last,
)


def nslookup_question(words: Sequence[str]) -> list[Question]:
    """`nslookup [-type=TYPE] NAME [SERVER]`."""
    names = [word for word in words if not word.startswith("-")]
    options = dict(word[1:].partition("=")[::2] for word in words if word.startswith("-"))
    kind = next((options[key] for key in ("type", "querytype", "q") if key in options), BOTH)
    name, server = [*names, "", ""][:2]
    return [Question(name=name or ".", type=kind.upper(), server=server, search=True)]


_CANNOT_FIND = re.compile(r"\*\* server can't find \S+: ([A-Z0-9]+)")
_NO_ANSWER = re.compile(r"\*\*\* Can't find \S+: No answer")
_CANNOT_RESOLVE = re.compile(r"nslookup: can't resolve '(?!\(null\))")  # BusyBox up to 1.28
_ADDRESS = re.compile(r"Address(?: \d+)?: +(\S+)")
_ALIAS = re.compile(r"(\S+)\tcanonical name = (\S+)")
_ASKED = re.compile(r"Address:\t+(\S+)([#:])(\d+)$")
_UNWILLING = re.compile(r"nslookup: |\*\*\* Invalid option|Usage:")
_BUSYBOX_FAILED = re.compile(r"nslookup: .*'(?P<server>\S+)': (?P<why>[A-Za-z ]+)$")


def nslookup_result(questions: Sequence[Question], lines: Sequence[str]) -> list[Result]:
    """The one result. An address of either family is an answer, whatever became of the other."""
    asked = next(filter(None, map(_ASKED.match, lines)), None)
    result = _nslookup_outcome(lines, asked is not None and asked[2] == ":")
    if asked:
        result = replace(result, server=asked[1].strip("[]"), port=int(asked[3]))
    return [result]


def _nslookup_outcome(lines: Sequence[str], busybox: bool) -> Result:
    records = tuple(dict.fromkeys(_nslookup_records(lines)))
    refused = list(filter(None, map(_CANNOT_FIND.match, lines)))
    if any(record.type in ("A", "AAAA") for record in records):
        beside = refused[0][0] if refused else ""
        return Result(status=Status.NOERROR, records=records, detail=beside)
    if refused:
        status = RCODES.get(refused[0][1], Status.OTHER_RCODE)
        return Result(status=status, records=records, detail=refused[0][0])
    if any(_NO_ANSWER.match(line) for line in lines):
        return Result(status=Status.NOERROR, records=records)
    if any(_CANNOT_RESOLVE.match(line) for line in lines):
        return Result(status=Status.NO_ADDRESS, detail=last(lines))
    failures = (FAILED.match(line) or _BUSYBOX_FAILED.match(line) for line in lines)
    failed = next(filter(None, failures), None)
    if failed:
        status = failure(failed["why"].lower().replace("is unreachable", "unreachable"))
        return Result(status=status, server=failed["server"], detail=failed[0])
    if any(GAVE_UP.match(line) for line in lines):
        return Result(status=Status.TIMEOUT, detail=last(lines))
    if any(_UNWILLING.match(line) for line in lines):
        return Result(status=Status.NOT_RUN, detail=last(lines))
    if busybox:
        return Result(status=Status.NOERROR)  # it prints nothing for a name without addresses
    return Result(status=Status.GARBLED, detail=last(lines))


def _nslookup_records(lines: Iterable[str]) -> Iterator[Record]:
    name = ""
    for line in lines:
        if line.startswith("Name:"):
            name = absolute(line.removeprefix("Name:").strip())
        elif match := _ALIAS.match(line):
            yield Record(name=absolute(match[1]), ttl=0, type="CNAME", data=absolute(match[2]))
        elif name and (match := _ADDRESS.match(line)):
            yield _address_record(name, match[1])


def _address_record(name: str, address: str) -> Record:
    return Record(name=name, ttl=0, type="AAAA" if ":" in address else "A", data=address)


_FAMILY = {"ahostsv4": "A", "ahostsv6": "AAAA"}
_ENTRY = re.compile(r"(\S+)\s+(?:(?:STREAM|DGRAM|RAW)\b\s*)?(\S*)")


def getent_question(words: Sequence[str]) -> list[Question]:
    """`getent ahosts|ahostsv4|ahostsv6|hosts NAME`."""
    database, name = [*words, "", ""][:2]
    return [Question(name=name or ".", type=_FAMILY.get(database, BOTH), port=0, search=True)]


def getent_result(questions: Sequence[Question], lines: Sequence[str]) -> list[Result]:
    """The one result: addresses, or NO_ADDRESS with whatever the tool said."""
    records: dict[Record, None] = {}
    canonical = absolute(questions[0].name)
    for match in filter(None, map(_ENTRY.match, lines)):
        if not _is_address(match[1]):
            continue
        canonical = absolute(match[2]) if match[2] else canonical
        records[_address_record(canonical, match[1])] = None
    if records:
        return [Result(status=Status.NOERROR, records=tuple(records))]
    return [Result(status=Status.NO_ADDRESS, detail=last(lines))]


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
