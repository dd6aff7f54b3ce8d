"""What the candidates of one name got, and what each resolver makes of them: its end, its cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kubectl_dnsdebug.model import Answer, Status, Transport, Vantage
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse.resolvconf import ResolvConf
from kubectl_dnsdebug.parse.search import Libc, Reply, Stop, Walk, walk

_FAMILIES = ("A", "AAAA")
_MOST_SERVERS = 3  # that resolvers read of a file
_TIMEOUT, _ATTEMPTS = 5, 2  # what resolv.conf(5) gives where the file says nothing
# After these a resolver asks the next nameserver, if there is one.
_PASSED_ON = (Reply.SILENCE, Reply.SERVFAIL, Reply.REFUSED, Reply.OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one family of one candidate got. `ms` is None without an answer."""

    reply: Reply
    records: tuple[str, ...] = ()
    ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An absolute name and what A and AAAA got, None where that is not known.

    `silent` nameservers were passed over before `server` spoke.
    """

    name: str
    server: str
    silent: int
    a: Said | None
    aaaa: Said | None

    @property
    def replies(self) -> tuple[Reply, ...]:
        return (self.a.reply, self.aaaa.reply) if self.a and self.aaaa else ()

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(r for said in (self.a, self.aaaa) if said for r in said.records)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """How one resolver fares. `says` are the words a program prints, empty where it resolves.

    `seconds` counts answers as measured, and silences as long as that resolver would wait.
    """

    walk: Walk
    own: bool  # whether the pod's programs are known to use it
    addresses: tuple[str, ...]
    says: str
    queries: int
    seconds: float


def candidate(seen: Observed, own: Vantage, conf: ResolvConf, name: str) -> Candidate:
    """What the first nameserver says that a resolver would listen to, else the first one."""
    found: list[Candidate] = []
    for place, server in enumerate(dict.fromkeys(conf.nameservers[:_MOST_SERVERS])):
        a, aaaa = (
            _said(seen.ask(own, server=server, name=name, type=family, transport=Transport.UDP))
            for family in _FAMILIES
        )
        found.append(Candidate(name=name, server=server, silent=place, a=a, aaaa=aaaa))
        if not a or not aaaa or a.reply not in _PASSED_ON:
            break
    heard = [each for each in found if each.a is None or each.a.reply not in _PASSED_ON]
    spoke = [each for each in found if each.a and each.a.reply is not Reply.SILENCE]
    nobody = Candidate(name=name, server="", silent=0, a=None, aaaa=None)
    return next(iter((*heard, *spoke, *found)), nobody)


def _said(answers: Sequence[Answer]) -> Said | None:
    """An answer counts before a silence: programs ask again as well."""
    known = [(reply, each) for each in answers if (reply := Reply.of(each))]
    known.sort(key=lambda pair: (pair[0] is Reply.SILENCE, pair[0] is not Reply.ANSWER))
    if not known:
        return None
    reply, answer = known[0]
    records = tuple(r.data for r in answer.records if r.type == answer.type)
    ms = answer.ms if answer.status is not Status.TIMEOUT else None
    return Said(reply=reply, records=records, ms=ms)


def client(
    name: str, conf: ResolvConf, libc: Libc, own: Libc | None, asked: dict[str, Candidate]
) -> Client:
    walked = walk(name, conf, libc, lambda each: asked[each].replies)
    steps = [asked[step.name] for step in walked.steps]
    return Client(
        walk=walked,
        own=libc is own,
        addresses=steps[-1].addresses if walked.found else (),
        says=_words(walked, steps[-1].server if steps else ""),
        queries=sum(queries(libc, conf, each) for each in steps),
        seconds=round(sum(_seconds(libc, conf, each) for each in steps), 3),
    )


def queries(libc: Libc, conf: ResolvConf, each: Candidate) -> int:
    """One for each family; musl asks all nameservers at once, the others one after another."""
    servers = min(len(conf.nameservers), _MOST_SERVERS)
    silent = each.a is not None and each.a.reply is Reply.SILENCE
    times = _number(conf, "attempts", _ATTEMPTS) if silent else 1
    return len(_FAMILIES) * times * (servers if libc is Libc.MUSL or silent else each.silent + 1)


def _seconds(libc: Libc, conf: ResolvConf, each: Candidate) -> float:
    wait = _number(conf, "timeout", _TIMEOUT)
    servers = min(len(conf.nameservers), _MOST_SERVERS)
    # musl hears nothing but an answer and NXDOMAIN, and gives all tries one time-out.
    deaf = (Reply.SILENCE, Reply.REFUSED, Reply.OTHER) if libc is Libc.MUSL else (Reply.SILENCE,)
    if any(reply in deaf for reply in each.replies):
        tries = 1 if libc is Libc.MUSL else _number(conf, "attempts", _ATTEMPTS) * servers
        return float(wait * tries)
    took = max((said.ms or 0.0 for said in (each.a, each.aaaa) if said), default=0.0) / 1000
    return took + (0 if libc is Libc.MUSL else each.silent * wait)


def _number(conf: ResolvConf, option: str, default: int) -> int:
    value = conf.options.get(option) or ""
    return int(value) if value.isdecimal() and len(value) < 4 else default


def _words(walked: Walk, server: str) -> str:
    """What a program that uses the resolver prints; empty where it resolves, or is not known."""
    replies = [step.reply for step in walked.steps if step.reply]
    if walked.stop in (Stop.ANSWERED, Stop.UNKNOWN) or not replies:
        return ""
    as_is = walked.name.removesuffix(".").lower() + "."
    match walked.libc:
        case Libc.GLIBC:
            first = walked.steps[0]
            reply = replies[-1]
            if first.name == as_is:  # its error speaks for all, as the man page has it
                reply = replies[0]
            elif Reply.NODATA in replies:
                reply = Reply.NODATA
            elif Reply.SERVFAIL in replies:
                reply = Reply.SERVFAIL
            return {
                Reply.NXDOMAIN: "Name or service not known",
                Reply.NODATA: "No address associated with hostname",
            }.get(reply, "Temporary failure in name resolution")
        case Libc.MUSL:
            # Releases after 1.2.3 have words of their own for NODATA.
            gone = replies[-1] in (Reply.NXDOMAIN, Reply.NODATA)
            return "Name does not resolve" if gone else "Try again"
    searched = [step.reply for step in walked.steps if step.name != as_is and step.reply]
    why = {
        Reply.NXDOMAIN: "no such host",
        Reply.NODATA: "no such host",
        Reply.SILENCE: "i/o timeout",
    }.get((searched or replies)[-1], "server misbehaving")
    return f"lookup {walked.name} on {server}:53: {why}"
