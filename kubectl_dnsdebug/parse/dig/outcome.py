"""What every tool's text comes to: a question as its words put it, and what became of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kubectl_dnsdebug.model import Record, Status, Transport

BOTH = "A+AAAA"  # the type of an answer for which a tool asked both families


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question as the words of a command put it."""

    name: str = "."
    type: str = "A"
    server: str = ""
    port: int = 53
    transport: Transport = Transport.UDP
    source_port: int | None = None
    search: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the text says of one question. Empty and None leave what the question says."""

    status: Status
    records: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    flags: frozenset[str] = frozenset()
    ms: float | None = None
    clock: float | None = None
    server: str = ""
    port: int | None = None
    transport: Transport | None = None
    detail: str = ""


def absolute(name: str) -> str:
    """The name with its trailing dot and in lower case; as it is when it is none."""
    import dns.exception
    import dns.name

    try:
        return dns.name.from_text(name).canonicalize().to_text()
    except (dns.exception.DNSException, UnicodeError):
        return name


def last(lines: Sequence[str]) -> str:
    """The last line with text."""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


FAILED = re.compile(
    r";; (?:communications error to|UDP setup with|Connection to) "
    r"(?P<server>[^\s#]+)#(?P<port>\d+)(?:\(\S*\) for .* failed)?: (?P<why>[a-z ]+)"
)
GAVE_UP = re.compile(r";; (?:connection timed out; )?no servers could be reached")

RCODES = {
    "NOERROR": Status.NOERROR,
    "NXDOMAIN": Status.NXDOMAIN,
    "SERVFAIL": Status.SERVFAIL,
    "REFUSED": Status.REFUSED,
}
_FAILURES = {
    "timed out": Status.TIMEOUT,
    "connection refused": Status.CONNECTION_REFUSED,
    "network unreachable": Status.UNREACHABLE,
    "host unreachable": Status.UNREACHABLE,
    "permission denied": Status.UNREACHABLE,  # a packet filter of this very host
    "end of file": Status.RESET,
    "connection reset": Status.RESET,
    "address in use": Status.NOT_RUN,
    "address not available": Status.NOT_RUN,
}


def failure(why: str) -> Status:
    """The outcome behind a failure in the words of BIND."""
    return _FAILURES.get(why.strip(), Status.GARBLED)
