"""The verdict: causes and their consequences, what could not be checked, what was made, the end."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from kubectl_dnsdebug.model import CLUSTER, Cause, Finding
from kubectl_dnsdebug.report.exits import Exit
from kubectl_dnsdebug.report.render import nodes
from kubectl_dnsdebug.report.render.style import SEVERITY, Style, Tone, one_line, wrap
from kubectl_dnsdebug.report.report import Conclusion, Report, flatten
from kubectl_dnsdebug.report.sweeps import MOST_NAMED, names
from kubectl_dnsdebug.report.unknowns import UNEXPLAINED, Unknown, ways_out

MOST_PROOFS = 3
MOST_SUBJECTS = 4
MOST_SLUGS = 6
MOST_REASONS = 8
_TOOK = re.compile(r" in \d+ ms\b")
GONE = ("removed", "ended")


def verdict(report: Report, style: Style) -> Iterator[str]:
    for each in report.advice:
        yield from _advice(each, style)
    if report.advice:
        yield ""
    for causes in alike(report.causes):
        yield from _cause(causes, report, style)
        yield ""
    yield from _unexplained(report, style)
    yield from _gaps(report, style)
    yield from _bill(report, style)
    yield from _outcome(report, style)


def named(*causes: Cause) -> str:
    """`kube-proxy-dead on node/w1`; subjects of which the same is said stand side by side."""
    return f"{causes[0].finding.rule} on {whom(causes)}"


def whom(causes: Iterable[Cause]) -> str:
    """Their subjects, of many the first few and how many more."""
    everyone = [each for cause in causes for each in (cause.finding.subject, *cause.others)]
    more = len(everyone) - MOST_SUBJECTS
    few = everyone if more <= 1 else everyone[:MOST_SUBJECTS]
    said = ", ".join(one_line(str(each)) for each in few)
    return f"{said} and {more} more" if more > 1 else said


def alike(causes: Iterable[Cause]) -> Iterable[list[Cause]]:
    """Causes that differ in their subject only, as of several pods with one fault, told once."""
    groups: dict[Finding, list[Cause]] = {}
    for cause in causes:
        told = replace(cause.finding, subject=CLUSTER, evidence=())
        groups.setdefault(told, []).append(cause)
    return groups.values()


def _advice(cause: Cause, style: Style) -> Iterator[str]:
    found = cause.finding
    yield f"{style.paint('ADVICE', SEVERITY[found.severity])} {named(cause)}"
    yield from wrap(found.message, style.width, first="  ")
    yield from wrap(fix(cause), style.width, first="  fix: ")
    yield from _consequences(cause.explains, style, "  ")


def _cause(causes: list[Cause], report: Report, style: Style) -> Iterator[str]:
    found = causes[0].finding
    severity = found.severity.value.upper()
    name = f"{named(*causes)} ({found.confidence.value})"
    first, *rest = wrap(name, style.width - len(severity) - 1)
    yield f"{style.paint(severity, SEVERITY[found.severity])} {style.paint(first, Tone.TITLE)}"
    yield from (style.paint(f"  {line}", Tone.TITLE) for line in rest)
    yield from wrap(found.message, style.width, first="  ")
    for place, line in enumerate(proofs(found, report)):
        yield from wrap(line, style.width, first="         " if place else "  proof: ")
    for line in wrap(fix(causes[0]), style.width, first="  fix: "):
        yield style.paint(line, Tone.TITLE)
    # Never wrapped: it is there to be copied.
    yield f"  check by hand: {one_line(found.verify)}"
    if found.settles:
        yield from wrap(f"to be certain: {found.settles}", style.width, first="  ")
    yield from _consequences([each for cause in causes for each in cause.explains], style, "  ")


def fix(cause: Cause) -> str:
    """What to do; it speaks of one of the nodes that have it."""
    if not cause.others:
        return cause.finding.remedy
    more = f"{len(cause.others)} more nodes" if len(cause.others) > 1 else str(cause.others[0])
    return f"{cause.finding.remedy} The same goes for {more}."


def proofs(found: Finding, report: Report) -> list[str]:
    """The first lines that differ in more than their time: a finding names failures first."""
    lines = [report.evidence[id] for id in found.evidence if id in report.evidence]
    counts = Counter(_TOOK.sub("", line) for line in lines)
    first = {_TOOK.sub("", line): line for line in reversed(lines)}
    return [
        first[key] + (f" (and {count - 1} more like it)" if count > 1 else "")
        for key, count in counts.items()
    ][:MOST_PROOFS]


def _consequences(causes: Iterable[Cause], style: Style, indent: str) -> Iterator[str]:
    for cause in causes:
        found = cause.finding
        text = f"explains {named(cause)}: {found.message}"
        yield from wrap(text, style.width, first=indent, rest=indent + "  ")
        yield from _consequences(cause.explains, style, indent + "  ")


def _unexplained(report: Report, style: Style) -> Iterator[str]:
    for each in report.unknown:
        if each.rule == UNEXPLAINED:
            yield f"{style.paint('UNEXPLAINED', Tone.BAD)} {one_line(str(each.subject))}"
            yield from wrap(each.reason, style.width, first="  ")
            hint = (
                "to go on: --name NAME asks for the name that fails, --save FILE keeps the evidence"
            )
            yield from wrap(hint, style.width, first="  ")
            yield ""


def gaps(report: Report) -> dict[str, list[Unknown]]:
    """What could not be checked, by reason, the gravest first.

    Forty rules that lack one permission are one gap.
    """
    groups: dict[str, list[Unknown]] = {}
    for each in sorted(report.unknown, key=lambda u: not u.matters):
        if each.rule != UNEXPLAINED:
            groups.setdefault(one_line(each.reason), []).append(each)
    return groups


def _gaps(report: Report, style: Style) -> Iterator[str]:
    groups = gaps(report)
    if not groups:
        return
    yield style.paint("could not be checked", Tone.DOUBTFUL)
    for reason, group in [*groups.items()][:MOST_REASONS]:
        slugs = [*dict.fromkeys(each.rule for each in group)]
        more = f" and {len(slugs) - MOST_SLUGS} more" if len(slugs) > MOST_SLUGS else ""
        text = f"{', '.join(slugs[:MOST_SLUGS])}{more}: {reason}"
        count = f"{len(group)} checks: " if len(group) > 1 else ""
        yield from wrap(count + text, style.width, first="  ", rest="    ")
    if len(groups) > MOST_REASONS:
        yield f"  {len(groups) - MOST_REASONS} more reasons: see -o json"
    for way in ways_out(groups):
        yield from wrap(way, style.width, first="  ", rest="    ")
    yield ""


def _bill(report: Report, style: Style) -> Iterator[str]:
    yield from wrap(cost(report), style.width)
    gone = fate(report)
    yield from wrap(gone, style.width) if gone else ()
    for line in left(report):
        yield from (style.paint(each, Tone.DOUBTFUL) for each in wrap(line, style.width, rest="  "))


def cost(report: Report) -> str:
    """How many checks there were, and what the run cost the cluster and the user."""
    found = {(f.rule, f.subject) for f in flatten((*report.causes, *report.advice))}
    unknown = [u for u in report.unknown if u.rule != UNEXPLAINED]
    checks = len(found) + len(unknown) + len(report.clear)
    parts = [f"{checks} check{'s' if checks != 1 else ''}: {len(report.clear)} clear"]
    parts += [f"{len(found)} found"] if found else []
    parts += [f"{len(unknown)} unknown"] if unknown else []
    costs = [f"{number} {one_line(what)}" for what, number in report.counts.items()]
    costs += [f"{seconds:.1f} s"] if (seconds := report.timing.get("total")) is not None else []
    return "; ".join(filter(None, (", ".join(parts), ", ".join(costs))))


def fate(report: Report) -> str:
    """What was made and is gone; empty when nothing was."""
    fates = Counter(made.fate for made in report.made)
    kinds = (
        ("removed", "pod", "made and removed"),
        ("ended", "ephemeral container", "ended, to go with the pod"),
    )
    return "; ".join(
        f"{number} {what}{'s' if number > 1 else ''} {became}"
        for fate, what, became in kinds
        if (number := fates[fate])
    )


def left(report: Report) -> list[str]:
    """What was made and is not known to be gone."""
    return [
        one_line(f"left: {made.what}: {made.fate or 'fate unknown'}")
        for made in report.made
        if made.fate not in GONE
    ]


def _outcome(report: Report, style: Style) -> Iterator[str]:
    tone = {
        Conclusion.HEALTHY: Tone.GOOD,
        Conclusion.PROBLEMS: Tone.BAD,
        Conclusion.INCONCLUSIVE: Tone.DOUBTFUL,
        Conclusion.UNPROBED: Tone.DOUBTFUL,
    }[report.outcome]
    first, *rest = wrap(outcome(report), style.width - 3)
    yield f"{style.mark(tone)} {style.paint(first, tone)}"
    yield from (style.paint(f"  {line}", tone) for line in rest)


def outcome(report: Report) -> str:
    """The end of the report: what it comes to, the fix, the exit code and what that means."""
    remedy = f" Fix: {fix(report.causes[0])}" if report.causes else _why(report)
    return f"{headline(report)}.{remedy} Exit code {report.exit_code}: {meaning(report)}."


def _why(report: Report) -> str:
    """The reason of the most that could not be said, where the headline has neither that nor a way
    out: a pod that is Pending, a node that is not ready."""
    grave = Counter(one_line(u.reason) for u in report.unknown if u.matters)
    unexplained = any(u.rule == UNEXPLAINED for u in report.unknown)
    if report.outcome is not Conclusion.INCONCLUSIVE or unexplained or ways_out(grave):
        return ""
    return f" Why: {grave.most_common(1)[0][0].rstrip('.')}."


def what(report: Report) -> str:
    """What was looked at, the first few of many; empty for a cluster."""
    if report.sweep:
        swept = [node.name for node, _ in report.sweep.nodes]
        few = f"{len(swept)} nodes" if len(swept) > MOST_NAMED else names(swept)
        return f"{few} ({nodes.tally(report.sweep)})"
    pods = [pod["pod"].removeprefix("pod/") for pod in report.target.get("pods", ())]
    return names(pods)


def headline(report: Report) -> str:
    """What the report comes to, without a full stop."""
    match report.outcome:
        case Conclusion.HEALTHY:
            gaps = " that matters" if report.unknown else ""
            return f"healthy: every check{gaps} answered, and none found a fault"
        case Conclusion.UNPROBED:
            return "unprobed: the API shows no fault; whether names resolve was not asked"
        case Conclusion.INCONCLUSIVE if any(u.rule == UNEXPLAINED for u in report.unknown):
            return "inconclusive: names fail, and no known cause fits"
        case Conclusion.INCONCLUSIVE:
            grave = (u.reason for u in report.unknown if u.matters)
            first = "".join(f"; {way}" for way in ways_out(grave)[:1])
            return f"inconclusive: something that matters could not be checked{first}"
        case _:
            return _causes(report.causes)


def _causes(causes: Iterable[Cause]) -> str:
    first, *others = alike(causes)
    more = f", and {len(others)} more cause{'s' if len(others) > 1 else ''}" if others else ""
    return f"{named(*first)} ({first[0].finding.confidence.value}){more}"


def meaning(report: Report) -> str:
    if report.exit_code == Exit.HEALTHY and report.outcome is Conclusion.PROBLEMS:
        return "nothing as grave as --fail-on"
    if report.outcome is Conclusion.UNPROBED:
        return "no fault in what the API shows"
    return {
        Exit.HEALTHY: "nothing wrong",
        Exit.INCONCLUSIVE: "inconclusive",
        Exit.CAUSES: "causes found",
    }.get(report.exit_code, "the tool failed")
