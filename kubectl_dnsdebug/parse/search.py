"""The search list as each resolver walks it: which names it asks, and what ends its walk.

The libraries differ where it hurts, so the rows below are held against the resolvers themselves:
glibc 2.36, musl 1.2.3 and 1.2.5, Go 1.26, dig and nslookup of BIND 9.18, BusyBox 1.35
(`tests/resolvers`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kubectl_dnsdebug.model import Answer, Status
from kubectl_dnsdebug.parse.resolvconf import ResolvConf


class Libc(StrEnum):
    """Who walks: the C libraries, Go's own resolver, and tools that do not ask the C library."""

    GLIBC = "glibc"
    MUSL = "musl"
    GO = "go"
    DIG = "dig"  # with +search
    NSLOOKUP = "nslookup"  # of BIND
    BUSYBOX = "busybox"  # its nslookup, 1.29 and newer


class Reply(StrEnum):
    """What a stub resolver sees of one question: NODATA is told from ANSWER, silences are one."""

    ANSWER = "answer"
    NODATA = "nodata"
    NXDOMAIN = "nxdomain"
    SERVFAIL = "servfail"
    REFUSED = "refused"
    OTHER = "other"
    SILENCE = "silence"

    @classmethod
    def of(cls, answer: Answer) -> Reply | None:
        """None when nothing is known of the server's answer: not run, garbled, cut short."""
        if answer.status is Status.NOERROR:
            if any(record.type in answer.type.split("+") for record in answer.records):
                return cls.ANSWER
            return None if "tc" in answer.flags else cls.NODATA
        if answer.status.is_silence:
            return cls.SILENCE
        return _REPLIES.get(answer.status)


_REPLIES = {
    Status.NXDOMAIN: Reply.NXDOMAIN,
    Status.SERVFAIL: Reply.SERVFAIL,
    Status.REFUSED: Reply.REFUSED,
    Status.OTHER_RCODE: Reply.OTHER,
}


class Then(StrEnum):
    """What follows a reply that gave no address."""

    NEXT = "next"
    AS_IS = "as-is"  # leave the list, try the name as it is if that was not done
    STOP = "stop"


_ALL = frozenset(Reply)
_GOES_ON = {
    Libc.GLIBC: frozenset({Reply.NODATA, Reply.NXDOMAIN, Reply.SERVFAIL}),
    Libc.MUSL: frozenset({Reply.NXDOMAIN}),
    Libc.GO: _ALL,
    Libc.DIG: frozenset({Reply.NXDOMAIN}),
    Libc.NSLOOKUP: frozenset({Reply.NXDOMAIN}),
    Libc.BUSYBOX: _ALL,
}


def then(libc: Libc, reply: Reply) -> Then:
    """What `libc` does after `reply` to a candidate made with a suffix; ANSWER always stops."""
    if reply is Reply.ANSWER:
        return Then.STOP
    if reply in _GOES_ON[libc]:
        return Then.NEXT
    return Then.AS_IS if libc is Libc.GLIBC else Then.STOP


def combine(libc: Libc, replies: Sequence[Reply]) -> Reply:
    """What the replies for A and AAAA, in this order, mean together. One is enough, none is not."""
    first, last = replies[0], replies[-1]
    if libc is Libc.MUSL:
        # The first error speaks for the name, even beside an address.
        return next((each for each in replies if each not in _NO_ERROR), _best(replies))
    if libc in (Libc.DIG, Libc.NSLOOKUP):
        return _best(replies) if first in _NO_ERROR else first
    if libc is Libc.GLIBC and first is Reply.SILENCE:
        # It waits for A, and what came for AAAA goes with it; only SERVFAIL is remembered.
        return last if last is Reply.SERVFAIL else first
    if libc is Libc.GLIBC and first in (Reply.REFUSED, Reply.OTHER) and last in _NO_NAME:
        return last
    return _best(replies)


_NO_ERROR = (Reply.ANSWER, Reply.NODATA)
_NO_NAME = (Reply.NODATA, Reply.NXDOMAIN)


def _best(replies: Sequence[Reply]) -> Reply:
    return Reply.ANSWER if Reply.ANSWER in replies else replies[0]


# What BIND's tools read of a search list, and the longest line that musl does not skip whole.
_BIND_SEARCHES = 8
_MUSL_LINE_CHARS = 254


def candidates(name: str, conf: ResolvConf, libc: Libc) -> tuple[str, ...]:
    """The absolute names that `libc` asks for, in its order, while each goes on to the next."""
    if name.endswith("."):
        return _valid([name])
    as_is = [f"{name}."]
    search: Sequence[str] = conf.search
    if libc in (Libc.DIG, Libc.NSLOOKUP):
        search = search[:_BIND_SEARCHES]
    elif libc is Libc.MUSL and len(" ".join(("search", *search))) > _MUSL_LINE_CHARS:
        search = ()
    if libc in (Libc.MUSL, Libc.GO, Libc.BUSYBOX):
        search = [suffix for suffix in search if suffix != "."]
    suffixed = [f"{name}.{suffix}.".replace("...", ".") for suffix in search]
    if libc is Libc.BUSYBOX:
        return _valid(as_is if "." in name or not suffixed else suffixed)
    if name.count(".") < conf.ndots:
        return _valid(suffixed + as_is)
    return _valid(as_is + suffixed if libc in (Libc.GLIBC, Libc.GO) else as_is)


def _valid(names: Sequence[str]) -> tuple[str, ...]:
    import dns.exception
    import dns.name

    kept: dict[str, None] = {}
    for name in names:
        try:
            kept[dns.name.from_text(name).canonicalize().to_text()] = None
        except (dns.exception.DNSException, UnicodeError):
            continue  # too long with this suffix, or no name at all: resolvers skip it as well
    return tuple(kept)


class Stop(StrEnum):
    """Why a walk ended. UNKNOWN: it hangs on a reply that is not known."""

    ANSWERED = "answered"
    GAVE_UP = "gave-up"
    EXHAUSTED = "exhausted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One candidate as asked, and what A and AAAA together meant; None where that is not known."""

    name: str
    reply: Reply | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """How one name was looked for. `skipped` candidates were not asked; `why` is a sentence."""

    name: str
    libc: Libc
    steps: tuple[Step, ...]
    skipped: tuple[str, ...]
    stop: Stop
    why: str

    @property
    def found(self) -> str | None:
        """The absolute name that gave the address."""
        return self.steps[-1].name if self.stop is Stop.ANSWERED else None


def walk(name: str, conf: ResolvConf, libc: Libc, ask: Callable[[str], Sequence[Reply]]) -> Walk:
    """Follow `libc` through the list. `ask(absolute name)` gives the replies for A and AAAA, in
    this order; one alone stands for both, none means not known."""
    left = list(candidates(name, conf, libc))
    as_is = _valid([name.removesuffix(".") + "."])
    blind = _blind_spot(name, conf, libc)
    steps: list[Step] = []
    jumped: list[str] = []

    def ended(stop: Stop, why: str) -> Walk:
        skipped = tuple(jumped + left)
        return Walk(name=name, libc=libc, steps=tuple(steps), skipped=skipped, stop=stop, why=why)

    because = f"None of its {len(left)} candidates gives an address."
    outcome = Stop.EXHAUSTED
    while left:
        if len(steps) == blind:
            why = 'musl up to 1.2.3 fails at the search entry ".", newer releases skip it.'
            return ended(Stop.UNKNOWN, why)
        candidate = left.pop(0)
        replies = ask(candidate)
        reply = combine(libc, replies) if replies else None
        steps.append(Step(name=candidate, reply=reply))
        if reply is None:
            return ended(Stop.UNKNOWN, f"What {candidate} gives is not known.")
        if reply is Reply.ANSWER:
            return ended(Stop.ANSWERED, f"{candidate} gives an address.")
        what = then(libc, reply)
        if what is Then.STOP:
            unasked = f"; {len(left)} more would have followed" if left else ""
            return ended(Stop.GAVE_UP, f"{libc} stops at {reply} for {candidate}{unasked}.")
        if what is Then.AS_IS and candidate not in as_is:
            jumped = [each for each in left if each not in as_is]
            left = [each for each in left if each in as_is]
            if jumped:
                outcome = Stop.GAVE_UP
                because = (
                    f"{libc} leaves the search list at {reply} for {candidate}; "
                    f"{len(jumped)} more would have followed."
                )
    return ended(outcome, because)


def _blind_spot(name: str, conf: ResolvConf, libc: Libc) -> int | None:
    """How many candidates musl asks before a search entry that releases take differently."""
    searched = not name.endswith(".") and name.count(".") < conf.ndots
    if libc is not Libc.MUSL or not searched or "." not in conf.search:
        return None
    before = tuple(f"{name}.{suffix}." for suffix in conf.search[: conf.search.index(".")])
    return len(_valid(before))
