"""The default screen: what was looked at, the pictures, and last, where the eye is, the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kubectl_dnsdebug.model import Status
from kubectl_dnsdebug.report.pictures import Hop, HopState
from kubectl_dnsdebug.report.render import files, grid, nodes, verdict, watch
from kubectl_dnsdebug.report.render.style import (
    LABEL,
    Style,
    Tone,
    entry,
    flow,
    one_line,
    word,
)
from kubectl_dnsdebug.report.report import Conclusion, Report

MOST_ALIKE = 4  # hops of one stage and state that are named one by one
_STATUS = {status.value: word(status) for status in Status}


def render(report: Report, style: Style) -> str:
    lines = [*_header(report, style)]
    healthy = report.outcome is Conclusion.HEALTHY
    for place, pod in enumerate(report.target.get("pods", ())):
        lines += ["", *_pod(pod, style)]
        lines += _path(report.paths[place], style)
        lines += [] if healthy else _pictures(report, pod["pod"], style)
    if report.sweep:
        lines += _nodes(report, style)
        lines += nodes.sweep(report.sweep, style)
        for path in () if healthy else report.paths:
            lines += ["", *entry("node", path[0].label, style), *_path(path, style)]
            lines += _pictures(report, f"node/{path[0].label}", style)
    lines += watch.part(report.watch, style) if report.watch else []
    lines += ["", *verdict.verdict(report, style)]
    return style.final("\n".join(line.rstrip() for line in lines) + "\n")


def _pictures(report: Report, subject: str, style: Style) -> Iterator[str]:
    for matrix in report.matrices:
        if str(matrix.pod) == subject:
            yield from grid.matrix(matrix, style)
    for comparison in report.resolv_conf:
        if str(comparison.pod) == subject:
            yield from files.differences(comparison, style)


def _nodes(report: Report, style: Style) -> Iterator[str]:
    asked = report.target["nodes"]
    how = f" ({one_line(asked['picked_by'])})" if asked["picked_by"] else ""
    tally = nodes.tally(report.sweep) if report.sweep else ""
    text = f"{asked['count']}{how}: {tally}; asked by pods in namespace {asked['namespace']}"
    yield from entry("nodes", text, style)


def _header(report: Report, style: Style) -> list[str]:
    target = report.target
    context = target.get("context") or "none"
    return entry("context", f"{context}, {target.get('collected_at', '')}".rstrip(", "), style)


def _pod(pod: Mapping[str, Any], style: Style) -> Iterator[str]:
    what = [pod["pod"].removeprefix("pod/")]
    what += [f"on node {pod['node']}"] if pod["node"] else []
    text = " ".join(what)
    text += f", {pod['phase']}" if pod["phase"] not in ("Running", "") else ""
    text += f" ({pod['picked_by']})" if pod["picked_by"] else ""
    yield from entry("pod", text, style)
    traits = [pod["libc"] or "libc not seen", f"dnsPolicy {pod['dnsPolicy']}"]
    traits += ["hostNetwork"] if pod["hostNetwork"] else []
    why = pod["seen_from_why"]
    place = {
        "target": "an ephemeral container in the pod",
        "sibling": f"a sibling pod{', because ' + why if why else ''}",
    }.get(pod["seen_from"], f"nowhere: {why}")
    yield from entry("", f"{', '.join(traits)}; seen from {place}", style)


def _path(hops: tuple[Hop, ...], style: Style) -> Iterator[str]:
    pieces = [*_pieces(hops, style)]
    label = "path".ljust(LABEL)
    for place, line in enumerate(flow(pieces, style.width, " " * LABEL)):
        yield line if place else style.paint(label, Tone.TITLE) + line[LABEL:]


def _pieces(hops: tuple[Hop, ...], style: Style) -> Iterator[tuple[str, str]]:
    """Hops as (plain, painted) text; an arrow leads each stage, a comma parts its hops."""
    for place, stage in enumerate(sorted({hop.stage for hop in hops})):
        shown = [*_stage([hop for hop in hops if hop.stage == stage])]
        for number, (text, tone) in enumerate(shown):
            lead = f"{style.arrow} " if place and not number else ""
            comma = "," if number < len(shown) - 1 else ""
            mark = f"{'✗' if style.unicode else '!!'} " if tone is Tone.BAD else ""
            text = mark + one_line(text)
            whole = f"{lead}{text}{comma}"
            if len(whole) <= style.width - LABEL:
                yield whole, f"{lead}{style.paint(text, tone)}{comma}"
            else:
                yield from ((each, style.paint(each, tone)) for each in whole.split())


def _stage(hops: list[Hop]) -> Iterator[tuple[str, Tone]]:
    if hops[0].stage == 0:
        hop = hops[0]
        tone = Tone.DOUBTFUL if hop.state is HopState.UNKNOWN else Tone.TITLE
        yield f"{hop.label} ({hop.detail})" if hop.detail else hop.label, tone
        return
    tones = {HopState.OK: Tone.GOOD, HopState.BROKEN: Tone.BAD, HopState.UNKNOWN: Tone.DOUBTFUL}
    for state, tone in tones.items():
        alike = [hop for hop in hops if hop.state is state]
        for hop in alike[:MOST_ALIKE]:
            said = _STATUS.get(hop.detail, hop.detail) or ("ok" if state is HopState.OK else "")
            yield f"{hop.label} {said}".strip(), tone
        if len(alike) > MOST_ALIKE:
            yield f"{len(alike) - MOST_ALIKE} more {state.value}", tone
