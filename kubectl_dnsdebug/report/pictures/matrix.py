"""Names by servers: what each server said about each name, as seen from one pod."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kubectl_dnsdebug.model import Answer, Missing, Status, Subject, Transport
from kubectl_dnsdebug.observe import names as naming
from kubectl_dnsdebug.observe.names import Names
from kubectl_dnsdebug.observe.objects import Pod
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse.resolvconf import Policy, effective_policy
from kubectl_dnsdebug.report.pictures.target import places


class Form(StrEnum):
    """What a name stands for, in the order in which rows are shown."""

    KUBERNETES = "kubernetes"  # the Service that every cluster has
    SERVICE = "service"  # a Service of the pod's namespace
    HEADLESS = "headless"
    RELATIVE = "relative"  # as people type it, through the search list
    EXTERNAL = "external"
    REVERSE = "reverse"
    ASKED = "asked"  # by the user
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one server said about one name.

    Of `asked` questions `answered` got any answer, and `count` ended in `status`, the worst seen.
    `ms` is the slowest answer, `failed` the ids of those without a usable one.
    """

    status: Status
    asked: int
    answered: int
    count: int
    ms: float | None
    has_records: bool
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One name as one tool asked it. A relative name has no trailing dot.

    `cells` maps (server, transport) to what came; a pair that was not asked is not there.
    """

    name: str
    type: str
    form: Form
    tool: str
    cells: dict[tuple[str, Transport], Cell]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """`servers` maps each address to what it is; `owners` must know the cluster's own names."""

    pod: Subject
    servers: dict[str, str]
    owners: frozenset[str]
    rows: tuple[Row, ...]


TOOLS = ("dig", "nslookup", "getent")
# Most candidates of a search list are meant not to exist; a fixed port repeats `reach`; the other
# Service speaks no DNS.
_ELSEWHERE = ("walk.", "fixed", "other.")


def matrices(seen: Observed) -> tuple[Matrix, ...]:
    """One for each target that could be seen from anywhere."""
    return tuple(made for each in places(seen) if (made := _matrix(seen, each)) is not None)


def _matrix(seen: Observed, subject: Subject) -> Matrix | None:
    try:
        vantage, pod = seen.own(subject), seen.client(subject)
    except Missing:
        return None
    conf = seen.conf_or_none(vantage)
    nameservers = conf.nameservers if conf else ()
    names = naming.pick(seen, pod)
    groups: dict[tuple[Form, str, str, str], dict[tuple[str, Transport], list[Answer]]] = {}
    for tool in TOOLS:
        for answer in seen.ask(vantage, tool=tool):
            # A tool that reads the file does not always say whom it asked: the first one first.
            server = answer.server or next(iter(nameservers), "")
            if server and not answer.id.split("#", 1)[1].startswith(_ELSEWHERE):
                form = _form(names, answer)
                name = answer.name.rstrip(".") if form is Form.RELATIVE else answer.name
                row = groups.setdefault((form, name, answer.type, tool), {})
                row.setdefault((server, answer.transport), []).append(answer)
    rows = tuple(
        Row(
            name=name,
            type=type,
            form=form,
            tool=tool,
            cells={key: _cell(answers) for key, answers in row.items()},
        )
        for (form, name, type, tool), row in groups.items()
    )
    asked = {server for row in rows for server, _ in row.cells}
    return Matrix(
        pod=subject,
        servers=_labels(seen, nameservers, asked),
        owners=frozenset(asked & _owners(seen, pod, nameservers)),
        rows=tuple(sorted(rows, key=lambda r: (list(Form).index(r.form), TOOLS.index(r.tool)))),
    )


def _cell(answers: list[Answer]) -> Cell:
    """The worst outcome, silence before refusal before an answer: a cell must not hide a loss."""
    kinds = [a.status for a in answers]
    worst = max(
        set(kinds), key=lambda s: (s.is_silence, s is not Status.NOERROR, kinds.count(s), s)
    )
    times = [a.ms for a in answers if a.ms is not None]
    return Cell(
        status=worst,
        asked=len(answers),
        answered=sum(s.is_answer for s in kinds),
        count=kinds.count(worst),
        ms=max(times, default=None),
        has_records=any(a.records for a in answers),
        failed=tuple(a.id for a in answers if a.status is not Status.NOERROR),
    )


def _form(names: Names, answer: Answer) -> Form:
    bare = answer.name.rstrip(".")
    if answer.via_search:
        return Form.RELATIVE
    if answer.type == "PTR":
        return Form.REVERSE
    if bare in (n.rstrip(".").lower() for n in names.asked):
        return Form.ASKED
    if bare == names.external.lower():
        return Form.EXTERNAL
    if bare.startswith("kubernetes.default.svc."):
        return Form.KUBERNETES
    for service in filter(None, (names.own, names.headless)):
        if bare.startswith(f"{service.name}.{service.namespace}.svc."):
            return Form.HEADLESS if service.headless else Form.SERVICE
    return Form.OTHER


def _labels(seen: Observed, nameservers: Iterable[str], asked: Iterable[str]) -> dict[str, str]:
    """Each asked address and what it is: a Service, a DNS pod, a nameserver, an upstream."""
    known: dict[str, str] = {}
    try:
        for service in seen.dns_services:
            known |= dict.fromkeys(service.cluster_ips, f"Service {service.name}")
        for endpoint in seen.dns_endpoints:
            known[endpoint.ip] = f"{endpoint.pod or 'DNS pod'}@{endpoint.node}"
    except Missing:
        pass
    try:
        for pod in seen.dns_pods:
            known |= {ip: f"{pod.name}@{pod.node}" for ip in pod.ips if ip not in known}
    except Missing:
        pass
    for ip in nameservers:
        known.setdefault(ip, "node cache" if seen.is_node_cache(ip) else "nameserver")
    order = {ip: place for place, ip in enumerate(known)}
    ranked = sorted(asked, key=lambda ip: (order.get(ip, len(order)), ip))
    return {ip: known.get(ip, "upstream") for ip in ranked}


def _owners(seen: Observed, pod: Pod, nameservers: Iterable[str]) -> set[str]:
    """Not the host's servers, nor those that dnsConfig adds, nor DNS pods that take no traffic."""
    owners = set(seen.cluster_ips)
    with suppress(Missing):
        owners |= {endpoint.ip for endpoint in seen.dns_endpoints if endpoint.ready}
    if effective_policy(pod.dns_policy, pod.host_network) is Policy.CLUSTER:
        added: Collection[str] = (pod.dns_config or {}).get("nameservers") or ()
        owners |= {ip for ip in nameservers if ip not in added}
    return owners


def failures(
    matrices: Iterable[Matrix], explained: Collection[str] = ()
) -> list[tuple[Subject, str]]:
    """What of the names that must resolve did not, for each pod: the symptom without a cause.
    `explained` are the ids of evidence that some finding rests on."""
    found = []
    for matrix in matrices:
        told = _told(matrix, explained)
        bad = [
            f"{row.name} {row.type} of {server} over {transport.value.upper()}: {cell.status.value}"
            for row in matrix.rows
            if _must_resolve(row, matrix)
            for (server, transport), cell in row.cells.items()
            if server in matrix.owners and cell.status is not Status.NOERROR
            if (server, transport) not in told
        ]
        if bad:
            more = f" and {len(bad) - 2} more" if len(bad) > 2 else ""
            found.append((matrix.pod, f"no known cause fits, yet {'; '.join(bad[:2])}{more}"))
    return found


def _told(matrix: Matrix, explained: Collection[str]) -> set[tuple[str, Transport]]:
    """The servers, and over what, whose silence some finding rests on, or each loss of theirs.
    Whoever does not answer over UDP is not expected to over TCP."""
    known = set(explained)
    told = {
        key
        for row in matrix.rows
        for key, cell in row.cells.items()
        if known.intersection(cell.failed) and (not cell.answered or known.issuperset(cell.failed))
    }
    return told | {(server, Transport.TCP) for server, over in told if over is Transport.UDP}


def _must_resolve(row: Row, matrix: Matrix) -> bool:
    """Of the names that the user asked about those that no server finds and none denies. The other
    type of address counts where the first has none: as of Services that have IPv6 alone."""
    if row.type == "AAAA":
        alike = (r for r in matrix.rows if (r.name, r.form, r.type) == (row.name, row.form, "A"))
        said = {(c.status, c.has_records) for r in alike for c in r.cells.values()}
        if said - {(Status.NOERROR, False)} or not said:
            return False
    elif row.type != "A":
        return False
    if row.form is not Form.ASKED:
        return row.form in (Form.KUBERNETES, Form.SERVICE)
    told = {cell.status for (server, _), cell in row.cells.items() if server in matrix.owners}
    return not told & {Status.NOERROR, Status.NXDOMAIN}


def matrix_json(matrix: Matrix) -> dict[str, Any]:
    return {
        "pod": str(matrix.pod),
        "servers": [
            {"address": ip, "what": what, "cluster_dns": ip in matrix.owners}
            for ip, what in matrix.servers.items()
        ],
        "rows": [
            {
                "name": row.name,
                "type": row.type,
                "form": row.form.value,
                "tool": row.tool,
                "cells": [
                    {
                        "server": server,
                        "transport": transport.value,
                        "status": cell.status.value,
                        "asked": cell.asked,
                        "answered": cell.answered,
                        "count": cell.count,
                        "ms": cell.ms,
                        "records": cell.has_records,
                    }
                    for (server, transport), cell in row.cells.items()
                ],
            }
            for row in matrix.rows
        ],
    }
