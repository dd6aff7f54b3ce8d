"""A answers at once and AAAA never, or with a failure: resolvers ask for both and wait."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import (
    Answer,
    Confidence,
    Missing,
    Scope,
    Severity,
    Status,
    Subject,
    Vantage,
)
from kubectl_dnsdebug.observe import chance, symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse.search import Libc
from kubectl_dnsdebug.reason.rule import Found, rule

_PAIRS = (("reach.udp.", "reach6."), ("ext.", "ext6."), ("user.A.", "user.AAAA."))
_FAILURES = (Status.SERVFAIL, Status.REFUSED, Status.TIMEOUT)


@rule(
    "aaaa-delay",
    scope=Scope.POD,
    severity=Severity.ERROR,
    message="{pod}: {server} gives an address for {name} at once, but {status} for AAAA; programs "
    "ask for both: glibc waits for seconds, musl fails{where}.",
    remedy="Let the servers that own {name} answer AAAA with an empty NOERROR; until then a "
    "`template IN AAAA` with `rcode NOERROR` for that zone in the Corefile.",
    verify="dig {name} AAAA @{server}   # must be NOERROR at once, empty or not",
    silent_when="A and AAAA are both answered, or both fail, a single question got lost, or "
    "others get lost as well.",
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    own = seen.own(subject)
    others_lost = any(a.status.is_silence and a.type != "AAAA" for a in seen.ask(own))
    for yes, no in _pairs(seen, subject):
        upstream = [
            a
            for vantage in (own, *_default(seen, subject))
            for a in seen.ask(vantage, probe="up6.", name=no.name)
            if a.status in _FAILURES
        ]
        lost = [a for a in seen.ask(own, name=no.name, type="AAAA") if a.status in _FAILURES]
        if not upstream and chance.may_be(seen, own, lost, no.name):
            continue
        if not upstream and others_lost and all(a.status.is_silence for a in lost):
            continue  # the way loses other questions, too
        libc = symptoms.libc(seen, subject)
        yield Found(
            evidence=(yes.id, no.id, *(a.id for a in upstream[:1])),
            args={
                "pod": subject,
                "name": yes.name,
                "server": no.server,
                "status": no.status.value.upper(),
                "where": f" (the upstream {upstream[0].server} does so)" if upstream else "",
            },
            confidence=Confidence.CERTAIN if upstream else Confidence.LIKELY,
            settles="" if upstream else "the same question put to the upstream servers",
            severity=None if libc is Libc.MUSL else Severity.WARNING,
        )
        return


def _pairs(seen: Observed, subject: Subject) -> Iterator[tuple[Answer, Answer]]:
    """An address and a failure for one name of one server that loses nothing else."""
    own = seen.own(subject)
    asked = False
    for four, six in _PAIRS:
        answers = seen.ask(own, probe=six)
        asked = asked or bool(answers)
        for no in answers:
            if no.status not in _FAILURES:
                continue
            try:
                if not seen.reach(own, no.server).fine:
                    continue
            except Missing:
                continue
            for yes in seen.ask(own, server=no.server, name=no.name, probe=four, type="A"):
                if symptoms.gives_address(yes):
                    yield yes, no
    if not asked:
        raise Missing(f"no AAAA record was asked for at {own.id}")


def _default(seen: Observed, subject: Subject) -> Iterator[Vantage]:
    try:
        yield seen.default(subject)
    except Missing:
        return
