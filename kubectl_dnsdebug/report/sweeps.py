"""One cause for each kind of illness among nodes, however many have it.

Only some nodes of each kind have logs, so rules found it there; it holds for the others that gave
the same answers, and for those that fail alike where all of their kind that were looked at have it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from kubectl_dnsdebug.model import CLUSTER, Cause, Finding, Missing, Scope, Severity, Subject, node
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.observe.sweep import Check, Health
from kubectl_dnsdebug.report.pictures.sweep import Group, Sweep, natural
from kubectl_dnsdebug.report.unknowns import UNEXPLAINED, UNTESTED, Unknown

# Of these a policy or a name that nobody has may be the reason, where most nodes are told alike.
_OUTER = (Check.OUTSIDE, Check.UPSTREAM)
# What fails here where DNS pods are out of reach, whatever keeps them so.
_BEYOND = {Check.SERVICE_UDP, Check.SERVICE_TCP, Check.DNS_PODS, Check.OUTSIDE, Check.HOST}
MOST_NAMED = 3


def names(nodes: Sequence[str], most: int = MOST_NAMED) -> str:
    """`w1, w2, w3 and 37 more`."""
    more = f" and {len(nodes) - most} more" if len(nodes) > most else ""
    return ", ".join(nodes[:most]) + more


def gathered(seen: Observed, sweep: Sweep, causes: Iterable[Cause]) -> tuple[Cause, ...]:
    """The causes, those of one rule and one remedy as one that names every node it holds for."""
    causes = tuple(causes)
    everyone = frozenset(swept.name for swept, _ in sweep.nodes)
    return _merged(causes, _bearers(seen, sweep, [*_flat(causes)]), everyone)


def explained(seen: Observed, sweep: Sweep, causes: Iterable[Cause]) -> Sweep:
    """The sweep, its ill groups with what explains them; a group of which only a part is explained
    becomes two."""
    found = [root for root in map(_root, causes) if root.worst is not Severity.INFO]
    homes, swept = _homes(seen), {each.name: each for each, _ in sweep.nodes}

    def own(name: str) -> tuple[_Root, ...]:
        return tuple(root for root in found if node(name) in root.subjects)

    def parts(group: Group) -> Iterator[Group]:
        kinds: dict[tuple[_Root, ...], list[str]] = {}
        for name in group.nodes:
            kinds.setdefault(own(name) if group.health is not Health.FINE else (), []).append(name)
        for theirs, names in kinds.items():
            part = replace(group, nodes=tuple(names), first=swept[names[0]])
            part = part if len(kinds) == 1 else replace(part, traits=())
            reasons = _enough(part, (theirs, _beyond(part, homes, own), wide))
            yield replace(part, causes=tuple((r.finding.rule, r.finding.subject) for r in reasons))

    wide = tuple(root for root in found if CLUSTER in root.subjects)
    groups = tuple(part for group in sweep.groups for part in parts(group))
    place = {name: n for n, group in enumerate(groups) for name in group.nodes}
    nodes = sorted(((each, place[each.name]) for each, _ in sweep.nodes), key=lambda row: row[1])
    return replace(sweep, groups=groups, nodes=tuple(nodes))


@dataclass(frozen=True, slots=True)
class _Root:
    """A cause that nothing explains, with all whom it and its consequences touch."""

    finding: Finding
    subjects: frozenset[Subject]
    worst: Severity


def _root(cause: Cause) -> _Root:
    tree = [*_all([cause])]
    return _Root(
        finding=cause.finding,
        subjects=frozenset(s for each in tree for s in (each.finding.subject, *each.others)),
        worst=min((each.finding.severity for each in tree), key=lambda severity: severity.rank),
    )


def _enough(group: Group, candidates: Iterable[tuple[_Root, ...]]) -> tuple[_Root, ...]:
    """The first that explain what is wrong: a mere warning no names that fail."""
    if group.health is Health.FINE:
        return ()
    hard = group.health is Health.UNTESTED or bool({*_ill(group)} - {*_OUTER, Check.HOST})
    for roots in candidates:
        if roots and (not hard or any(root.worst is Severity.ERROR for root in roots)):
            return roots
        if group.health is Health.UNTESTED:
            break  # what others have is no reason why nothing is known of these
    return ()


def _beyond(
    group: Group, homes: Mapping[str, str], own: Callable[[str], tuple[_Root, ...]]
) -> tuple[_Root, ...]:
    """What the nodes have whose DNS pods it does not reach, if each of them has something."""
    lost = {homes.get(ip, "") for ip, mark in group.first.pods.items() if mark.is_ill}
    there = [own(home) for home in lost]
    if not {*_ill(group)} <= _BEYOND or not all(there):
        return ()
    return tuple(dict.fromkeys(root for roots in there for root in roots))


def _ill(group: Group) -> list[Check]:
    return [check for check, cell in group.first.cells.items() if cell.mark.is_ill]


def _homes(seen: Observed) -> Mapping[str, str]:
    """On which node each DNS pod runs, by its address."""
    try:
        return {each.ip: each.node for each in seen.dns_endpoints}
    except Missing:
        return {}


def unknowns(sweep: Sweep, found: Iterable[Unknown]) -> tuple[Unknown, ...]:
    """What could not be said of the nodes, once for all of one kind; `found` is what rules say."""
    untested = {node(name) for g in sweep.groups if g.health is Health.UNTESTED for name in g.nodes}
    # A rule has nothing to add on a node where nothing of ours ran.
    kept = [each for each in found if each.subject not in untested]
    once = {(u.rule, u.reason.replace(u.subject.name or "\0", "")): u for u in reversed(kept)}
    return (*_of_groups(sweep), *(u for u in kept if u in once.values()))


def _of_groups(sweep: Sweep) -> Iterator[Unknown]:
    for group in sweep.groups:
        first, whom = node(group.nodes[0]), names(group.nodes)
        if group.health is Health.UNTESTED and not group.causes:
            yield Unknown(
                rule=UNTESTED, subject=first, reason=f"{whom}: {group.reason}", matters=True
            )
        elif group.health is Health.ILL and not group.causes and not _is_common(sweep, group):
            reason = f"no known cause fits, yet of {whom}: {group.why}"
            yield Unknown(rule=UNEXPLAINED, subject=first, reason=reason, matters=True)


def _is_common(sweep: Sweep, group: Group) -> bool:
    """Whether nothing fails there but what fails on half of all nodes, past the cluster's DNS."""
    tested = [n for n, _ in sweep.nodes if n.health is not Health.UNTESTED]
    return all(
        check in _OUTER and 2 * sum(n.cells[check].mark.is_ill for n in tested) >= len(tested) > 1
        for check in _ill(group)
    )


def _bearers(
    seen: Observed, sweep: Sweep, findings: Sequence[Finding]
) -> Mapping[Finding, tuple[Subject, ...]]:
    """For each finding on a node all nodes that it stands for, in their order."""
    looked_at = {subject.name for subject in seen.looked_from}
    found: dict[str, set[str]] = {}
    for each in findings:
        if each.subject.scope is Scope.NODE:
            found.setdefault(each.rule, set()).add(each.subject.name)
    prints = {swept.name: swept.fingerprint for swept, _ in sweep.nodes}
    alike: dict[str, list[str]] = {}
    for name, print in prints.items():
        alike.setdefault(print, []).append(name)
    group_of = {name: group for group in sweep.groups for name in group.nodes}

    def bearers(finding: Finding) -> tuple[Subject, ...]:
        name = finding.subject.name
        group = group_of.get(name)
        if finding.subject.scope is not Scope.NODE or group is None:
            return (finding.subject,)
        everyone = {name, *(alike[prints[name]] if prints[name] else ())}
        if group.health is not Health.FINE and {*group.nodes} & looked_at <= found[finding.rule]:
            everyone |= {*group.nodes}
        return tuple(node(each) for each in sorted(everyone, key=natural))

    return {finding: bearers(finding) for finding in findings}


def _merged(
    causes: Iterable[Cause],
    bearers: Mapping[Finding, tuple[Subject, ...]],
    nodes: Collection[str],
) -> tuple[Cause, ...]:
    kinds: dict[object, list[Cause]] = {}
    for cause in causes:
        kinds.setdefault(_kind(cause.finding, nodes), []).append(cause)
    return tuple(_one(alike, bearers, nodes) for alike in kinds.values())


def _one(
    alike: Sequence[Cause],
    bearers: Mapping[Finding, tuple[Subject, ...]],
    nodes: Collection[str],
) -> Cause:
    first = min(alike, key=lambda cause: natural(cause.finding.subject.name))
    everyone = {whose for cause in alike for whose in bearers[cause.finding]}
    return Cause(
        finding=first.finding,
        others=tuple(
            sorted(everyone - {first.finding.subject}, key=lambda whose: natural(whose.name))
        ),
        explains=_merged((below for cause in alike for below in cause.explains), bearers, nodes),
    )


def _kind(finding: Finding, nodes: Collection[str]) -> object:
    """Equal for findings that are one: the same is to be done, on whichever node."""
    if finding.subject.scope is not Scope.NODE:
        return finding
    words = (word.strip("_.,:;()'\"") for word in finding.remedy.split())
    remedy = tuple(word for word in words if word not in nodes)
    return finding.rule, finding.severity, finding.confidence, remedy


def _all(causes: Iterable[Cause]) -> Iterator[Cause]:
    for cause in causes:
        yield cause
        yield from _all(cause.explains)


def _flat(causes: Iterable[Cause]) -> Iterator[Finding]:
    return (cause.finding for cause in _all(causes))
