"""When a server decided that a Service's name does not exist, against when the Service was made.

A denial is kept for as many seconds as the last number of its SOA says, and its TTL counts down
from there: so it tells how old it is. One from before the Service is a memory. One from long after
it is a server that does not know what the API has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kubectl_dnsdebug.model import Answer, Status
from kubectl_dnsdebug.observe import logs
from kubectl_dnsdebug.observe.objects import Service, at
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse.corefile import is_under

LAG = 3.0  # seconds that a server's watch may lag behind the API


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """An answer `no such name` for a Service that the API has. Times are seconds.

    `kept` is how long ago the server made it, `left` how long it keeps it yet, `age` how old the
    Service was when the server made it: negative when it was not there yet.
    """

    answer: Answer
    service: Service
    kept: float
    left: int
    service_age: float  # of the Service, when the tool began to look
    age: float

    @property
    def remembered(self) -> bool:
        """It may be a memory of the time before the Service, or before the server heard of it."""
        return self.age <= LAG


def denials(seen: Observed, answers: Iterable[Answer]) -> tuple[Denial, ...]:
    """Those among the answers that deny a ClusterIP Service and tell since when. Raises Missing
    without Services."""
    domain = seen.domain
    made = {
        f"{s.name}.{s.namespace}.svc.{domain}.".lower(): (s, logs.age(seen, stamp))
        for s in seen.services
        # An ExternalName whose target has no address may be denied for good, too.
        if s.cluster_ips and (stamp := at(s.raw, "metadata", "creationTimestamp", default=""))
    }
    return tuple(
        Denial(
            answer=answer,
            service=service,
            kept=kept,
            left=left,
            service_age=service_age,
            age=service_age + _moment(seen, answer) - kept,
        )
        for answer in answers
        if answer.status is Status.NXDOMAIN and answer.name in made
        for service, service_age in [made[answer.name]]
        for kept, left in _memory(answer, domain)
    )


def _memory(answer: Answer, domain: str) -> Iterator[tuple[float, int]]:
    """For how many seconds the server has kept the denial, and how many are left; once at most."""
    for record in answer.authority:
        if record.type != "SOA" or not is_under(record.name, domain):
            continue
        last = record.data.split()[-1]
        if last.isdecimal() and int(last) >= record.ttl:
            yield float(int(last) - record.ttl), record.ttl
            return


def _moment(seen: Observed, answer: Answer) -> float:
    """Seconds from the start of the collection to this answer, by the clock of its node. A clock
    that is wrong puts it at the start or the end at worst."""
    total = seen.evidence.timing.get("total", 0.0)
    began = logs.seconds(seen.evidence.collected_at)
    if answer.clock is None or began is None:
        return 0.0
    return min(max(answer.clock - began, 0.0), total)
