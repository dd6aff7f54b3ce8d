"""An ndots so low that the image's resolver never tries the search list for a Service's name."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Confidence, Scope, Severity, Status, Subject
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse.search import Libc
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "dnsconfig-bad",
    scope=Scope.POD,
    severity=Severity.ERROR,
    message="{pod}: its dnsConfig leaves ndots at {ndots}, so {library} asks for {name} as it "
    "stands and never tries the search list: NXDOMAIN.",
    remedy="Set ndots in the pod's dnsConfig to {wanted} or more, or write full names with the "
    "cluster domain and a dot at the end.",
    verify="getent hosts {name}   # in the container; nothing, while {name}.{suffix} is found",
    silent_when="the image has glibc, which comes back to the search list, the pod has no "
    "dnsConfig, or full names fail as well.",
    explains=("wrong-name",),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    own = seen.own(subject)
    conf = seen.conf(own)
    lost = [
        a
        for a in symptoms.short_names(seen, own)
        if a.via_search and a.status is Status.NXDOMAIN and _dots(a.name) >= max(conf.ndots, 1)
    ]
    pod = seen.target(subject)
    domain = symptoms.cluster_domain(conf)
    if not lost or not domain or pod.dns_config is None:
        return
    libc = symptoms.libc(seen, subject)
    if libc is Libc.GLIBC:
        return  # it comes back to the search list
    reach = seen.reach(own, conf.nameservers[0])
    if not any(map(symptoms.gives_address, reach.answers)):
        return  # full names fail as well
    worst = min(lost, key=lambda a: _dots(a.name))
    common = _dots(worst.name) <= 1  # `service.namespace`, which everybody writes
    yield Found(
        evidence=(
            worst.id,
            seen.conf_id(own),
            f"pod/{pod.namespace}/{pod.name}",
            reach.ids[0],
        ),
        args={
            "pod": subject,
            "ndots": conf.ndots,
            "library": "musl" if libc else "a musl image",
            "name": worst.name.rstrip("."),
            "wanted": max(_dots(a.name) for a in lost) + 1,
            "suffix": f"svc.{domain}." if common else f"{domain}.",
        },
        confidence=Confidence.CERTAIN if libc else Confidence.LIKELY,
        settles="" if libc else "the C library of the pod's image",
        severity=(None if libc else Severity.WARNING) if common else Severity.INFO,
    )


def _dots(name: str) -> int:
    return name.rstrip(".").count(".")
