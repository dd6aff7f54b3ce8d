"""One name as programs look for it: each candidate, each answer, where each resolver stops, why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kubectl_dnsdebug.model import Evidence, Missing, Subject, Vantage
from kubectl_dnsdebug.observe import image, symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse.resolvconf import ResolvConf
from kubectl_dnsdebug.parse.search import Libc, Reply, Stop, candidates
from kubectl_dnsdebug.report import pictures, steps
from kubectl_dnsdebug.report.exits import Exit
from kubectl_dnsdebug.report.steps import Candidate, Client, Said

SCHEMA = "dnsdebug.resolve/v1"
CLIENTS = (Libc.GLIBC, Libc.MUSL, Libc.GO)


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
    return _resolution(seen, pod, name, own, conf)


def diagnosed(seen: Observed) -> tuple[Resolution, ...]:
    """Of each target, the names whose candidates a diagnosis asked; those whose end is known."""
    found = []
    for pod in (each.subject for each in pictures.targets(seen)):
        try:
            own = seen.own(pod)
            conf, api = seen.conf(own), f"kubernetes.default.svc.{seen.domain}"
        except Missing:
            continue
        for name in dict.fromkeys((api, *seen.evidence.request.names)):
            found.append(_resolution(seen, pod, name, own, conf))
    return tuple(
        each for each in found if any(c.walk.stop is not Stop.UNKNOWN for c in each.clients)
    )


def _resolution(
    seen: Observed, pod: Subject, name: str, own: Vantage, conf: ResolvConf
) -> Resolution:
    names = dict.fromkeys(each for libc in CLIENTS for each in candidates(name, conf, libc))
    asked = {each: steps.candidate(seen, own, conf, each) for each in names}
    in_hosts = _in_hosts(image.lines(seen, pod, "/etc/hosts"), name)
    libc = symptoms.libc(seen, pod)
    clients = tuple(steps.client(name, conf, each, libc, asked) for each in CLIENTS)
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
            direct = steps.queries(libc, conf, asked[found])
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
