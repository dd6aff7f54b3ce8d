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
    silent_when="the name has an address anywhere, a Service of that name is there, or short "
    "names do not resolve at all.",
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    own = seen.own(subject)
    walks = [symptoms.walked(seen, subject, each) for each in seen.evidence.request.names]
    failed = [w for w in walks if _denied(seen, subject, w) and not _known(seen, w)]
    if not failed or not symptoms.short_names_work(seen, own):
        return  # where no name of a Service resolves, it is not for this name
    pod = seen.target(subject)
    for walk in failed:
        found = names.meant(seen, pod, walk.name)
        if found and any((s.name, s.namespace) == found for s in seen.services):
            continue  # it is there: what its record lacks is another matter
        others = tuple(_others(seen, pod, found)) if found else ()
        denied = [step.name for step in walk.steps if step.reply is Reply.NXDOMAIN]
        yield Found(
            evidence=(*_proof(seen, subject, denied), "services"),
            args={
                "pod": subject,
                "name": walk.name,
                "tried": ", ".join(denied),
                "hint": _hint(found, others),
                "instead": f", {others[0]}" if others else "",
                "absolute": denied[0 if found else -1],
                "server": seen.conf(own).nameservers[0],
            },
            confidence=Confidence.CERTAIN if found else Confidence.LIKELY,
            settles=""
            if found
            else "whether any other DNS server knows it (then a server block "
            "for its zone is missing)",
        )


def _denied(seen: Observed, subject: Subject, walk: Walk) -> bool:
    """Whether it exists nowhere; of a Service's name, whether it does not in the cluster's domain.

    What an upstream in trouble says of the candidates beyond has no say in that.
    """
    if walk.stop in (Stop.ANSWERED, Stop.UNKNOWN):
        return False
    asked = list(walk.steps)
    if names.meant(seen, seen.target(subject), walk.name):
        domain = symptoms.cluster_domain(seen.conf(seen.own(subject)))
        asked = [step for step in asked if step.name.endswith(f".{domain}.")]
    return bool(asked) and all(step.reply is Reply.NXDOMAIN for step in asked)


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


def _proof(seen: Observed, subject: Subject, denied: list[str]) -> tuple[str, ...]:
    """The answers to the first candidate and to the last."""
    own = seen.own(subject)
    ids = [a.id for name in denied for a in seen.ask(own, name=name, type="A")]
    return tuple(dict.fromkeys((*ids[:1], *ids[-1:])))
