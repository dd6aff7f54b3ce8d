"""A headless Service, or a pod behind one, has a name only while a ready pod stands for it."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Answer, Confidence, Scope, Severity, Status, Subject
from kubectl_dnsdebug.observe import names, symptoms
from kubectl_dnsdebug.observe.objects import Pod, Service, at
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule

_ANY_POD = "it has a record only for ready pods"
_ONE_POD = "the name of a pod has a record only for a ready one of that hostname and subdomain"


@rule(
    "headless-or-pod-record-missing",
    scope=Scope.POD,
    severity=Severity.ERROR,
    message="{pod}: {name} is NXDOMAIN although the headless Service {service} exists: {what} "
    "that its selector {selector} matches.",
    remedy="Make the pods behind {service} match its selector and become ready (a pod's own name "
    "also needs hostname and subdomain, as a StatefulSet's serviceName gives them), or set "
    "publishNotReadyAddresses: true for peers that look for each other while starting.",
    verify="kubectl get endpointslices -n {namespace} -l kubernetes.io/service-name={bare}   # "
    "no ready address",
    silent_when="the name has an address, the answer is another than NXDOMAIN, the Service is not "
    "headless, or short names do not resolve at all.",
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    own = seen.own(subject)
    if not symptoms.short_names_work(seen, own):
        return
    if not symptoms.service_names_fail(seen, subject):
        return
    pod = seen.target(subject)
    picked = names.pick(seen, pod).headless
    wanted = [(names.meant(seen, pod, name), True) for name in seen.evidence.request.names]
    wanted += [((picked.name, picked.namespace), False)] if picked else []
    done: set[str] = set()
    for found, asked in wanted:
        service = _headless(seen, pod, found)
        if service is None or service.id in done:
            continue
        answers = _answers(seen, subject, pod, service, asked=asked)
        if not answers or any(map(symptoms.gives_address, answers)):
            continue
        if any(a.status is not Status.NXDOMAIN for a in answers):
            continue
        done.add(service.id)
        full = f"{service.name}.{service.namespace}.svc.{seen.domain}."
        told = [a for a in answers if a.name.endswith(full)] or answers
        yield Found(
            evidence=(*(a.id for a in answers[:2]), "services"),
            args={
                "pod": subject,
                "name": min((a.name for a in told), key=len),
                "service": service.id,
                "namespace": service.namespace,
                "bare": service.name,
                "what": _ONE_POD if asked and _members(seen, pod, service) else _ANY_POD,
                "selector": ",".join(f"{k}={v}" for k, v in service.selector.items()) or "(none)",
            },
            confidence=Confidence.LIKELY,
            settles="its EndpointSlices, and whether a pod became ready a moment ago",
            # Nobody asked for it: a Service may well stand empty.
            severity=None if asked else Severity.INFO,
        )


def _headless(seen: Observed, pod: Pod, found: tuple[str, str] | None) -> Service | None:
    """The Service, where its name or that of one of its pods may lack a record."""
    for service in seen.services:
        if (service.name, service.namespace) == found and service.headless:
            # Pods that are not ready have a record there; those that do not exist have none.
            early = at(service.raw, "spec", "publishNotReadyAddresses")
            return service if not early or _members(seen, pod, service) else None
    return None


def _members(seen: Observed, pod: Pod, service: Service) -> bool:
    """Whether the user asked for one of its pods by name."""
    return any(names.member(seen, pod, each) == service for each in seen.evidence.request.names)


def _answers(
    seen: Observed, subject: Subject, pod: Pod, service: Service, *, asked: bool
) -> tuple[Answer, ...]:
    """What came for the full name of the Service, or for the user's name that leads to it."""
    own = seen.own(subject)
    if not asked:
        return seen.ask(own, probe=f"svc.{service.name}.")
    found: list[Answer] = []
    for name in seen.evidence.request.names:
        if names.meant(seen, pod, name) == (service.name, service.namespace):
            for step in symptoms.walked(seen, subject, name).steps:
                # What an upstream says of the candidates beyond has no say in this.
                if step.name.endswith(f".{seen.domain}."):
                    found += seen.ask(own, name=step.name, type="A")
    return tuple(found)
