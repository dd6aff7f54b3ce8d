"""An ExternalName Service whose target cannot be resolved."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from kubectl_dnsdebug.model import Answer, Confidence, Scope, Severity, Subject
from kubectl_dnsdebug.observe import names as naming
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.objects import Service
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "externalname-bad",
    scope=Scope.POD,
    severity=Severity.ERROR,
    message="{pod}: the ExternalName Service {service} stands for {target}, {why}: its name gives "
    "no address.",
    remedy="For an address make a Service without selector and an EndpointSlice with it; otherwise "
    "set externalName of {service} to a name that resolves.",
    verify="kubectl get service {bare} -n {namespace} -o jsonpath='{{.spec.externalName}}'",
    silent_when="the target resolves, to an address of either family, the upstream fails for it "
    "as for all, or short names do not resolve at all.",
    explains=("wrong-name",),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    own = seen.own(subject)
    if not symptoms.short_names_work(seen, own):
        return
    if not symptoms.service_names_fail(seen, subject):
        return
    pod = seen.target(subject)
    asked = {naming.meant(seen, pod, name) for name in seen.evidence.request.names}
    for service in seen.services:
        if not service.external_name:
            continue
        wanted = (service.name, service.namespace) in asked
        answers = _answers(seen, subject, service)
        if not answers or any(map(symptoms.gives_address, answers)):
            continue
        if not all(map(symptoms.says_something, answers)):
            continue  # the upstream fails: no fault of the Service
        literal = _is_address(service.external_name)
        yield Found(
            evidence=(answers[0].id, "services"),
            args={
                "pod": subject,
                "service": service.id,
                "bare": service.name,
                "namespace": service.namespace,
                "target": service.external_name,
                "why": "an address, which cannot be the target of an alias"
                if literal
                else "which does not resolve",
            },
            confidence=Confidence.CERTAIN if literal else Confidence.LIKELY,
            settles="" if literal else "whether the target exists where its own servers are asked",
            severity=None if wanted else Severity.WARNING,
        )


def _answers(seen: Observed, subject: Subject, service: Service) -> tuple[Answer, ...]:
    name = f"{service.name}.{service.namespace}.svc.{seen.domain}."
    own = seen.own(subject)
    return (*seen.ask(own, name=name, type="A"), *seen.ask(own, name=name, type="AAAA"))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.rstrip("."))
    except ValueError:
        return False
    return True
