"""A search suffix from the host's file whose names get no proper answer."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Answer, Confidence, Missing, Scope, Severity, Status, Subject
from kubectl_dnsdebug.observe import chance, symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse.search import Libc
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "host-search-inherited",
    scope=Scope.POD,
    severity=Severity.ERROR,
    message="{pod}: its search list ends in {suffix}, inherited from the host of {node}; names "
    "under it get {status} instead of NXDOMAIN, so names with fewer than {ndots} dots stall or "
    "fail there: {effect}.",
    remedy="Remove {suffix} from the file that kubelet reads on {node} (resolvConf), restart the "
    "kubelet and recreate the pods; until then end names with a dot, or answer NXDOMAIN for "
    "{suffix} in the Corefile.",
    verify="dig {name} @{server}   # must be NXDOMAIN at once",
    silent_when="every name under the suffix is answered, the suffix comes from the pod's own "
    "dnsConfig, the server loses other questions too, or no more than one got lost.",
    explains=("musl-search-abort", "aaaa-delay", "upstream-timeout"),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    own = seen.own(subject)
    conf = seen.conf(own)
    pod = seen.target(subject)
    added = (pod.dns_config or {}).get("searches") or ()
    suffixes = [s for s in symptoms.inherited(conf) if s not in added and s != "."]
    if not symptoms.cluster_domain(conf) or not suffixes:
        return
    walked = seen.ask(own, probe="walk.")
    if not walked:
        raise Missing(f"the search list was not walked at {own.id}")
    suffix, bad = next(_failing(walked, suffixes), ("", ()))
    if not bad:
        for each in suffixes:
            if not any(a.name.endswith(f".{each}.") for a in walked):
                raise Missing(f"no name under {each} was asked at {own.id}")
        return
    reach = seen.reach(own, bad[0].server)
    if not reach.fine or not any(map(symptoms.gives_address, reach.answers)):
        return  # the server's own names get lost or fail as well
    if chance.may_be(seen, own, bad, bad[0].name.removesuffix(f".{suffix}.")):
        return
    sure, settles = _only_there(seen, subject)
    if sure is None:
        return
    libc = symptoms.libc(seen, subject)
    failed = [a for a in seen.ask(own, tool="getent", probe="libc.") if _full(seen, a)]
    grave = libc is not Libc.GLIBC or any(a.status is Status.NO_ADDRESS for a in failed)
    yield Found(
        evidence=(seen.conf_id(own), *(a.id for a in bad[:2]), *_host(seen, subject, suffix)),
        args={
            "pod": subject,
            "node": own.node,
            "suffix": suffix,
            "status": bad[0].status.value.upper(),
            "ndots": conf.ndots,
            "effect": _effect(libc),
            "name": bad[0].name,
            "server": bad[0].server,
        },
        confidence=Confidence.CERTAIN if sure else Confidence.LIKELY,
        settles=settles,
        severity=None if grave else Severity.WARNING,
    )


def _failing(
    walked: tuple[Answer, ...], suffixes: list[str]
) -> Iterator[tuple[str, tuple[Answer, ...]]]:
    for suffix in suffixes:
        bad = tuple(
            a for a in walked if a.name.endswith(f".{suffix}.") and not symptoms.says_something(a)
        )
        if bad:
            yield suffix, bad


def _only_there(seen: Observed, subject: Subject) -> tuple[bool | None, str]:
    """Whether names beyond the suffix fare better; None when they are lost as well."""
    outside = seen.ask(seen.own(subject), probe="ext.", type="A")
    if not outside:
        return False, "a name outside the cluster that is known to exist (--name)"
    return (True, "") if all(map(symptoms.says_something, outside)) else (None, "")


def _full(seen: Observed, answer: Answer) -> bool:
    return answer.name.startswith("kubernetes.default.svc.") and answer.name.count(".") > 3


def _host(seen: Observed, subject: Subject, suffix: str) -> tuple[str, ...]:
    """The host's own file, if it shows the suffix."""
    try:
        place = seen.default(subject)
        return (seen.conf_id(place),) if suffix in seen.conf(place).search else ()
    except Missing:
        return ()


def _effect(libc: Libc | None) -> str:
    match libc:
        case Libc.MUSL:
            return "musl gives up at the first such answer"
        case Libc.GLIBC:
            return "glibc waits for each and goes on"
    return "musl gives up at the first such answer, glibc waits"
