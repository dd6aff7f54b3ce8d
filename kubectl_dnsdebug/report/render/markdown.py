"""Markdown, to paste into an incident: the verdict first, the pictures as tables.

Nothing that the cluster says can be markup: prose is escaped, proofs stand in code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from kubectl_dnsdebug.model import Cause, Status, Transport
from kubectl_dnsdebug.observe.sweep import Health, Mark
from kubectl_dnsdebug.report.pictures import Comparison, Hop, HopState, Matrix, Row
from kubectl_dnsdebug.report.pictures.sweep import Sweep
from kubectl_dnsdebug.report.render import drawing, files, grid, nodes, watch
from kubectl_dnsdebug.report.render.style import Style, brief, one_line
from kubectl_dnsdebug.report.render.verdict import (
    MOST_REASONS,
    MOST_SLUGS,
    alike,
    cost,
    fate,
    fix,
    gaps,
    headline,
    left,
    meaning,
    proofs,
    what,
    whom,
)
from kubectl_dnsdebug.report.report import Conclusion, Report
from kubectl_dnsdebug.report.sweeps import names
from kubectl_dnsdebug.report.unknowns import UNEXPLAINED
from kubectl_dnsdebug.report.watch import MOST_CHANGES, Picture, told

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&$])")
_LIST = re.compile(r"^([-+=]+|\d+[.)])(?=\s|$)")
_MENTION = re.compile(r"(?<!\w)@(?=\w)")  # would call somebody, or everybody, into the incident
_TICKS = re.compile(r"`+")


def render(report: Report, style: Style) -> str:
    text = "\n".join(_lines(report)) + "\n"
    if style.unicode:
        return text
    return style.final(text.replace("→", style.arrow).replace("✗", "X").replace("·", "-"))


def prose(text: str) -> str:
    """Text of the cluster as itself, wherever it stands in a line."""
    safe = _SPECIAL.sub(r"\\\1", brief(text))
    safe = _LIST.sub(lambda match: f"{match[0][:-1]}\\{match[0][-1]}", safe)
    return _MENTION.sub("@<!-- -->", safe)


def code(text: str) -> str:
    """Text of the cluster as code, whatever backticks it has."""
    line = one_line(text)
    fence = "`" * (max(map(len, _TICKS.findall(line)), default=0) + 1)
    gap = " " if "`" in (line[:1], line[-1:]) else ""
    return f"{fence}{gap}{line}{gap}{fence}"


def block(text: str) -> list[str]:
    """A command, in a block of its own that no text can end."""
    line = one_line(text)
    fence = "`" * max(3, max(map(len, _TICKS.findall(line)), default=0) + 1)
    return [f"{fence}sh", line, fence]


def _lines(report: Report) -> Iterator[str]:
    pods = ", ".join(pod["pod"].removeprefix("pod/") for pod in report.target.get("pods", ()))
    title = what(report) if report.sweep else pods
    yield f"## DNS of {prose(title or 'the cluster')}: {report.outcome.value}"
    yield ""
    said = headline(report).removeprefix(f"{report.outcome.value}: ")
    yield f"**{prose(said)}.** Exit code {report.exit_code}: {meaning(report)}."
    yield ""
    context = report.target.get("context") or "none"
    yield f"Context {prose(context)}, looked at {prose(report.target.get('collected_at', ''))}."
    for each in alike(report.causes):
        yield from _cause(each, report)
    for unknown in report.unknown:
        if unknown.rule == UNEXPLAINED:
            yield from ("", f"### UNEXPLAINED on {prose(str(unknown.subject))}", "")
            yield prose(unknown.reason)
    for place, pod in enumerate(report.target.get("pods", ())):
        yield from ("", f"### {prose(pod['pod'])}", "")
        where = f"On node {prose(pod['node'])}" if pod["node"] else "On no node"
        libc = prose(pod["libc"] or "libc not seen")
        yield f"{where}, {prose(pod['phase'])}, {libc}, dnsPolicy {prose(pod['dnsPolicy'])}."
        yield from ("", _path(report.paths[place]))
        yield from _pictures(report, pod["pod"])
    if report.watch:
        yield from _watch(report.watch)
    if report.sweep:
        yield from _sweep(report.sweep)
        for path in report.paths:
            yield from ("", f"### node/{prose(path[0].label)}", "", _path(path))
            yield from _pictures(report, f"node/{path[0].label}")
    for each in alike(report.advice):
        yield from _cause(each, report)
    yield from _gaps(report)
    yield from ("", "### Run", "")
    for line in filter(None, (cost(report), fate(report), *left(report))):
        yield f"- {prose(line)}"


def _pictures(report: Report, subject: str) -> Iterator[str]:
    if report.outcome is Conclusion.HEALTHY:
        return
    for matrix in report.matrices:
        if str(matrix.pod) == subject:
            yield from _matrix(matrix)
    for comparison in report.resolv_conf:
        if str(comparison.pod) == subject:
            yield from _files(comparison)


def _watch(picture: Picture) -> Iterator[str]:
    """The numbers of a watch, and what changed meanwhile."""
    yield from ("", "### Watch", "", prose(f"{watch.length(picture)}."), "")
    yield from (_row(["", "asked", "lost", "p50", "p90", "p99", "max ms"]), _row(["---"] * 7))
    for row in picture.rows:
        lost = watch.loss(row)
        times = map(watch.ms, (row.p50, row.p90, row.p99, row.longest))
        yield _row([prose(row.label), str(row.asked), f"**{lost}**" if row.lost else lost, *times])
    said = [f"+{each.at:.1f} s {told(each)}" for each in picture.changes[:MOST_CHANGES]]
    said += [watch.says(each) for each in picture.clients]
    if said:
        yield from ("", *(f"- {prose(each)}" for each in said))


def _sweep(sweep: Sweep) -> Iterator[str]:
    """The map, then what is wrong with which nodes."""
    checks, rows = nodes.columns(sweep), nodes.shown(sweep)
    yield from ("", "### Nodes", "")
    if rows:
        heads = ["node", *(nodes.HEADS[check] for check in checks)]
        yield from (_row(heads), _row(["---"] * len(heads)))
    for node in rows:
        marks = (_mark(node.cells[check].mark) for check in checks)
        yield _row([prose(nodes.title(sweep, node)), *marks])
    if rest := nodes.folded(sweep):
        yield from ("", prose(rest))
    told = (nodes.MEANINGS[check] for check in checks if check in nodes.MEANINGS)
    yield from ("", prose("; ".join(told)), "") if rows else ("",)
    for group in sweep.groups:
        if group.health is not Health.FINE:
            yield f"- {prose(nodes.said(group))}"
    if sweep.pairs:
        heads = ["from, to DNS pod", *map(prose, sweep.pairs.dns_pods)]
        yield from ("", _row(heads), _row(["---"] * len(heads)))
        for alike, answers in sweep.pairs.rows:
            yield _row([prose(names(alike)), *map(_mark, answers)])


def _mark(mark: Mark) -> str:
    word = nodes.WORDS[mark]
    return f"**{word}**" if mark.is_ill else word


def _cause(causes: list[Cause], report: Report) -> Iterator[str]:
    found = causes[0].finding
    subjects = prose(whom(causes))
    title = f"{found.severity.value.upper()} {found.rule} on {subjects} ({found.confidence.value})"
    yield from ("", f"### {title}", "", prose(found.message), "")
    yield f"**Fix:** {prose(fix(causes[0]))}"
    yield from ("", "**Check by hand:**", "", *block(found.verify))
    if found.settles:
        yield from ("", f"**To be certain:** {prose(found.settles)}")
    if lines := proofs(found, report):
        yield from ("", "**Proof:**", "", *(f"- {code(line)}" for line in lines))
    below = [each for cause in causes for each in cause.explains]
    if below:
        yield from ("", "**Explains:**", "", *_consequences(below))


def _consequences(causes: Iterable[Cause], indent: str = "") -> Iterator[str]:
    for cause in causes:
        found = cause.finding
        yield f"{indent}- {found.rule} on {prose(whom([cause]))}: {prose(found.message)}"
        yield from _consequences(cause.explains, indent + "  ")


def _path(hops: tuple[Hop, ...]) -> str:
    """One line: stages behind arrows, what is broken in bold and marked."""
    stages = []
    for stage in drawing.shown(hops):
        texts = []
        for hop in stage:
            text = prose(f"{hop.label} ({drawing.said(hop)})")
            texts.append(f"**✗ {text}**" if hop.state is HopState.BROKEN else text)
        stages.append(", ".join(texts))
    return "Path: " + " → ".join(stages)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _matrix(matrix: Matrix) -> Iterator[str]:
    rows = [
        row
        for row in matrix.rows
        if row.tool == "dig" or any(c.status is not Status.NOERROR for c in row.cells.values())
    ]
    if not rows:
        return
    heads = ["name", *(prose(f"{ip} {what}") for ip, what in matrix.servers.items())]
    yield from ("", _row(heads), _row(["---"] * len(heads)))
    for row in rows:
        tool = "" if row.tool == "dig" else f"{row.tool} "
        name = prose(f"{tool}{row.name} {row.type}")
        yield _row([name, *(_cell(row, server) for server in matrix.servers)])


def _cell(row: Row, server: str) -> str:
    cells = {way: cell for way in Transport if (cell := row.cells.get((server, way)))}
    if not cells:
        return "·"
    texts = {way: f"{grid.said(cell)} {grid.took(cell)}".strip() for way, cell in cells.items()}
    bad = any(cell.status is not Status.NOERROR for cell in cells.values())
    if len(cells) == 2 and not bad and all(cell.has_records for cell in cells.values()):
        return f"ok {grid.took(*cells.values())}"
    if list(cells) == [Transport.UDP]:
        text = texts[Transport.UDP]
    else:
        text = ", ".join(f"{way.value.upper()} {said}" for way, said in texts.items())
    return f"**{text}**" if bad else text


def _files(comparison: Comparison) -> Iterator[str]:
    if comparison.differences:
        words = {True: "yes", False: "no", None: "unknown"}
        yield from ("", _row(["resolv.conf", "pod", "expected", "host", "why"]), _row(["---"] * 5))
        for line in files.lines(comparison):
            if line.why:
                value = prose(f"{line.kind} {line.value}")
                yield _row([value, *(words[has] for has in line.has), prose(line.why)])
    elif comparison.has and comparison.expected:
        seen = ", as far as could be seen" if comparison.gaps else ""
        yield from ("", f"resolv.conf is as kubelet would write it{seen}.")
    if comparison.gaps:
        yield from ("", *(f"- not seen: {prose(gap)}" for gap in comparison.gaps))


def _gaps(report: Report) -> Iterator[str]:
    groups = gaps(report)
    if groups:
        yield from ("", "### Could not be checked", "")
    for reason, group in [*groups.items()][:MOST_REASONS]:
        slugs = [*dict.fromkeys(each.rule for each in group)]
        more = f" and {len(slugs) - MOST_SLUGS} more" if len(slugs) > MOST_SLUGS else ""
        yield f"- {', '.join(slugs[:MOST_SLUGS])}{more}: {prose(reason)}"
    if len(groups) > MOST_REASONS:
        yield f"- {len(groups) - MOST_REASONS} more reasons: see -o json"
