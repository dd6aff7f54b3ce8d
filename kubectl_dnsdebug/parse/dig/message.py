"""dig: its words as questions, its text as results. Only the text form tells every cause."""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from kubectl_dnsdebug.model import Record, Status, Transport
from kubectl_dnsdebug.parse.dig.outcome import (
    FAILED,
    GAVE_UP,
    RCODES,
    Question,
    Result,
    absolute,
    failure,
    last,
)

_TAKES_WORD = frozenset("bcfkpqtxy")


def questions(words: Sequence[str]) -> list[Question]:
    """Options before the first name hold for all, those after a name for it; -p and -b for all."""
    usual = Question()
    asked: list[Question] = []
    port, source_port = 53, None
    rest = iter(words)
    for word in rest:
        flag, value = word[:2], ""
        if word.startswith("-") and len(word) > 1 and word[1] in _TAKES_WORD:
            value = word[2:] or next(rest, "")
        current = asked[-1] if asked else usual
        if flag == "-q" or (value == "" and _is_name(word, bool(asked))):
            asked.append(replace(usual, name=value or word))
            continue
        if flag == "-p":
            port = _number(value) or port
        elif flag == "-b":
            source_port = _number(value.rpartition("#")[2]) if "#" in value else None
        elif flag == "-t":
            current = replace(current, type=value.upper())
        elif word.startswith("@"):
            current = replace(current, server=word[1:])
        elif word in ("+tcp", "+vc"):
            current = replace(current, transport=Transport.TCP)
        elif word in ("+search", "+nosearch"):
            current = replace(current, search=word == "+search")
        elif word.upper() in _TYPES:
            current = replace(current, type=word.upper())
        if asked:
            asked[-1] = current
        else:
            usual = current
    return [replace(each, port=port, source_port=source_port) for each in asked or [usual]]


_TYPES = frozenset(("A", "AAAA", "ANY", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"))


def _is_name(word: str, after_name: bool) -> bool:
    if word[:1] in ("-", "+", "@", "") or word.upper() == "IN":
        return False
    return not (word.upper() in _TYPES and after_name)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


_HEADER = re.compile(r";; ->>HEADER<<- opcode: \S+, status: ([A-Z0-9]+), id: \d+")
_FLAGS = re.compile(r";; flags:([a-z ]*); QUERY: \d+, ANSWER: (\d+), AUTHORITY: (\d+)")
_SERVER = re.compile(r";; SERVER: (\S+?)#(\d+)\(\S*\)(?: \((UDP|TCP)\))?")
_WHEN = re.compile(
    r";; WHEN: \S+ (?P<month>[A-Z][a-z]{2}) +(?P<day>\d+) "
    r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d) (?:UTC|GMT) (?P<year>[1-9]\d{3})"
)
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_FATAL = re.compile(r"dig: |;; Got bad packet|;; ERROR|Invalid option|Usage:")
# Told besides what decided: a reply was thrown away.
_STRANGE = re.compile(r";; (?:;; )?(?:reply from unexpected source|Question section mismatch)")


def results(questions: Sequence[Question], lines: Sequence[str]) -> list[Result]:
    """One for each question, in order: dig asks them one after another."""
    blocks = list(_blocks(lines))
    found = [_result(*pair) for pair in zip(questions, blocks, strict=False)]
    missing = len(questions) - len(found)
    fatal = next((line.strip() for line in lines if line.startswith("dig: ")), "")
    status = Status.NOT_RUN if fatal else Status.GARBLED
    return found + [Result(status=status, detail=fatal or last(lines))] * missing


def _blocks(lines: Iterable[str]) -> Iterator[list[str]]:
    """The lines of each question: up to its statistics, or to where dig gave it up."""
    block: list[str] = []
    telling = False
    for line in lines:
        header = _HEADER.match(line) is not None
        if header and any(_HEADER.match(each) for each in block):
            yield block
            block = []
        block.append(line)
        telling = telling or header or bool(FAILED.match(line) or _FATAL.match(line))
        if line.startswith(";; MSG SIZE") or GAVE_UP.match(line):
            yield block
            block, telling = [], False
    if telling:
        yield block


def _result(question: Question, lines: Sequence[str]) -> Result:
    strange = next((line.strip() for line in lines if _STRANGE.match(line)), "")
    truncated = any(line.startswith(";; Truncated") for line in lines)
    transport = Transport.TCP if truncated else None
    start = next((i for i, line in enumerate(lines) if _HEADER.match(line)), None)
    if start is not None:
        result = _answer(question, lines[start:])
        flags = result.flags | {"tc"} if truncated else result.flags
        detail = strange or result.detail
        return replace(result, flags=flags, transport=transport or result.transport, detail=detail)
    status, why, server, port = Status.GARBLED, last(lines), "", None
    failures = list(filter(None, map(FAILED.match, lines)))
    if failures:
        # The first attempt speaks: the next ones may be other servers of the same list.
        first = failures[0]
        status, why = failure(first["why"]), first[0]
        server, port = first["server"], int(first["port"])
    elif any(line.startswith("dig: ") for line in lines):
        status = Status.NOT_RUN
    elif any(GAVE_UP.match(line) for line in lines):
        status = Status.TIMEOUT
    return Result(
        status=status,
        server=server,
        port=port,
        transport=transport,
        flags=frozenset({"tc"} if truncated else ()),
        detail=strange or why,
    )


def _answer(question: Question, lines: Sequence[str]) -> Result:
    """GARBLED when the message holds less than it says, or answers another question."""
    head = _HEADER.match(lines[0])
    flags = next(filter(None, map(_FLAGS.match, lines)), None)
    if head is None or flags is None:
        return Result(status=Status.GARBLED, detail=last(lines))
    sections = _sections(lines)
    records = tuple(filter(None, map(_record, sections["ANSWER"])))
    authority = tuple(filter(None, map(_record, sections["AUTHORITY"])))
    asked = [absolute(line.lstrip(";").split()[0]) for line in sections["QUESTION"]]
    told = (len(records), len(authority)) == (int(flags[2]), int(flags[3]))
    if not told or (asked and not question.search and asked != [absolute(question.name)]):
        return Result(status=Status.GARBLED, detail=last(lines))
    status = RCODES.get(head[1], Status.OTHER_RCODE)
    extended = next((line.strip("; ") for line in lines if line.startswith("; EDE")), "")
    source = next(filter(None, map(_SERVER.match, lines)), None)
    ms = next((line.split()[3] for line in lines if line.startswith(";; Query time: ")), "")
    return Result(
        status=status,
        records=records,
        authority=authority,
        flags=frozenset(flags[1].split()),
        ms=float(ms) if ms.isdecimal() else None,
        clock=next(filter(None, map(_clock, lines)), None),
        server=source[1] if source else "",
        port=int(source[2]) if source else None,
        transport=Transport(source[3].lower()) if source and source[3] else None,
        detail=extended or (head[1] if status is Status.OTHER_RCODE else ""),
    )


def _clock(line: str) -> float | None:
    """The time that dig tells, in seconds of Unix; None in a zone that has no fixed meaning."""
    when = _WHEN.match(line)
    if when is None or when["month"] not in _MONTHS:
        return None
    month = _MONTHS.index(when["month"]) + 1
    rest = (int(when[part]) for part in ("day", "hour", "minute", "second"))
    return float(timegm((int(when["year"]), month, *rest)))


def _sections(lines: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"QUESTION": [], "ANSWER": [], "AUTHORITY": []}
    current: list[str] | None = None
    for line in lines:
        if line.startswith(";; ") or not line.strip():
            title = line.removeprefix(";; ").removesuffix(" SECTION:")
            current = found.get(title) if line.endswith(" SECTION:") else None
        elif current is not None and (line[0] != ";" or current is found["QUESTION"]):
            current.append(line)
    return found


def _record(line: str) -> Record | None:
    fields = line.split(None, 4)
    if len(fields) < 5 or not fields[1].isdecimal():
        return None
    name, ttl, _, kind, data = fields
    return Record(name=absolute(name), ttl=int(ttl), type=kind.upper(), data=_data(kind, data))


# Types whose data is names and numbers, nothing whose case has a meaning.
_NAMES = frozenset(("CNAME", "DNAME", "MX", "NS", "PTR", "SOA", "SRV"))


def _data(kind: str, text: str) -> str:
    # Loaded with the first answer: the rules stand on this module, and `explain` reads none.
    import dns.exception
    import dns.name
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype

    try:
        type_ = dns.rdatatype.from_text(kind)
        told = dns.rdata.from_text(dns.rdataclass.IN, type_, text, dns.name.root, False).to_text()
    except (dns.exception.DNSException, ValueError):
        return text
    return told.lower() if kind in _NAMES else told
