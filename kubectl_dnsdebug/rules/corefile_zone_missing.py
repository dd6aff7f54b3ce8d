"""The Corefile has no place for a class of names: no server block, no kubernetes, no forward."""

from __future__ import annotations

import re
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
from kubectl_dnsdebug.observe import logs, symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse.corefile import Plugin, ServerBlock, is_standard, is_under, zones_of
from kubectl_dnsdebug.reason.rule import Found, rule

# A line that CoreDNS prints for each zone when it starts or has read its Corefile again.
_SERVES = re.compile(r"(?:\w+://)?(?P<zone>\S*\.):\d+(?: on \S+)?")
# Plugins that answer for names of others, beside those that the standard build does not know.
_SOURCES = (
    *("grpc", "file", "auto", "secondary", "hosts", "template", "etcd", "erratic", "route53"),
    *("azure", "clouddns", "k8s_external", "dynupdate", "nomad", "whoami", "chaos"),
)


@rule(
    "corefile-zone-missing",
    scope=Scope.CLUSTER,
    severity=Severity.ERROR,
    message="The Corefile has {lack}, so {server} answers {status} for {name}.",
    remedy="Add what the Corefile lacks: {add}; restart the DNS pods unless they have the reload "
    "plugin.",
    verify="dig {name} @{server}   # {status}",
    silent_when="the block that takes a failing name has a plugin that can answer for it, and the "
    "DNS pods began with that block.",
    explains=("wrong-name", "dns-no-ready-endpoints", "upstream-servfail-refused"),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    inside = _of_service(seen, "reach.")
    if not inside:
        raise Missing("the cluster's DNS was asked nothing")
    own = next((a for a in inside if a.status.is_answer), None)
    if own and not any(map(symptoms.gives_address, inside)):
        domain = own.name.partition(".svc.")[2]
        takes = seen.corefile.block_for(own.name)
        if takes is None or not _serves(takes, own.name):
            lack = f"no server block for {domain}"
            if takes:
                lack = f"no kubernetes plugin for {domain} in the block of line {takes.line}"
            if takes and any(b is not takes and _serves(b, own.name) for b in seen.corefile.blocks):
                lack += ", which takes these names from the block that has it"
            add = f"`kubernetes {domain.rstrip('.')} in-addr.arpa ip6.arpa` in the block that "
            yield _found(seen, own, lack, f"{add}takes the cluster's names", takes)
            return
    for answer in _of_service(seen, "ext.") + _of_service(seen, "user.A."):
        if answer.status not in (Status.REFUSED, Status.SERVFAIL) or _in_cluster(seen, answer):
            continue
        takes = seen.corefile.block_for(answer.name)
        if takes is None:
            lack, add = f"no server block that takes {answer.name}", "a block `.:53`"
            yield _found(seen, answer, lack, f"{add} with `forward . /etc/resolv.conf`", None)
            return
        if not any(_may_know(plugin, answer.name) for plugin in takes.plugins):
            lack = f"no forward in the block of line {takes.line} that takes {answer.name}"
            add = "`forward . /etc/resolv.conf` in that block"
            if left := takes.named("forward"):
                lack = f"only a forward for other names, line {left[0].line}, in the block that "
                lack += f"takes {answer.name}"
                add = "the name to what that line forwards (its zone, `except`)"
            yield _found(seen, answer, lack, add, takes)
            return
        for id, pod, zones in _began_without(seen, answer):
            lack = f"a block that takes {answer.name} now, but {pod} began with {zones} alone"
            yield _found(seen, answer, lack, "nothing any more", takes, id)
            return


def _serves(block: ServerBlock, name: str) -> bool:
    """Whether a kubernetes plugin of the block has the zone of the name."""
    return any(
        is_under(name, zone)
        for plugin in block.named("kubernetes")
        for arg in plugin.args or block.zones
        for zone in zones_of(arg)
    )


def _may_know(plugin: Plugin, name: str) -> bool:
    """Whether it answers for a name outside; a plugin of another build may do so.

    One that falls through gave no failure: it had nothing to say, and nobody comes after it.
    """
    if plugin.name == "forward":
        return plugin.forwards(name)
    if is_standard(plugin.name) and plugin.falls_through(name):
        return False
    return plugin.name in _SOURCES or not is_standard(plugin.name)


def _began_without(seen: Observed, answer: Answer) -> Iterator[tuple[str, str, str]]:
    """A DNS pod whose log tells the zones it serves, among them none for the name."""
    for pod in seen.dns_pods:
        told = [
            (id, match)
            for id, line in logs.lines(seen, pod=pod)
            if (match := _SERVES.fullmatch(logs.message(line)))
        ]
        if told and not any(is_under(answer.name, match["zone"]) for _, match in told):
            yield told[0][0], pod.name, ", ".join(dict.fromkeys(m["zone"] for _, m in told))


def _of_service(seen: Observed, probe: str) -> list[Answer]:
    """What the DNS Service said, of every place that asked it, and DNS pods asked themselves."""
    servers = [v for v in seen.evidence.vantages if v.role is Role.SERVER]
    itself = [a for v in servers for a in seen.ask(v, probe=probe)]
    return itself + [
        answer
        for vantage in seen.evidence.vantages
        if vantage.role is not Role.DEFAULT
        for reach in _reaches(seen, vantage.id)
        for answer in seen.ask(vantage, server=reach, probe=probe)
    ]


def _reaches(seen: Observed, vantage: str) -> tuple[str, ...]:
    found = next(v for v in seen.evidence.vantages if v.id == vantage)
    try:
        return tuple(reach.server for reach in symptoms.service_reach(seen, found))
    except Missing:
        return ()


def _in_cluster(seen: Observed, answer: Answer) -> bool:
    return any(is_under(answer.name, zone) for zone in seen.corefile.kubernetes_zones())


def _found(
    seen: Observed, answer: Answer, lack: str, add: str, block: ServerBlock | None, *more: str
) -> Found:
    # What a zone is called by the servers' environment, {$ZONE}, cannot be seen either.
    zones = [zone for each in seen.corefile.blocks for zone in each.zones]
    unread = bool(seen.corefile.imports or (block and block.imports))
    unread = unread or any("{" in zone for zone in zones)
    return Found(
        evidence=(answer.id, *more, *(fact.id for fact in seen.facts("configmap/"))),
        args={
            "lack": lack,
            "add": add,
            "name": answer.name,
            "server": answer.server,
            "status": answer.status.value.upper(),
        },
        confidence=Confidence.LIKELY if unread else Confidence.CERTAIN,
        settles="the files that the Corefile imports, and its variables" if unread else "",
    )
