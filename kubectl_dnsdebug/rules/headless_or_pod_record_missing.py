"""A headless Service, or a pod behind one, has a name only while a ready pod stands for it."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Answer, Confidence, Scope, Severity, Status, Subject
from kubectl_dnsdebug.observe import names, symptoms
from kubectl_dnsdebug.observe.objects import Pod, Service, at
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "headless-or-pod-record-missing",
    scope=Scope.POD,
    severity=Severity.ERROR,
    message="{pod}: {name} is NXDOMAIN although the headless Service {service} exists: it has a "
    "record only for ready pods that its selector {selector} matches.",
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
        service = _headless(seen, found)
        if service is None or service.id in done:
            continue
        answers = _answers(seen, subject, pod, service, asked=asked)
        if not answers or any(map(symptoms.gives_address, answers)):
            continue
        if any(a.status is not Status.NXDOMAIN for a in answers):
            continue
        done.add(service.id)
        yield Found(
            evidence=(*(a.id for a in answers[:2]), "services"),
            args={
                "pod": subject,
                "name": answers[0].name,
                "service": service.id,
                "namespace": service.namespace,
                "bare": service.name,
                "selector": ",".join(f"{k}={v}" for k, v in service.selector.items()) or "(none)",
            },
            confidence=Confidence.LIKELY,
            settles="its EndpointSlices, and whether a pod became ready a moment ago",
            # Nobody asked for it: a Service may well stand empty.
            severity=None if asked else Severity.INFO,
        )


def _headless(seen: Observed, found: tuple[str, str] | None) -> Service | None:
    for service in seen.services:
        if (service.name, service.namespace) == found and service.headless:
            return None if at(service.raw, "spec", "publishNotReadyAddresses") else service
    return None


def _answers(
    seen: Observed, subject: Subject, pod: Pod, service: Service, *, asked: bool
) -> tuple[Answer, ...]:
    """What came for the full name of the Service, or for the user's name that leads to it."""
    own = seen.own(subject)
    if not asked:
        return seen.ask(own, probe=f"svc.{service.name}.", type="A")
    found: list[Answer] = []
    for name in seen.evidence.request.names:
        if names.meant(seen, pod, name) == (service.name, service.namespace):
            for step in symptoms.walked(seen, subject, name).steps:
                found += seen.ask(own, name=step.name, type="A")
    return tuple(found)
