"""A cache remembers that a name was not there, while the cluster has it by now.

DNS servers keep a denial for some seconds. Who asks for a Service just before it is made, hears for
so long that there is none; clients and their libraries may remember longer still.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Answer, Confidence, Missing, Scope, Severity, Status, Subject
from kubectl_dnsdebug.observe import logs, names
from kubectl_dnsdebug.observe.objects import Service, at
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse.corefile import is_under
from kubectl_dnsdebug.reason.rule import Found, rule

_LAG = 3.0  # seconds that a server's watch may lag behind the API


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
        services, domain = seen.services, seen.domain
    except Missing:
        return  # without them a denial looks like any other
    made = {
        f"{s.name}.{s.namespace}.svc.{domain}.".lower(): (s, age)
        for s in services
        if (stamp := at(s.raw, "metadata", "creationTimestamp", default=""))
        and (age := logs.age(seen, stamp)) < logs.DAY
    }
    for answer in seen.ask(own):
        if answer.status is not Status.NXDOMAIN or answer.name not in made:
            continue
        service, age = made[answer.name]
        memory = _memory(answer, domain)
        if memory is None or not _before(service, age, memory[0]):
            continue
        yield Found(
            evidence=(answer.id, "services"),
            args={
                "pod": subject.name,
                "server": answer.server,
                "name": answer.name,
                "ago": round(memory[0]),
                "left": memory[1],
                "service": service.id,
                "age": round(age),
            },
            confidence=Confidence.LIKELY,
            settles=f"the same question in {memory[1]} s",
            severity=None if _asked_for(seen, subject, service) else Severity.INFO,
        )
        return


def _memory(answer: Answer, domain: str) -> tuple[float, int] | None:
    """How many seconds ago the server made the denial, and how many it keeps it yet.

    The last number of the SOA is how long it may be kept, its TTL what is left of that. None for
    one that is fresh, or another zone's.
    """
    for record in answer.authority:
        last = record.data.split()[-1]
        if record.type == "SOA" and last.isdecimal() and is_under(record.name, domain):
            ago = int(last) - record.ttl
            return (float(ago), record.ttl) if ago > 0 else None
    return None


def _asked_for(seen: Observed, subject: Subject, service: Service) -> bool:
    """Whether it is the user's own name that fails."""
    pod = seen.target(subject)
    meant = [names.meant(seen, pod, name) for name in seen.evidence.request.names]
    return (service.name, service.namespace) in meant


def _before(service: Service, age: float, ago: float) -> bool:
    """Whether the denial may be older than the Service. Other kinds may be denied for good."""
    return bool(service.cluster_ips) and age <= ago + _LAG
