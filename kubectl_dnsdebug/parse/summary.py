"""The gist of one container's probes: the termination message that `tally` of runner.sh writes.

    dnsdebug-summary/1 6f1ed002ab559585     sha256 of all below, its first half; - without sha256sum
    conf nameserver 10.96.0.10              each line of resolv.conf that a resolver reads
    a reach.udp.10.96.0.10 n0 n1 t          one token for each time the probe was done, in no order
    end 1                                   how many probes; `cut 1` where some did not fit

A token is a letter, and milliseconds where they are known.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from kubectl_dnsdebug.model import Missing, Status
from kubectl_dnsdebug.parse import resolvconf
from kubectl_dnsdebug.parse.resolvconf import ResolvConf

FORMAT = "dnsdebug-summary/1"
LONGEST = 4096  # bytes: what the kubelet takes of a termination message
_HEAD = re.compile(rf"{FORMAT} ([0-9a-f]{{16}}|-)")
_TOKEN = re.compile(r"([a-z])([0-9]{0,6})")
_LAST = re.compile(r"(end|cut) ([0-9]{1,4})")
_UNCHECKED = "-"
# What differs between two sandboxes that failed alike: ids, addresses, names with a number.
_NUMBERS = re.compile(r"[\w.:/-]*\d[\w.:/-]*|[0-9a-f]{8,}")

# What each letter stands for: the status, and whether records came with it.
_LETTERS: Mapping[str, tuple[Status, bool]] = {
    "n": (Status.NOERROR, True),
    "o": (Status.NOERROR, False),
    "x": (Status.NXDOMAIN, False),
    "s": (Status.SERVFAIL, False),
    "r": (Status.REFUSED, False),
    "e": (Status.OTHER_RCODE, False),
    "t": (Status.TIMEOUT, False),
    "c": (Status.CONNECTION_REFUSED, False),
    "u": (Status.UNREACHABLE, False),
    "d": (Status.RESET, False),
    "k": (Status.NOT_RUN, False),
    "q": (Status.GARBLED, False),
}
SKIPPED = "k"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one question came to. `ms` is None without an answer.

    `letter` is the token's: NOT_RUN is `k`, its server answered no other question; GARBLED is `q`,
    it did not run or said nothing that the runner knows.
    """

    letter: str
    ms: int | None = None

    @property
    def status(self) -> Status:
        return _LETTERS[self.letter][0]

    @property
    def has_records(self) -> bool:
        return _LETTERS[self.letter][1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What one container found: the resolver's lines of its file, and each probe by its id.

    `whole` is False where something did not fit: then only the log tells all.
    """

    conf: ResolvConf
    told: Mapping[str, tuple[Told, ...]]
    whole: bool = True

    @property
    def well(self) -> bool:
        """Whether each question got a server's word, and those of the cluster's own name records.

        Only then nothing speaks against the network between the place and the servers.
        """
        return all(
            each.has_records if id.startswith("reach.") else each.status.is_answer
            for id, told in self.told.items()
            for each in told
        )

    @property
    def fingerprint(self) -> str:
        """The same for containers that found the same, whatever time it took and however often.

        So that a server that loses one question in ten is one kind of illness, not ten.
        """
        conf = [
            line for line in self.conf.text.split("\n") if line.split()[:1] != ["options"]
        ] + sorted(f"option {key}={value}" for key, value in self.conf.options.items())
        answers = [
            f"{id} {''.join(sorted({each.letter for each in told}))}"
            for id, told in sorted(self.told.items())
        ]
        text = "\n".join([*conf, *answers, "whole" if self.whole else "cut"])
        return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def read(text: str) -> Summary:
    """Read a termination message. Raises Missing when it is none, or not as it was written."""
    head, _, rest = text.removesuffix("\n").partition("\n")
    found = _HEAD.fullmatch(head)
    if found is None:
        raise Missing("it left no summary of its probes")
    if found[1] not in (_UNCHECKED, checksum(rest)):
        raise Missing("the summary of its probes was cut or torn on the way")
    *lines, last = rest.split("\n")
    ending = _LAST.fullmatch(last)
    conf = [line.removeprefix("conf ") for line in lines if line.startswith("conf ")]
    told = dict(map(_line, lines[len(conf) :]))
    if ending is None or int(ending[2]) != len(told) or len(told) + len(conf) != len(lines):
        raise Missing("the summary of its probes is not complete")
    return Summary(conf=resolvconf.read("\n".join(conf)), told=told, whole=ending[1] == "end")


def group(summaries: Mapping[str, str], failures: Mapping[str, str]) -> str:
    """The same for places that fared the same, of what each role told and why others told nothing:
    `swept/NODE` of the evidence. Names and numbers of a single place do not count in a reason."""
    parts = [f"! {role} {_NUMBERS.sub('#', why)}" for role, why in sorted(failures.items())]
    for role, text in sorted(summaries.items()):
        try:
            parts.append(f"{role} {read(text).fingerprint}")
        except Missing as gap:
            parts.append(f"! {role} {gap}")
    return hashlib.sha256("\n".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:16]


def checksum(text: str) -> str:
    """Of what follows the first line, as the first line holds it."""
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _line(line: str) -> tuple[str, tuple[Told, ...]]:
    match line.split(" "):
        case ["a", id, *tokens] if id and tokens:
            return id, tuple(map(_token, tokens))
    raise Missing("the summary of its probes is garbled")


def _token(text: str) -> Told:
    found = _TOKEN.fullmatch(text)
    if found is None or found[1] not in _LETTERS:
        raise Missing("the summary of its probes is garbled")
    return Told(letter=found[1], ms=int(found[2]) if found[2] else None)
