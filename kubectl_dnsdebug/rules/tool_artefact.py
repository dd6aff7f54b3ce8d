"""A lookup by hand fails for the tool's sake: programs of the pod get the name all the same.

BusyBox's nslookup (1.29 and newer) asks for a name with a dot as it is, whatever ndots says. The
probe image's own getent uses the C library of that image, which need not be the application's.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Answer, Missing, Scope, Severity, Status, Subject, Vantage
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse.search import Libc, Stop
from kubectl_dnsdebug.reason.rule import Found, rule

_DENIED = (Status.NXDOMAIN, Status.NO_ADDRESS)


@rule(
    "tool-artefact",
    scope=Scope.POD,
    severity=Severity.INFO,
    message="{pod}: {tool} of the probe image fails for {name}, and does so by itself: {why}. "
    "By the search list it is {absolute}, which resolves.",
    remedy="Do not go by {tool} there: test full names with a dot at the end, or use getent in the "
    "application's own container.",
    verify="dig +search {name}   # walks the search list; {tool} does not as the application does",
    silent_when="no tool failed, or the name does not resolve by the server either.",
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    try:
        own = seen.own(subject)
        failed = [*_failed(seen, own, "nslookup", "form."), *_failed(seen, own, "getent", "libc.")]
    except Missing:
        return  # no tool ran
    for answer in failed:
        truth = _truth(seen, subject, own, answer.name)
        why = _why(seen, subject, answer)
        if truth is None or not why:
            continue
        yield Found(
            evidence=(answer.id, truth.id),
            args={
                "pod": subject.name,
                "tool": answer.tool,
                "name": answer.name.rstrip("."),
                "why": why,
                "absolute": truth.records[-1].name,
            },
        )
        return


def _failed(seen: Observed, own: Vantage, tool: str, probe: str) -> Iterator[Answer]:
    """Relative names that the tool did not find."""
    yield from (
        a
        for a in seen.ask(own, tool=tool, probe=probe)
        if a.via_search and not symptoms.gives_address(a) and a.status in _DENIED
    )


def _truth(seen: Observed, subject: Subject, own: Vantage, name: str) -> Answer | None:
    """The answer that the application's own C library comes to; None where it comes to none."""
    libc = symptoms.libc(seen, subject)
    walked = symptoms.walked(seen, subject, name.rstrip("."), libc).found
    answers = seen.ask(own, name=walked) if walked else ()
    if libc is not Libc.MUSL:  # where dig +search finds a name, glibc does: it goes on more often
        answers += seen.ask(own, name=name, probe="form.")
    return next(filter(symptoms.gives_address, answers), None)


def _why(seen: Observed, subject: Subject, answer: Answer) -> str:
    """What makes the tool fail where the application's resolver does not; empty if nothing does."""
    name = answer.name.rstrip(".")
    if answer.tool == "nslookup":
        if _is_busybox(seen, answer):
            return "BusyBox searches no suffix for a name with a dot" if "." in name else ""
        tool = Libc.NSLOOKUP
    elif libc := symptoms.libc(seen, subject):
        tool = Libc.GLIBC if libc is Libc.MUSL else Libc.MUSL
    else:
        return ""  # it may fail in the application as well
    walk = symptoms.walked(seen, subject, name, tool)
    return "" if walk.stop in (Stop.ANSWERED, Stop.UNKNOWN) else walk.why.rstrip(".")


def _is_busybox(seen: Observed, answer: Answer) -> bool:
    """BusyBox tells the server's port behind a colon, BIND behind a hash."""
    text = next((t.out for t in seen.evidence.transcripts if t.id == answer.id), "")
    first = next((line for line in text.splitlines() if line.startswith("Address:")), "")
    return first.endswith(f":{answer.port}")
