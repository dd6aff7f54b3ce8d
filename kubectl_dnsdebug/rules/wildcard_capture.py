"""A wildcard under a search suffix answers for names that are meant to be looked for elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Answer, Missing, Scope, Severity, Subject
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "wildcard-capture",
    scope=Scope.POD,
    severity=Severity.ERROR,
    message="{pod}: every name under its search suffix {suffix} resolves to {address}, even "
    "{name}; names with fewer than {ndots} dots that no earlier suffix knows end up there.",
    remedy="Remove the wildcard record under {suffix} or the suffix from the search list, end "
    "names with a dot, or answer NXDOMAIN for {suffix} in the Corefile.",
    verify="dig surely-not-there.{suffix}. @{server}   # must be NXDOMAIN",
    silent_when="names that cannot exist under the search suffixes are denied, or the server "
    "walks the list for its client (autopath).",
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    own = seen.own(subject)
    conf = seen.conf(own)
    walked = seen.ask(own, probe="walk.")
    if not walked and conf.search and conf.ndots > 1:
        raise Missing(f"the search list was not walked at {own.id}")
    done: set[str] = set()
    for answer in walked:
        # Only a full cluster name with one more suffix: that exists nowhere.
        suffix = next((s for s in conf.search if _beneath(answer.name, s)), "")
        if not suffix or suffix in done or not symptoms.gives_address(answer):
            continue
        if _walked_by_the_server(answer, suffix):
            continue
        done.add(suffix)
        yield Found(
            evidence=(answer.id, seen.conf_id(own)),
            args={
                "pod": subject,
                "suffix": suffix,
                "address": next(r.data for r in answer.records if r.type in ("A", "AAAA")),
                "name": answer.name,
                "ndots": conf.ndots,
                "server": answer.server,
            },
        )


def _walked_by_the_server(answer: Answer, suffix: str) -> bool:
    """Whether it is the answer for the name without the suffix, as the autopath plugin gives it."""
    meant = answer.name.removesuffix(f"{suffix}.")
    return any(record.type == "CNAME" and record.data == meant for record in answer.records)


def _beneath(name: str, suffix: str) -> bool:
    """Whether the suffix was put to a full name of the `kubernetes` Service."""
    head = name.removesuffix(f".{suffix}.")
    return head != name and head.startswith("kubernetes.default.svc.")
