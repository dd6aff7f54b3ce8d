"""A name that nobody has: a typing error, or a Service of another namespace."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from kubectl_dnsdebug.model import Confidence, Scope, Severity, Subject
from kubectl_dnsdebug.observe import names, symptoms
from kubectl_dnsdebug.observe.objects import Pod
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse.search import Reply, Stop, Walk
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "wrong-name",
    scope=Scope.POD,
    severity=Severity.ERROR,
    message="{pod}: {name} does not exist ({tried} all NXDOMAIN): {hint}.",
    remedy="Use the name that exists{instead}; a name without a dot is looked for in the pod's own "
    "namespace only.",
    verify="dig {absolute} @{server}   # NXDOMAIN",
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    own = seen.own(subject)
    asked = seen.evidence.request.names
    failed = [
        walk
        for each in asked
        if _fails(walk := symptoms.walked(seen, subject, each)) and not _known(seen, walk)
    ]
    if not failed or not symptoms.short_names_work(seen, own):
        return  # where no name of a Service resolves, it is not for this name
    pod = seen.target(subject)
    for walk in failed:
        found = names.meant(seen, pod, walk.name)
        if found and any((s.name, s.namespace) == found for s in seen.services):
            continue  # it is there: what its record lacks is another matter
        others = tuple(_others(seen, pod, found)) if found else ()
        yield Found(
            evidence=(*_proof(seen, subject, walk), "services"),
            args={
                "pod": subject,
                "name": walk.name,
                "tried": ", ".join(step.name for step in walk.steps),
                "hint": _hint(found, others),
                "instead": f", {others[0]}" if others else "",
                "absolute": walk.steps[0 if found else -1].name,
                "server": seen.conf(own).nameservers[0],
            },
            confidence=Confidence.CERTAIN if found else Confidence.LIKELY,
            settles=""
            if found
            else "whether any other DNS server knows it (then a server block "
            "for its zone is missing)",
        )


def _fails(walk: Walk) -> bool:
    return walk.stop is Stop.EXHAUSTED and all(s.reply is Reply.NXDOMAIN for s in walk.steps)


def _known(seen: Observed, walk: Walk) -> bool:
    """Whether any server gave an address for one of its candidates: then the servers differ."""
    tried = {step.name for step in walk.steps}
    return any(a.name in tried and symptoms.gives_address(a) for a in seen.answers)


def _others(seen: Observed, pod: Pod, wanted: tuple[str, str]) -> Iterator[str]:
    """Names that may have been meant: the Service elsewhere, else close spellings."""
    service, namespace = wanted
    same = [s for s in seen.services if s.name == service]
    nearby = {s.name for s in seen.services if s.namespace == namespace}
    close = get_close_matches(service, sorted(nearby), n=3, cutoff=0.7)
    found = [f"{s.name}.{s.namespace}" for s in same] + [f"{name}.{namespace}" for name in close]
    yield from sorted(found, key=lambda name: name.endswith(f".{pod.namespace}"), reverse=True)


def _hint(found: tuple[str, str] | None, others: tuple[str, ...]) -> str:
    if found is None:
        return "the upstream servers say so"
    gone = f"namespace {found[1]} has no Service {found[0]}"
    return f"{gone}, but there is {' and '.join(others[:3])}" if others else gone


def _proof(seen: Observed, subject: Subject, walk: Walk) -> tuple[str, ...]:
    """The first candidate's answer, and that to the name as it is."""
    own = seen.own(subject)
    ids = [a.id for step in walk.steps for a in seen.ask(own, name=step.name, type="A")]
    return tuple(dict.fromkeys((*ids[:1], *ids[-1:])))
