"""A plugin answers before the one that knows: hosts without fallthrough, acl, template, rewrite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from kubectl_dnsdebug.model import (
    Answer,
    Confidence,
    Missing,
    Role,
    Scope,
    Severity,
    Status,
    Subject,
    Vantage,
)
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse import corefile
from kubectl_dnsdebug.parse.corefile import Plugin, ServerBlock, is_under
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "plugin-swallows-names",
    scope=Scope.CLUSTER,
    severity=Severity.ERROR,
    message="{server} answers {status} for {name}: in the Corefile, line {line}, {why}.",
    remedy="In the Corefile, line {line}: {cure}.",
    verify="dig {name} @{server}   # {status}; a Corefile without that plugin gives the answer",
    silent_when="names resolve, or no plugin that comes before kubernetes and forward is set to "
    "answer for the name that fails.",
    explains=(
        "wrong-name",
        "dns-no-ready-endpoints",
        "upstream-servfail-refused",
        "upstream-timeout",
    ),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    answers = _asked(seen)
    if not answers:
        raise Missing("the cluster's DNS was asked nothing")
    for answer in answers:
        if symptoms.gives_address(answer) or not _is_wrong(seen, answer):
            continue
        block = seen.corefile.block_for(answer.name)
        for plugin in block.chain() if block else ():
            if plugin.name in ("kubernetes", "forward"):
                break
            told = _swallows(plugin, block, answer) if block else None
            if told is None:
                continue
            why, cure, sure = told
            yield Found(
                evidence=(answer.id, *(fact.id for fact in seen.facts("configmap/"))),
                args={
                    "server": answer.server,
                    "status": answer.status.value.upper(),
                    "name": answer.name,
                    "line": plugin.line,
                    "why": why,
                    "cure": cure,
                },
                confidence=Confidence.CERTAIN if sure else Confidence.LIKELY,
                settles="" if sure else "the DNS pods' answer without that plugin",
            )
            return


def _asked(seen: Observed) -> list[Answer]:
    """Names that must exist, as DNS pods and their Service answered them."""
    return [
        answer
        for vantage in seen.evidence.vantages
        if vantage.role is not Role.DEFAULT
        for probe in ("reach.udp.", "svc.", "ext.", "user.A.")
        for answer in seen.ask(vantage, probe=probe)
        if answer.status.is_answer and answer.server in _servers(seen, vantage)
    ]


def _servers(seen: Observed, vantage: Vantage) -> set[str]:
    """The DNS Service and its pods, as far as they were asked there."""
    found: set[str] = set()
    with suppress(Missing):
        found |= {reach.server for reach in symptoms.service_reach(seen, vantage)}
    with suppress(Missing):
        found |= {endpoint.ip for endpoint, _ in symptoms.replicas(seen, vantage).all}
    return found


def _is_wrong(seen: Observed, answer: Answer) -> bool:
    """Whether the name exists: the `kubernetes` Service, or a name that an upstream has."""
    if answer.id.split("#", 1)[1].startswith("reach."):
        return True
    return any(
        a.name == answer.name and symptoms.gives_address(a)
        for a in seen.answers
        if a.id.split("#", 1)[1].startswith("up.")
    )


def _swallows(plugin: Plugin, block: ServerBlock, answer: Answer) -> tuple[str, str, bool] | None:
    """Why the plugin keeps the name, the cure, whether that is certain; None if it does not."""
    match plugin.name:
        case "hosts" | "file" | "auto":
            # Zones follow the file's name; without any the plugin answers for the whole block.
            zones = [z for arg in plugin.args[1:] for z in (arg,)] or list(block.zones)
            if plugin.property("fallthrough") is not None:
                return None
            if not any(is_under(answer.name, zone) for zone in zones):
                return None
            why = f"{plugin.name} has no fallthrough, so it answers for every name of its zone"
            return why, f"add `fallthrough` to {plugin.name}, or name its zones", True
        case "template":
            made = corefile.template(plugin, block)
            if made.rr_type not in ("A", "ANY") or made.fallthrough or made.match:
                return None
            if not any(is_under(answer.name, zone) for zone in made.zones):
                return None
            why = "a template takes every such query, and falls through to nothing"
            return why, "narrow the template by zone, type or match, and add fallthrough", True
        case "acl":
            if answer.status is not Status.REFUSED and answer.records:
                return None
            if not any(line[0] in ("block", "filter", "drop") for line in plugin.block):
                return None
            why = "an acl refuses clients, and what it sees is the address after translation"
            return (
                why,
                "let the acl allow the pods' and nodes' addresses",
                "Blocked" in answer.detail,
            )
        case "rewrite":
            if not any(is_under(answer.name, arg) for arg in plugin.args if "." in arg.strip(".")):
                return None
            return "a rewrite changes the name before it is looked up", "correct the rewrite", False
    return None
