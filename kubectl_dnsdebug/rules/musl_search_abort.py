"""musl gives up at the first candidate that gets neither an address nor NXDOMAIN."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Confidence, Missing, Scope, Severity, Subject, Vantage
from kubectl_dnsdebug.observe import chance, symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse.search import Libc, Reply, Stop
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "musl-search-abort",
    scope=Scope.POD,
    severity=Severity.ERROR,
    message="{pod}{whose}: {name} fails because {candidate} gets {reply}, where musl gives up; "
    "{name}. with a dot at the end resolves.",
    remedy="Make {candidate} answer NXDOMAIN (or remove its suffix from the search list), end the "
    "name with a dot, or use a glibc image.",
    verify="dig {candidate} @{server}   # musl goes on only at NXDOMAIN, for A and for AAAA",
    silent_when="the image has glibc, each candidate before the right one gets NXDOMAIN, or the "
    "full name does not resolve either; when a single question got lost.",
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    own = seen.own(subject)
    libc = symptoms.libc(seen, subject)
    if libc is Libc.GLIBC:
        return
    conf = seen.conf(own)
    walked = [
        name for a in seen.ask(own, probe="walk.") if (name := _typed(seen, a.name, conf.search))
    ]
    if not walked and conf.search and conf.ndots > 1:
        raise Missing(f"the search list was not walked at {own.id}")
    for name in dict.fromkeys(walked):
        walk = symptoms.walked(seen, subject, name, Libc.MUSL)
        if walk.stop is not Stop.GAVE_UP:
            continue
        server = conf.nameservers[0]
        if Reply.ANSWER not in symptoms.replies(seen, own, server, f"{name}."):
            continue
        last = walk.steps[-1]
        if last.name == f"{name}.":
            continue  # the very question that was answered at another time
        if last.reply is Reply.SILENCE and _by_chance(seen, own, name, last.name):
            continue
        yield Found(
            evidence=(
                *(a.id for a in seen.ask(own, server=server, name=last.name)[:2]),
                *(a.id for a in seen.ask(own, server=server, name=f"{name}.")[:1]),
                *([f"{own.id}#app"] if libc else []),
            ),
            args={
                "pod": subject,
                "whose": " (musl)" if libc else ", if its image has musl",
                "name": name,
                "candidate": last.name,
                "reply": last.reply,
                "server": server,
            },
            confidence=Confidence.CERTAIN if libc else Confidence.LIKELY,
            settles="" if libc else "the C library of the pod's image",
            severity=None if libc else Severity.WARNING,
        )
        return


def _by_chance(seen: Observed, own: Vantage, name: str, candidate: str) -> bool:
    """Whether all that got lost under the candidate's suffix is one question."""
    suffix = candidate.removeprefix(f"{name}.")
    walked = [a for a in seen.ask(own, probe="walk.") if a.name.endswith(f".{suffix}")]
    return chance.may_be(seen, own, [a for a in walked if a.status.is_silence], name)


def _typed(seen: Observed, absolute: str, suffixes: tuple[str, ...]) -> str:
    """The name that a candidate was made of."""
    heads = [absolute.removesuffix(f".{s}.") for s in suffixes if absolute.endswith(f".{s}.")]
    known = {f"kubernetes.default.svc.{seen.domain}", *seen.evidence.request.names}
    return next((head for head in heads if head in known), "")
