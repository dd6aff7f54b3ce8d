"""A policy on names (a DNS rule of Cilium) refuses some of the pod's questions on the way.

Such a policy answers REFUSED in the DNS server's place, also for names that the search list makes:
musl gives up there, and the name that comes next would have been allowed.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import (
    Answer,
    Confidence,
    Missing,
    Role,
    Scope,
    Severity,
    Status,
    Subject,
)
from kubectl_dnsdebug.observe import logs, plugin_policies, symptoms
from kubectl_dnsdebug.observe.observed import TARGETS, Observed
from kubectl_dnsdebug.observe.plugin_policies import Word
from kubectl_dnsdebug.parse.corefile import is_under
from kubectl_dnsdebug.reason.rule import Found, rule

_ENOUGH = 2  # refusals of one name: one may be a passing refusal of an upstream


@rule(
    "l7-dns-policy",
    scope=Scope.POD,
    severity=Severity.ERROR,
    message="{pod}: {name} is REFUSED by every DNS server asked from it, {contrast}: {what} "
    "refuses it on the way.",
    remedy="Add {name} and what the search list makes of it to the names that the policy allows "
    "(in Cilium `matchPattern`), or let Cilium deny with NXDOMAIN "
    "(tofqdns-dns-reject-response-code=nameError), so that resolvers go on.",
    verify="kubectl get ciliumnetworkpolicies,ciliumclusterwidenetworkpolicies -A -o yaml | "
    "grep -B5 -A10 'dns:'",
    silent_when="a plain pod beside it is refused the same name, the name was answered even once, "
    "or an upstream refuses it too.",
    explains=("host-search-inherited", "musl-search-abort"),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    own = seen.own(subject)
    asked = [a for a in seen.ask(own) if a.server and a.type in ("A", "AAAA")]
    for name in dict.fromkeys(a.name for a in asked if a.status is Status.REFUSED):
        ours = [a for a in asked if a.name == name]
        refused = [a for a in ours if a.status is Status.REFUSED]
        if len(refused) < _ENOUGH or len(refused) < len(ours) or _others_refuse(seen, name):
            continue
        word = _on_paper(seen, subject, name)
        if plain := _plain(seen, subject, name, {a.server for a in ours}):
            proof = plain[0]
            contrast = f"while a plain pod on the same node is told {proof.status.value.upper()}"
        elif known := _own_zone(seen, name, asked):
            proof, contrast = known, f"while they answer for {known.name} of their own zone"
        else:
            continue
        yield Found(
            evidence=(*(a.id for a in refused[:3]), proof.id, *(word.facts if word else ())),
            args={
                "pod": subject.name,
                "name": name,
                "contrast": contrast,
                "what": f"{word.policies}, whose names it is not among,"
                if word
                else "to all appearances a policy on DNS names",
            },
            confidence=Confidence.LIKELY,
            settles="the network plugin's own record of refused names"
            if word
            else "the policies of the network plugin",
        )
        return


def _on_paper(seen: Observed, subject: Subject, name: str) -> Word | None:
    try:
        return plugin_policies.refusing(seen, seen.target(subject), name)
    except Missing:
        return None


def _others_refuse(seen: Observed, name: str) -> bool:
    """Whether it is refused elsewhere too, or a server itself refuses: then it is no policy."""
    targets = {v.id for v in seen.evidence.vantages if v.role in TARGETS}
    full = logs.recent(seen, name, "concurrent queries exceeded")
    return bool(full) or any(
        a.status is Status.REFUSED and a.name == name and a.vantage not in targets
        for a in seen.answers
    )


def _plain(seen: Observed, subject: Subject, name: str, servers: set[str]) -> tuple[Answer, ...]:
    """What those servers say to a pod without the target's labels. Raises Missing."""
    control = seen.vantage(subject, Role.CONTROL)
    found = seen.ask(control, name=name, server=tuple(servers))
    return tuple(a for a in found if symptoms.says_something(a))


def _own_zone(seen: Observed, name: str, asked: list[Answer]) -> Answer | None:
    """Another name of the cluster domain that is answered: a DNS server refuses none of its own
    zone, unless an acl has it do so."""
    try:
        within = is_under(name, seen.domain)
        acl = any(block.named("acl") for block in seen.corefile.blocks)
    except Missing:
        return None
    found = (a for a in asked if is_under(a.name, seen.domain) and symptoms.gives_address(a))
    return next(found, None) if within and not acl else None
