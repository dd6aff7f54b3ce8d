"""Which plugin of the Corefile keeps a name from the one that knows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from kubectl_dnsdebug.model import Answer, Status
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse import corefile
from kubectl_dnsdebug.parse.corefile import Plugin, ServerBlock, is_under

_HIDES = ("namespaces", "namespace_labels", "labels")  # what the kubernetes plugin may serve only
_STARTS = ("exact", "prefix", "suffix", "substring", "regex")


@dataclass(frozen=True, slots=True, kw_only=True)
class Swallowed:
    """`sure`: nothing else in the Corefile could have given that answer."""

    plugin: Plugin
    why: str
    cure: str
    sure: bool = True


def swallowed(seen: Observed, answer: Answer) -> Swallowed | None:
    """The plugin that gave this failing answer, on the way to the one that has the name. Raises
    Missing."""
    block = seen.corefile.block_for(answer.name)
    for plugin in block.chain() if block else ():
        told = _keeps(plugin, block, answer) if block else None
        if told:
            return told
        if plugin.name == "forward" and plugin.forwards(answer.name):
            return None
        if plugin.name == "kubernetes" and _serves(plugin, block, answer.name):
            return _hidden(plugin, answer, seen.domain)
    return None


def _serves(plugin: Plugin, block: ServerBlock | None, name: str) -> bool:
    zones = plugin.args or (block.zones if block else ())
    return any(is_under(name, zone) for arg in zones for zone in corefile.zones_of(arg))


def _keeps(plugin: Plugin, block: ServerBlock, answer: Answer) -> Swallowed | None:
    match plugin.name:
        case "hosts" | "file" | "auto":
            return _of_file(plugin, block, answer)
        case "template":
            return _of_template(plugin, block, answer)
        case "acl":
            return _of_acl(plugin, block, answer)
        case "rewrite":
            return _of_rewrite(plugin, answer)
    return None


def _of_file(plugin: Plugin, block: ServerBlock, answer: Answer) -> Swallowed | None:
    # Zones follow the file's name; without any the plugin answers for the whole block.
    zones = plugin.args[plugin.name != "auto" :] or block.zones
    if plugin.falls_through(answer.name):
        return None
    if not any(is_under(answer.name, zone) for zone in zones):
        return None
    some = "" if plugin.property("fallthrough") is None else " for that name"
    return Swallowed(
        plugin=plugin,
        why=f"{plugin.name} has no fallthrough{some}, so it answers for every name of its zone",
        cure=f"add `fallthrough` to {plugin.name}, or name its zones",
    )


def _of_template(plugin: Plugin, block: ServerBlock, answer: Answer) -> Swallowed | None:
    made = corefile.template(plugin, block)
    if made.rr_type not in (answer.type, "ANY") or made.rr_class not in ("IN", "ANY"):
        return None
    if made.takes(answer.name):
        # What it matches it answers; fallthrough is for the rest.
        if answer.status.value.upper() != made.rcode:
            return None
        why = "a template answers every such query"
        return Swallowed(plugin=plugin, why=why, cure="narrow the template by zone, type or match")
    if not any(is_under(answer.name, zone) for zone in made.zones):
        return None
    if plugin.falls_through(answer.name) or answer.status is not Status.SERVFAIL:
        return None
    return Swallowed(
        plugin=plugin,
        why="a template takes every name of its zone, also those that it does not match",
        cure="add `fallthrough` to the template, or name its zone",
    )


def _of_acl(plugin: Plugin, block: ServerBlock, answer: Answer) -> Swallowed | None:
    zones = plugin.args or block.zones
    if not any(is_under(answer.name, zone) for zone in zones):
        return None
    does = {line[0] for line in plugin.block}
    refused = "block" in does and answer.status is Status.REFUSED
    emptied = "filter" in does and answer.status is Status.NOERROR and not answer.authority
    if not refused and not emptied:
        return None
    return Swallowed(
        plugin=plugin,
        why="an acl refuses clients, and what it sees is the address after translation",
        cure="let the acl allow the pods' and nodes' addresses",
        sure="Blocked" in answer.detail,
    )


def dropped(seen: Observed, answer: Answer, client: str) -> Swallowed | None:
    """The acl that leaves a question of this client without an answer. Raises Missing."""
    block = seen.corefile.block_for(answer.name)
    for plugin in block.named("acl") if block else ():
        zones = plugin.args or (block.zones if block else ())
        if any(is_under(answer.name, zone) for zone in zones) and _action(plugin, client) == "drop":
            return Swallowed(
                plugin=plugin,
                why=f"an acl drops what comes from {client}, without a word",
                cure="let the acl allow the pods' and nodes' addresses",
                sure=False,
            )
    return None


def _action(plugin: Plugin, client: str) -> str:
    """What an acl does with a client, for all types of records: the first line that has it."""
    for action, *words in plugin.block:
        if "type" in words and "ANY" not in words:
            continue
        nets = words[words.index("net") + 1 :] if "net" in words else ["*"]
        if any(each == "*" or _is_in(client, each) for each in nets):
            return action
    return ""


def _is_in(client: str, net: str) -> bool:
    try:
        return ip_address(client) in ip_network(net, strict=False)
    except ValueError:
        return False


def _of_rewrite(plugin: Plugin, answer: Answer) -> Swallowed | None:
    if not any(_rewrites(words, answer.name) for words in (plugin.args, *plugin.block)):
        return None
    why = "a rewrite changes the name before it is looked up"
    return Swallowed(plugin=plugin, why=why, cure="correct the rewrite", sure=False)


def _rewrites(words: Sequence[str], name: str) -> bool:
    """Whether a rule, `[stop|continue] name [KIND] FROM TO ...`, is for the name."""
    rest = list(words)
    if rest[:1] in (["stop"], ["continue"]):
        rest.pop(0)
    if rest[:1] != ["name"]:
        return False
    rest.pop(0)
    kind = rest.pop(0) if rest and rest[0] in _STARTS else "exact"
    if len(rest) < 2:
        return False
    start, bare = rest[0].lower(), name.lower()
    match kind:
        case "exact":
            return bare.rstrip(".") == start.rstrip(".")
        case "prefix":
            return bare.startswith(start)
        case "suffix":
            return bare.rstrip(".").endswith(start.rstrip("."))
        case "substring":
            return start in bare
    return corefile.matches(rest[0], bare)


def _hidden(plugin: Plugin, answer: Answer, domain: str) -> Swallowed | None:
    """Whether the kubernetes plugin was told not to serve the Service of that name."""
    of_services = f".svc.{domain}.".lower()
    if answer.status is not Status.NXDOMAIN or not answer.name.endswith(of_services):
        return None
    namespace = answer.name.removesuffix(of_services).rpartition(".")[2]
    for what in _HIDES:
        only = plugin.property(what)
        if only is None or (what == "namespaces" and namespace in only):
            continue
        said = " ".join((what, *only))
        return Swallowed(
            plugin=plugin,
            why=f"kubernetes serves only what `{said}` allows",
            cure=f"let `{what}` of the kubernetes plugin take in {namespace} too, or remove it",
            sure=what == "namespaces",
        )
    return None
