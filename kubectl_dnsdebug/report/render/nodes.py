"""Nodes by checks on a screen: a heat map, those that fail alike, and who reaches which DNS pod."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tabulate import tabulate

from kubectl_dnsdebug.observe.sweep import Check, Health, Mark, SweptNode
from kubectl_dnsdebug.observe.traits import Kind, Trait
from kubectl_dnsdebug.report.pictures.sweep import Group, Pairs, Sweep
from kubectl_dnsdebug.report.render.style import LABEL, Style, Tone, entry, flow, one_line, wrap
from kubectl_dnsdebug.report.sweeps import names

MOST_ROWS = 40
MOST_GROUPS = 8
MOST_PAIRS = 12
LONGEST_NAME = 34
HEADS = {
    Check.CONF: "file",
    Check.SERVICE_UDP: "udp",
    Check.SERVICE_TCP: "tcp",
    Check.DNS_PODS: "pods",
    Check.OUTSIDE: "ext",
    Check.UPSTREAM: "host",
    Check.HOST: "net",
}
MEANINGS = {
    Check.CONF: "file: resolv.conf as kubelet should write it",
    Check.SERVICE_UDP: "udp, tcp: the DNS Service",
    Check.DNS_PODS: "pods: each DNS pod, asked directly",
    Check.OUTSIDE: "ext: a name outside the cluster",
    Check.UPSTREAM: "host: the host's nameservers, asked by a Default pod",
    Check.HOST: "net: the DNS Service from the node's own network",
}
WORDS = {
    Mark.OK: "ok",
    Mark.PART: "PART",
    Mark.BAD: "FAIL",
    Mark.UNKNOWN: "?",
    Mark.NOT_ASKED: "-",
}
_BLOCKS = {
    Mark.OK: "░░░",
    Mark.PART: "▒▒▒",
    Mark.BAD: "███",
    Mark.UNKNOWN: "?",
    Mark.NOT_ASKED: "·",
}
_LEGEND = {
    Mark.OK: "ok",
    Mark.PART: "works in part",
    Mark.BAD: "fails",
    Mark.UNKNOWN: "not known",
    Mark.NOT_ASKED: "not asked",
}
TONES = {
    Mark.OK: Tone.GOOD,
    Mark.PART: Tone.DOUBTFUL,
    Mark.BAD: Tone.BAD,
    Mark.UNKNOWN: Tone.DOUBTFUL,
    Mark.NOT_ASKED: Tone.QUIET,
}
_KINDS = {
    Kind.DNS_POD: "no answer from DNS pod",
    Kind.KERNEL: "kernel",
    Kind.KUBELET: "kubelet",
    Kind.RUNTIME: "runtime",
    Kind.IMAGE: "OS image",
    Kind.ARCHITECTURE: "architecture",
    Kind.LABEL: "label",
    Kind.TAINT: "taint",
}


def sweep(sweep: Sweep, style: Style) -> Iterator[str]:
    """The map, then what is wrong and what is not known; the causes come with the verdict."""
    yield ""
    yield from _map(sweep, style)
    ill = [group for group in sweep.groups if group.health is not Health.FINE]
    for group in ill[:MOST_GROUPS]:
        yield ""
        yield from _group(group, style)
    if len(ill) > MOST_GROUPS:
        yield from ("", f"{len(ill) - MOST_GROUPS} more kinds of trouble: see -o json")
    if sweep.pairs:
        yield ""
        yield from _pairs(sweep.pairs, style)


def tally(sweep: Sweep) -> str:
    """`38 fine, 2 ill, 1 not tested`."""
    words = {Health.FINE: "fine", Health.ILL: "ill", Health.UNTESTED: "not tested"}
    counts = {health: sweep.count(health) for health in words}
    return ", ".join(f"{count} {words[health]}" for health, count in counts.items() if count)


def shown(sweep: Sweep) -> list[SweptNode]:
    """The nodes that have a row: all of a few, else those that are not fine."""
    rows = [node for node, _ in sweep.nodes]
    if len(rows) > MOST_ROWS:
        rows = [node for node in rows if node.health is not Health.FINE]
    return rows[:MOST_ROWS]


def folded(sweep: Sweep) -> str:
    """What the nodes without a row are; empty where all have one."""
    rows = {node.name for node in shown(sweep)}
    rest = [node for node, _ in sweep.nodes if node.name not in rows]
    counts = {health: sum(node.health is health for node in rest) for health in Health}
    words = {Health.FINE: "fine", Health.ILL: "ill", Health.UNTESTED: "not tested"}
    parts = [f"{count} {words[health]}" for health, count in counts.items() if count]
    return f"and {', '.join(parts)}, without a row" if parts else ""


def columns(sweep: Sweep) -> list[Check]:
    """The checks that were made anywhere."""
    return [
        check
        for check in Check
        if any(node.cells[check].mark is not Mark.NOT_ASKED for node, _ in sweep.nodes)
    ]


def title(sweep: Sweep, node: SweptNode) -> str:
    return node.name + (" (cordoned)" if node.name in sweep.cordoned else "")


def _map(sweep: Sweep, style: Style) -> Iterator[str]:
    checks, rows = columns(sweep), shown(sweep)
    titles = [_cut(one_line(title(sweep, node))) for node in rows]
    widest = max([LABEL, *map(len, titles)])
    if rows:
        heads = "  ".join(HEADS[check].ljust(4) for check in checks)
        yield style.paint(f"{''.ljust(widest)}  {heads}".rstrip(), Tone.TITLE)
    for name, node in zip(titles, rows, strict=True):
        cells = (_cell(node.cells[check].mark, style, 4) for check in checks)
        yield f"{name.ljust(widest)}  {'  '.join(cells)}".rstrip()
    if rest := folded(sweep):
        yield rest
    if rows:
        yield from _legend({n.cells[c].mark for n in rows for c in checks}, checks, style)


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 3]}..."


def _cell(mark: Mark, style: Style, width: int) -> str:
    text = _BLOCKS[mark] if style.unicode else WORDS[mark]
    return style.paint(text, TONES[mark]) + " " * (width - len(text))


def _legend(marks: set[Mark], checks: Sequence[Check], style: Style) -> Iterator[str]:
    """What occurs, then what the columns are."""
    symbols = _BLOCKS if style.unicode else WORDS
    told = [
        f"{symbols[mark][:1] if style.unicode else symbols[mark]} {_LEGEND[mark]}"
        for mark in Mark
        if mark in marks and symbols[mark] != _LEGEND[mark]
    ]
    lines = [*told, *(MEANINGS[check] for check in checks if check in MEANINGS)]
    yield from wrap("; ".join(lines), style.width, first="  ")


def _group(group: Group, style: Style) -> Iterator[str]:
    ill = group.health is Health.ILL
    label = "ill" if ill else "not tested"
    what = group.why if ill else group.reason
    yield from entry(label, f"{names(group.nodes)}: {what}", style)
    if group.causes:
        rules = ", ".join(dict.fromkeys(rule for rule, _ in group.causes))
        yield from entry("", f"because of {rules}", style)
    if group.traits:
        yield from entry("", traits(group), style)


def said(group: Group) -> str:
    """What is wrong with them, why, and what they share, in one line."""
    what = group.why if group.health is Health.ILL else f"not tested: {group.reason}"
    rules = ", ".join(dict.fromkeys(rule for rule, _ in group.causes))
    parts = [f"{names(group.nodes)}: {what}"]
    parts += [f"because of {rules}"] if rules else []
    parts += [traits(group)] if group.traits else []
    return "; ".join(parts)


def traits(group: Group) -> str:
    """What its nodes have in common, as a sentence."""
    said = ", ".join(_trait(each, len(group.nodes)) for each in group.traits)
    return f"in common, unlike the fine nodes: {said}"


def _trait(each: Trait, nodes: int) -> str:
    limits = [f"{each.ill} of {nodes}"] if each.ill < nodes else []
    limits += [f"but {each.healthy} fine too"] if each.healthy else []
    return f"{_KINDS[each.kind]} {each.value}" + (f" ({', '.join(limits)})" if limits else "")


def _pairs(pairs: Pairs, style: Style) -> Iterator[str]:
    """Keys stand for DNS pods where their names need too much room."""
    rows = pairs.rows[:MOST_PAIRS]
    lines = _grid(rows, pairs.dns_pods, style)
    keys = [f"[{place}]" for place, _ in enumerate(pairs.dns_pods, 1)]
    fits = max(map(len, _grid(rows, pairs.dns_pods, _PLAIN))) <= style.width
    head, *body = lines if fits else _grid(rows, keys, style)
    yield style.paint(head, Tone.TITLE)
    yield from body
    if len(pairs.rows) > MOST_PAIRS:
        yield f"and {len(pairs.rows) - MOST_PAIRS} more patterns: see -o json"
    if not fits:
        told = [f"{key} {pod}" for key, pod in zip(keys, pairs.dns_pods, strict=True)]
        yield from flow(((text, text) for text in told), style.width, "  ")


_PLAIN = Style(width=0, colour=False, unicode=False)


def _grid(
    rows: Sequence[tuple[Sequence[str], Sequence[Mark]]], heads: Sequence[str], style: Style
) -> list[str]:
    body = [
        [names(nodes, 2), *(style.paint(WORDS[mark], TONES[mark]) for mark in marks)]
        for nodes, marks in rows
    ]
    text = tabulate(
        body, headers=["from, to DNS pod", *heads], tablefmt="plain", disable_numparse=True
    )
    return text.splitlines()
