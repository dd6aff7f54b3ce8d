"""A template that denies the name itself where it was meant to give no IPv6 address."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Answer, Confidence, Missing, Scope, Severity, Status, Subject
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.observed import TARGETS, Observed
from kubectl_dnsdebug.parse import corefile
from kubectl_dnsdebug.parse.search import Libc
from kubectl_dnsdebug.reason.rule import Found, rule

_PAIRS = (("reach.udp.", "reach6."), ("svc.", "reach6."), ("ext.", "ext6."))


@rule(
    "template-aaaa-nxdomain",
    scope=Scope.CLUSTER,
    severity=Severity.ERROR,
    message="{server} has an address for {name} and answers NXDOMAIN for its AAAA, which says that "
    "the name does not exist: {effect} ({where}).",
    remedy="In the Corefile let the template for AAAA answer `rcode NOERROR` instead of NXDOMAIN: "
    "no such address, but the name exists.",
    verify="dig {name} AAAA @{server}   # status must be NOERROR with an empty answer",
    silent_when="AAAA of a name that has an A record is answered without NXDOMAIN, or the "
    "Corefile has no template for that name: then it is the upstream's doing.",
    explains=("musl-search-abort", "aaaa-delay"),
    on_nodes=False,
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    pair = _pair(seen)
    if pair is None:
        return
    yes, no = pair
    try:
        lines = _templates(seen, yes.name)
        where = f"Corefile line {lines[0]}" if lines else ""
        configs = tuple(fact.id for fact in seen.facts("configmap/"))
    except Missing:
        where, configs, lines = "the Corefile could not be read", (), []
    if not where:
        return  # the upstream's doing
    libcs = {symptoms.libc(seen, pod.subject) for pod in seen.targets}
    yield Found(
        evidence=(yes.id, no.id, *configs),
        args={
            "server": no.server,
            "name": yes.name,
            "where": where,
            "effect": "musl discards the address, glibc keeps it",
        },
        confidence=Confidence.CERTAIN if lines else Confidence.LIKELY,
        settles="" if lines else "the Corefile",
        severity=Severity.WARNING if libcs == {Libc.GLIBC} else None,
    )


def _pair(seen: Observed) -> tuple[Answer, Answer] | None:
    """An address and a denial for one name of one server. Raises Missing if AAAA was not asked."""
    asked = False
    for vantage in seen.evidence.vantages:
        if vantage.role not in TARGETS:
            continue
        for four, six in _PAIRS:
            denials = seen.ask(vantage, probe=six)
            asked = asked or bool(denials)
            for no in denials:
                for yes in seen.ask(vantage, server=no.server, name=no.name, probe=four, type="A"):
                    if no.status is Status.NXDOMAIN and symptoms.gives_address(yes):
                        return yes, no
    if not asked:
        raise Missing("no AAAA record was asked for")
    return None


def _templates(seen: Observed, name: str) -> list[int]:
    """Lines of the Corefile with a template that denies the name for AAAA."""
    block = seen.corefile.block_for(name)
    if block is None:
        return []
    return [
        plugin.line
        for plugin in block.named("template")
        if (made := corefile.template(plugin, block)).rr_type in ("AAAA", "ANY")
        and made.rcode == "NXDOMAIN"
        and made.takes(name)
    ]
