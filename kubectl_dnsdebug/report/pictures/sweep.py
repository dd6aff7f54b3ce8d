"""Nodes by checks: which nodes fail alike, what they share, and whom each of them reaches."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kubectl_dnsdebug.model import Missing, Subject
from kubectl_dnsdebug.observe import sweep as sweeps
from kubectl_dnsdebug.observe import traits
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.observe.sweep import Check, Health, Mark, SweptNode
from kubectl_dnsdebug.observe.traits import Trait

TITLES = {
    Check.CONF: "resolv.conf as kubelet should write it",
    Check.SERVICE_UDP: "DNS Service over UDP",
    Check.SERVICE_TCP: "DNS Service over TCP",
    Check.DNS_PODS: "each DNS pod, asked directly",
    Check.OUTSIDE: "a name outside the cluster",
    Check.UPSTREAM: "the host's nameservers, asked by a Default pod",
    Check.HOST: "DNS Service from the node's own network",
}
_ORDER = (Health.ILL, Health.UNTESTED, Health.FINE)
_UNIQUE = re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{6,}\b|\d+")  # of one pod or one second


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Nodes that fail alike. `first` tells what is wrong, `causes` why: (rule, subject)."""

    nodes: tuple[str, ...]
    health: Health
    first: SweptNode
    traits: tuple[Trait, ...] = ()
    causes: tuple[tuple[str, Subject], ...] = ()

    @property
    def why(self) -> str:
        """What is wrong, as a list of the checks."""
        ill = ((check, cell) for check, cell in self.first.cells.items() if cell.mark.is_ill)
        return "; ".join(f"{TITLES[check]}: {cell.why}" for check, cell in ill)

    @property
    def reason(self) -> str:
        """Why what is not known could not be tested."""
        unknown = (c for c, cell in self.first.cells.items() if cell.mark is Mark.UNKNOWN)
        return "; ".join(self.first.gaps) or "not known: " + ", ".join(TITLES[c] for c in unknown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """From node to DNS pod: `rows` are nodes with the same marks, one for each of `dns_pods`."""

    dns_pods: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], tuple[Mark, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """`nodes` with their group's place in `groups`, the ill first. `cordoned` take no new pods.

    `pairs` is None where no way between nodes is at fault.
    """

    nodes: tuple[tuple[SweptNode, int], ...]
    groups: tuple[Group, ...]
    cordoned: frozenset[str]
    pairs: Pairs | None

    def count(self, health: Health) -> int:
        return sum(len(group.nodes) for group in self.groups if group.health is health)


def sweep(seen: Observed) -> Sweep | None:
    """The sweep without its causes; None where no nodes were asked for."""
    swept = sorted(sweeps.swept(seen), key=lambda node: natural(node.name))
    if not swept:
        return None
    kinds: dict[object, list[SweptNode]] = {}
    for node in swept:
        kinds.setdefault(_kind(node), []).append(node)
    healthy = [node for node in swept if node.health is Health.FINE]
    ordered = sorted(kinds.values(), key=lambda g: (_ORDER.index(g[0].health), -len(g)))
    groups = tuple(
        Group(
            nodes=tuple(node.name for node in group),
            health=group[0].health,
            first=group[0],
            traits=traits.shared(seen, group, healthy) if group[0].health is Health.ILL else (),
        )
        for group in ordered
    )
    return Sweep(
        nodes=tuple((node, place) for place, group in enumerate(ordered) for node in group),
        groups=groups,
        cordoned=frozenset(_cordoned(seen, swept)),
        pairs=_pairs(seen, swept),
    )


def natural(name: str) -> list[tuple[bool, int, str]]:
    """w2 before w10."""
    pieces = re.findall(r"\d+|\D+", name)
    return [(not p.isdecimal(), int(p) if p.isdecimal() else 0, p) for p in pieces]


def _kind(node: SweptNode) -> object:
    """Equal for nodes that are told of together."""
    match node.health:
        case Health.FINE:
            return Health.FINE
        case Health.UNTESTED:
            return node.marks, *(_UNIQUE.sub("", gap.replace(node.name, "")) for gap in node.gaps)
    return node.marks, node.cells[Check.CONF].why


def _cordoned(seen: Observed, swept: Iterable[SweptNode]) -> Iterable[str]:
    for node in swept:
        with suppress(Missing):
            if seen.node(node.name).unschedulable:
                yield node.name


def _pairs(seen: Observed, swept: Sequence[SweptNode]) -> Pairs | None:
    """Where a DNS pod answers some nodes and not others."""
    addresses = [*dict.fromkeys(ip for node in swept for ip in node.pods)]
    marks = {ip: {node.pods.get(ip) for node in swept} for ip in addresses}
    if not any(Mark.OK in each and {Mark.BAD, Mark.PART} & each for each in marks.values()):
        return None
    try:
        names: Mapping[str, str] = sweeps.dns_pod_names(seen)
    except Missing:
        names = {}
    rows: dict[tuple[Mark, ...], list[str]] = {}
    for node in swept:
        if node.pods:
            row = tuple(node.pods.get(ip, Mark.NOT_ASKED) for ip in addresses)
            rows.setdefault(row, []).append(node.name)
    ranked = sorted(rows.items(), key=lambda row: (not any(m.is_ill for m in row[0]), row[0]))
    return Pairs(
        dns_pods=tuple(names.get(ip, ip) for ip in addresses),
        rows=tuple((tuple(nodes), row) for row, nodes in ranked),
    )


def sweep_json(each: Sweep) -> dict[str, Any]:
    return {
        "checks": [{"check": check.value, "title": title} for check, title in TITLES.items()],
        "groups": [
            {
                "health": group.health.value,
                "nodes": list(group.nodes),
                "cells": _cells(group.first),
                "why": group.why,
                "reason": group.reason if group.health is Health.UNTESTED else "",
                "causes": [{"rule": rule, "subject": str(whose)} for rule, whose in group.causes],
                "traits": [
                    {"kind": t.kind.value, "value": t.value, "ill": t.ill, "healthy": t.healthy}
                    for t in group.traits
                ],
            }
            for group in each.groups
        ],
        "nodes": [
            {
                "node": node.name,
                "health": node.health.value,
                "group": group,
                "cordoned": node.name in each.cordoned,
                "cells": _cells(node),
                "reasons": list(node.gaps),
            }
            for node, group in each.nodes
        ],
        "pairs": each.pairs
        and {
            "dns_pods": list(each.pairs.dns_pods),
            "rows": [
                {"nodes": list(nodes), "cells": [mark.value for mark in marks]}
                for nodes, marks in each.pairs.rows
            ],
        },
    }


def _cells(node: SweptNode) -> dict[str, str]:
    return {check.value: cell.mark.value for check, cell in node.cells.items()}
