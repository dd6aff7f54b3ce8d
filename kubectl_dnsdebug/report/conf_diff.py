"""The answer of `diff`: the resolv.conf of a pod, or of fresh pods of a node, beside the one that
kubelet should write, the one that a Default pod gets, and with --deep the node's own files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kubectl_dnsdebug.model import Evidence, Missing, Scope, Subject
from kubectl_dnsdebug.observe.host import ETC, HostView
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse import resolvconf
from kubectl_dnsdebug.parse.resolvconf import Kind
from kubectl_dnsdebug.report import line_reasons
from kubectl_dnsdebug.report.exits import Exit
from kubectl_dnsdebug.report.line_reasons import Column
from kubectl_dnsdebug.report.pictures import (
    Comparison,
    comparison,
    comparison_json,
    node_comparison,
)

SCHEMA = "dnsdebug.diff/v1"
# What a file beside the node's own is, by a part of its path.
_KNOWN = {
    "systemd": ("resolved", "the servers that systemd-resolved asks"),
    "dnsmasq": ("dnsmasq", "the servers that dnsmasq asks"),
    "NetworkManager": ("netman", "the servers that NetworkManager knows"),
    "rancher": ("k3s", "what k3s wrote for its kubelet"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A value and in which column it is, None where that file is unknown. `differs`: something
    else than what kubelet would write."""

    kind: str
    value: str
    has: Mapping[str, bool | None]
    differs: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """All files side by side. `files` are the three that every report has."""

    files: Comparison
    node: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    gaps: tuple[str, ...]


def build(evidence: Evidence) -> Diff:
    """The files of the request's pod or node; what could not be had stands in the gaps."""
    seen = Observed(evidence)
    subject = Subject.parse(evidence.request.targets[0])
    try:
        if subject.scope is Scope.NODE:
            node, files = subject.name, node_comparison(seen, subject)
        else:
            pod = seen.target(subject)
            node, files = pod.node, comparison(seen, pod)
    except Missing as gap:
        node, files = "", Comparison(
            pod=subject, has=None, expected=None, host=None, differences=(), gaps=(str(gap),)
        )  # fmt: skip
    columns, gaps = [*_made(files)], list(files.gaps)
    if evidence.request.deep and node:
        try:
            columns += _node_files(seen.host(node))
        except Missing as gap:
            gaps.append(f"the node's own files: {gap}")
    return Diff(
        files=files,
        node=node,
        columns=tuple(columns),
        lines=tuple(_lines(files, tuple(columns))),
        gaps=tuple(gaps),
    )


def _made(files: Comparison) -> Iterator[Column]:
    fresh = files.pod.scope is Scope.NODE
    what = "what a ClusterFirst pod made there now gets" if fresh else "what it has"
    yield Column(key="pod", what=what, conf=files.has)
    what = "what kubelet should give that pod" if fresh else "what kubelet would give it now"
    yield Column(key="expected", what=what, conf=files.expected)
    what = "what a Default pod made there now gets"
    yield Column(key="default", what=what, conf=files.host)


def _node_files(host: HostView) -> Iterator[Column]:
    """The file that kubelet reads, the node's own, and those with a local resolver's servers.

    Each once: a link and what it leads to are one. Raises Missing where none could be read.
    """
    files = {file.path: file for file in host.files}
    try:
        kubelet = host.kubelet
        reads = kubelet.reads
        if kubelet.file:
            files.setdefault(kubelet.file.path, kubelet.file)
    except Missing:
        reads = ""
        if not files:
            raise
    shown: set[str] = set()
    for path in dict.fromkeys((reads, ETC, *files)):
        file = files.get(path)
        if file is None or file.conf is None or {path, file.leads_to} & shown:
            continue
        shown |= {path, file.leads_to}
        known = next((each for part, each in _KNOWN.items() if part in path), ("other", ""))
        key, what = ("host", "the node's own") if path == ETC else known
        if path == reads:
            key = key if path == ETC else "kubelet"
            what = "the file that its kubelet reads" + (", and the node's own" * (path == ETC))
        yield Column(
            key=key,
            what=what,
            conf=resolvconf.read_as_kubelet(file.conf.text),
            path=path,
            leads_to=file.leads_to,
            is_kubelets=path == reads,
        )


def _lines(files: Comparison, columns: tuple[Column, ...]) -> Iterator[Line]:
    """Every value of every file, in kubelet's order; last, what is in the wrong order."""
    values = {each.key: resolvconf.lines(each.conf) if each.conf else None for each in columns}
    told = {(each.kind, each.value): each.why for each in files.differences}
    order = ("expected", *(key for key in values if key != "expected"))
    for kind in Kind:
        all_of = (value for key in order for value in (values[key] or {}).get(kind, ()))
        for value in dict.fromkeys(all_of):
            has = {
                key: None if each is None else value in each[kind] for key, each in values.items()
            }
            broken = line_reasons.given_otherwise(kind, value, columns)
            why = told.get((kind, value)) or broken
            yield Line(
                kind=kind.value,
                value=value,
                has=has,
                differs=bool(why),
                why=why or line_reasons.reason(kind, value, has, columns),
            )
    for each in files.differences:
        if each.in_pod and each.in_expected:
            yield Line(
                kind=each.kind.value,
                value=f"in the order {each.value}",
                has={key: {"pod": True, "expected": False}.get(key) for key in values},
                differs=True,
                why=each.why,
            )


def exit_code(found: Diff) -> int:
    """A difference counts though something is missing; equality only where all of it was seen."""
    if any(line.differs for line in found.lines):
        return Exit.CAUSES
    files = found.files
    partial = files.expected is None or files.expected.partial
    # Of a node the Default pod is half of the question.
    if files.has is None or partial or found.gaps:
        return Exit.INCONCLUSIVE
    return Exit.HEALTHY


def as_json(found: Diff) -> dict[str, Any]:
    """The public shape of a diff."""
    return {
        "schema": SCHEMA,
        "target": str(found.files.pod),
        "node": found.node,
        "exit_code": exit_code(found),
        **comparison_json(found.files),
        "gaps": list(found.gaps),
        "columns": [
            {
                "key": each.key,
                "what": each.what,
                "path": each.path,
                "leads_to": each.leads_to,
                "known": each.conf is not None,
            }
            for each in found.columns
        ],
        "lines": [
            {
                "kind": line.kind,
                "value": line.value,
                "in": dict(line.has),
                "differs": line.differs,
                "why": line.why,
            }
            for line in found.lines
        ],
    }
