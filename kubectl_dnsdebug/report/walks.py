"""One name as programs look for it: each candidate, each answer, where each resolver stops, why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kubectl_dnsdebug.model import (
    Answer,
    Evidence,
    Missing,
    Status,
    Subject,
    Transport,
    Vantage,
)
from kubectl_dnsdebug.observe import image, symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse.resolvconf import ResolvConf
from kubectl_dnsdebug.parse.search import Libc, Reply, Stop, Walk, candidates, walk
from kubectl_dnsdebug.report.report import Exit

SCHEMA = "dnsdebug.resolve/v1"
CLIENTS = (Libc.GLIBC, Libc.MUSL, Libc.GO)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The walk of one name in one pod. `gap` says why there is none."""

    name: str
    pod: Subject
    libc: str
    conf: ResolvConf | None
    candidates: tuple[Candidate, ...]
    clients: tuple[Client, ...]
    in_hosts: str  # the line of the pod's /etc/hosts that has the name
    advice: tuple[str, ...]
    gap: str
    exit_code: int


def build(evidence: Evidence) -> Resolution:
    """Walk the name of the request with the evidence's answers."""
    seen = Observed(evidence)
    pod, name = Subject.parse(evidence.request.targets[0]), evidence.request.names[0]
    try:
        own = seen.own(pod)
        conf = seen.conf(own)
    except Missing as gap:
        return Resolution(
            name=name,
            pod=pod,
            libc="",
            conf=None,
            candidates=(),
            clients=(),
            in_hosts="",
            advice=(),
            gap=str(gap),
            exit_code=Exit.INCONCLUSIVE,
        )
    names = dict.fromkeys(each for libc in CLIENTS for each in candidates(name, conf, libc))
    asked = {each: _candidate(seen, own, conf, each) for each in names}
    in_hosts = _in_hosts(image.lines(seen, pod, "/etc/hosts"), name)
    libc = symptoms.libc(seen, pod)
    clients = tuple(_client(name, conf, each, libc, asked) for each in CLIENTS)
    return Resolution(
        name=name,
        pod=pod,
        libc=image.libc(seen, pod),
        conf=conf,
        candidates=tuple(asked.values()),
        clients=clients,
        in_hosts=in_hosts,
        advice=() if in_hosts else tuple(dict.fromkeys(_advice(name, conf, clients, asked))),
        gap="" if conf.nameservers else "the pod's resolv.conf names no nameserver",
        exit_code=Exit.HEALTHY if in_hosts else _code(clients),
    )


def _candidate(seen: Observed, own: Vantage, conf: ResolvConf, name: str) -> Candidate:
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


def _client(
    name: str, conf: ResolvConf, libc: Libc, own: Libc | None, asked: dict[str, Candidate]
) -> Client:
    walked = walk(name, conf, libc, lambda each: asked[each].replies)
    steps = [asked[step.name] for step in walked.steps]
    return Client(
        walk=walked,
        own=libc is own,
        addresses=steps[-1].addresses if walked.found else (),
        says=_words(walked, steps[-1].server if steps else ""),
        queries=sum(_queries(libc, conf, each) for each in steps),
        seconds=round(sum(_seconds(libc, conf, each) for each in steps), 3),
    )


def _queries(libc: Libc, conf: ResolvConf, each: Candidate) -> int:
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


def _in_hosts(lines: Sequence[str], name: str) -> str:
    wanted = name.rstrip(".").lower()
    for line in lines:
        _, *names = line.partition("#")[0].split() or [""]
        if wanted in (each.lower() for each in names):
            return " ".join(line.split())
    return ""


def _advice(
    name: str, conf: ResolvConf, clients: Sequence[Client], asked: dict[str, Candidate]
) -> Iterator[str]:
    """Only what the answers show: a shorter way to the same address, or a way past a stop."""
    own = [each for each in clients if each.own] or list(clients)
    absolute = name.removesuffix(".") + "."
    shorter: dict[tuple[str, int, int], list[str]] = {}
    stuck: dict[str, list[str]] = {}
    for client in own:
        found, libc = client.walk.found, client.walk.libc
        if found and len(client.walk.steps) > 1:
            direct = _queries(libc, conf, asked[found])
            shorter.setdefault((found, direct, client.queries), []).append(libc)
        elif client.walk.stop in (Stop.GAVE_UP, Stop.EXHAUSTED):
            good = [each.name for each in asked.values() if Reply.ANSWER in each.replies]
            for each in sorted(good, key=lambda each: each != absolute.lower())[:1]:
                stuck.setdefault(each, []).append(libc)
    for (found, direct, queries), who in shorter.items():
        whose = ", ".join(who)
        yield f"Written {found} (with the dot) it is {direct} queries, not {queries} ({whose})."
    for each, who in stuck.items():
        yield f"{each} (with the dot) has an address; {', '.join(who)} never asks it from here."
    dots = name.count(".")
    wasteful = [
        c
        for c in own
        if c.walk.found == absolute.lower() and len(c.walk.steps) > 1 and not name.endswith(".")
    ]
    if wasteful and 0 < dots < conf.ndots:
        yield (
            f"ndots is {conf.ndots} and the name has {dots}: with ndots {dots} in the pod's "
            f"dnsConfig it is asked as it is first. Names with {dots} or more dots that rely on "
            "the search list then no longer resolve with musl."
        )


def _code(clients: Sequence[Client]) -> int:
    """By the pod's own C library; by all of them where that is unknown."""
    judged = [each for each in clients if each.own] or clients
    stops = [each.walk.stop for each in judged]
    if any(stop in (Stop.GAVE_UP, Stop.EXHAUSTED) for stop in stops):
        return Exit.CAUSES
    return Exit.INCONCLUSIVE if Stop.UNKNOWN in stops else Exit.HEALTHY


def as_json(found: Resolution) -> dict[str, Any]:
    """The public shape of a walk."""

    def said(each: Said | None) -> dict[str, Any] | None:
        if each is None:
            return None
        return {"reply": each.reply.value, "records": list(each.records), "ms": each.ms}

    return {
        "schema": SCHEMA,
        "name": found.name,
        "pod": str(found.pod),
        "libc": found.libc,
        "exit_code": found.exit_code,
        "gap": found.gap,
        "nameservers": list(found.conf.nameservers) if found.conf else [],
        "search": list(found.conf.search) if found.conf else [],
        "ndots": found.conf.ndots if found.conf else None,
        "in_hosts": found.in_hosts,
        "candidates": [
            {"name": c.name, "server": c.server, "a": said(c.a), "aaaa": said(c.aaaa)}
            for c in found.candidates
        ],
        "clients": [
            {
                "client": c.walk.libc.value,
                "own": c.own,
                "stop": c.walk.stop.value,
                "why": c.walk.why,
                "found": c.walk.found,
                "addresses": list(c.addresses),
                "says": c.says,
                "asked": [step.name for step in c.walk.steps],
                "skipped": list(c.walk.skipped),
                "queries": c.queries,
                "seconds": c.seconds,
            }
            for c in found.clients
        ],
        "advice": list(found.advice),
    }
