"""A cache remembers that a name was not there, while the cluster has it by now.

DNS servers keep a denial for some seconds. Who asks for a Service just before it is made, hears for
so long that there is none; clients and their libraries may remember longer still.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Confidence, Missing, Scope, Severity, Subject
from kubectl_dnsdebug.observe import names
from kubectl_dnsdebug.observe.denials import denials
from kubectl_dnsdebug.observe.objects import Service
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "negative-or-client-cache",
    scope=Scope.POD,
    severity=Severity.ERROR,
    message="{pod}: {server} still says that {name} does not exist, as it was {ago} s ago; "
    "Service {service} was made {age} s ago, and the cache forgets within {left} s.",
    remedy="Wait {left} s and ask again; for less of it in future give `denial` of the cache "
    "plugin a shorter time, and make Services before their clients.",
    verify="dig {name} @{server}   # the TTL of the SOA counts down",
    silent_when="no name of a Service is denied, or the Service is older than any memory of the "
    "denial.",
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    own = seen.own(subject)
    try:
        told = denials(seen, seen.ask(own))
    except Missing:
        return  # without them a denial looks like any other
    for each in told:
        if not each.remembered or each.kept <= 0:
            continue
        yield Found(
            evidence=(each.answer.id, "services"),
            args={
                "pod": subject.name,
                "server": each.answer.server,
                "name": each.answer.name,
                "ago": round(each.kept),
                "left": each.left,
                "service": each.service.id,
                "age": round(each.service_age),
            },
            confidence=Confidence.LIKELY,
            settles=f"the same question in {each.left} s",
            severity=None if _asked_for(seen, subject, each.service) else Severity.INFO,
        )
        return


def _asked_for(seen: Observed, subject: Subject, service: Service) -> bool:
    """Whether it is the user's own name that fails."""
    pod = seen.target(subject)
    meant = [names.meant(seen, pod, name) for name in seen.evidence.request.names]
    return (service.name, service.namespace) in meant
