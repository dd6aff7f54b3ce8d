"""What the report shows besides the verdict: the target's line, the matrix, the path, the three resolv.conf files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kubectl_dnsdebug import names as naming
from kubectl_dnsdebug import resolvconf
from kubectl_dnsdebug.model import Answer, Missing, Role, Status, Subject, Transport, Vantage
from kubectl_dnsdebug.objects import Pod, at
from kubectl_dnsdebug.observe import Observed
from kubectl_dnsdebug.resolvconf import Difference, ResolvConf


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one server said about one name. `answered` of `asked` questions got an answer; `ms` the slowest of them."""

    status: Status
    asked: int
    answered: int
    ms: float | None
    has_records: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One name form. `cells` maps (server, transport) to what came; a pair that was not asked is not there."""

    name: str
    type: str
    form: str  # how it is known: "svc.ns.svc.DOMAIN.", "external", "reverse", "asked", ...
    cells: dict[tuple[str, Transport], Cell]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Names by servers as seen from one pod. `servers` maps each address to what it is."""

    pod: Subject
    servers: dict[str, str]
    rows: tuple[Row, ...]


class HopState:
    OK = "ok"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One station on the way of a question: the pod, the Service, each DNS pod, each upstream.

    `stage` is 0 for the pod, 1 for its nameserver, 2 for DNS pods, 3 for upstreams; hops of one stage stand
    side by side.
    """

    stage: int
    label: str
    state: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """resolv.conf three ways. A file that could not be had is None, and `gaps` says why."""

    pod: Subject
    has: ResolvConf | None
    expected: ResolvConf | None
    host: ResolvConf | None
    differences: tuple[Difference, ...]
    gaps: tuple[str, ...]


def targets(seen: Observed) -> tuple[Pod, ...]:
    try:
        return seen.targets
    except Missing:
        return ()


def target(seen: Observed) -> dict[str, Any]:
    """What was looked at, in the words a person needs to know it is the right thing."""
    request = seen.evidence.request
    picked = [*request.picked_by, *[""] * len(request.targets)]
    return {
        "context": seen.evidence.context,
        "collected_at": seen.evidence.collected_at,
        "pods": [
            {
                "pod": str(pod.subject),
                "node": pod.node,
                "phase": pod.phase,
                "dnsPolicy": pod.dns_policy,
                "hostNetwork": pod.host_network,
                "libc": libc(seen, pod.subject),
                "picked_by": how,
                "seen_from": _seen_from(seen, pod.subject),
                "external_name": (names := naming.pick(seen, pod)).external,
                "external_name_from": names.external_from,
            }
            for pod, how in zip(targets(seen), picked, strict=False)
        ],
    }


def _seen_from(seen: Observed, subject: Subject) -> str:
    try:
        return seen.own(subject).role.value
    except Missing as gap:
        return f"nowhere: {gap}"


def libc(seen: Observed, subject: Subject) -> str:
    """The libc of the target's image: `musl 1.2.5`, `glibc`, or empty when it could not be seen."""
    try:
        vantage = seen.own(subject)
    except Missing:
        return ""
    text = next(
        (t.out for t in seen.evidence.transcripts if t.vantage == vantage.id and t.probe == "app"),
        "",
    )
    lines = text.splitlines()
    version = next((line.removeprefix("musl ") for line in lines if line.startswith("musl ")), "")
    if version or any("ld-musl" in line for line in lines):
        return f"musl {version}".strip()
    return "glibc" if any(line.startswith("loader ") for line in lines) else ""


# The matrix

_PATHLESS = ("form.", "libc.", "walk.", "fixed")


def matrices(seen: Observed) -> tuple[Matrix, ...]:
    return tuple(made for pod in targets(seen) if (made := _matrix(seen, pod)) is not None)


def _matrix(seen: Observed, pod: Pod) -> Matrix | None:
    try:
        vantage = seen.own(pod.subject)
    except Missing:
        return None
    groups: dict[tuple[str, str], dict[tuple[str, Transport], list[Answer]]] = {}
    for answer in seen.ask(vantage):
        probe = answer.id.split("#", 1)[1]
        if not probe.startswith(_PATHLESS) and answer.server:
            row = groups.setdefault((answer.name, answer.type), {})
            row.setdefault((answer.server, answer.transport), []).append(answer)
    rows = tuple(
        Row(
            name=name,
            type=type,
            form=_form(seen, pod, name, type),
            cells={key: _cell(answers) for key, answers in row.items()},
        )
        for (name, type), row in groups.items()
    )
    asked = {server for row in rows for server, _ in row.cells}
    return Matrix(pod=pod.subject, servers=_labels(seen, vantage, asked), rows=rows)


def _cell(answers: list[Answer]) -> Cell:
    """The commonest outcome, failures before answers: a cell must not hide a loss."""
    kinds = [a.status for a in answers]
    worst = max(set(kinds), key=lambda s: (s.is_silence, kinds.count(s), s))
    times = [a.ms for a in answers if a.ms is not None]
    return Cell(
        status=worst,
        asked=len(answers),
        answered=sum(s.is_answer for s in kinds),
        ms=max(times, default=None),
        has_records=any(a.records for a in answers),
    )


def _form(seen: Observed, pod: Pod, name: str, type: str) -> str:
    names = naming.pick(seen, pod)
    bare = name.rstrip(".")
    if type == "PTR":
        return "reverse"
    if bare in (n.rstrip(".").lower() for n in names.asked):
        return "asked"
    if bare == names.external.lower():
        return "external"
    if bare.startswith("kubernetes.default.svc."):
        return "kubernetes"
    for service in filter(None, (names.own, names.headless)):
        if bare.startswith(f"{service.name}.{service.namespace}.svc."):
            return "headless" if service.headless else "service"
    return "other"


def _labels(seen: Observed, vantage: Vantage, asked: Iterable[str]) -> dict[str, str]:
    """Each asked address and what it is: a Service, a DNS pod, an upstream, a nameserver of the file."""
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
    conf = seen.conf_or_none(vantage)
    for ip in conf.nameservers if conf else ():
        known.setdefault(ip, "nameserver")
    order = {ip: place for place, ip in enumerate(known)}
    return {ip: known.get(ip, "upstream") for ip in sorted(asked, key=lambda ip: order.get(ip, 99))}


def failures(matrices: Iterable[Matrix]) -> list[tuple[Subject, str]]:
    """What of the names that must resolve did not, for each pod: the symptom, whatever its cause."""
    found = []
    for matrix in matrices:
        bad = [
            f"{row.name} {row.type} of {server} over {transport.value.upper()}: {cell.status.value}"
            for row in matrix.rows
            if row.form in ("kubernetes", "service") and row.type == "A"
            for (server, transport), cell in row.cells.items()
            if cell.status is not Status.NOERROR
        ]
        if bad:
            more = f" and {len(bad) - 2} more" if len(bad) > 2 else ""
            found.append((matrix.pod, f"no known cause fits, yet {'; '.join(bad[:2])}{more}"))
    return found


# The path


def paths(seen: Observed) -> tuple[tuple[Hop, ...], ...]:
    return tuple(_path(seen, pod) for pod in targets(seen))


def _path(seen: Observed, pod: Pod) -> tuple[Hop, ...]:
    try:
        vantage = seen.own(pod.subject)
    except Missing as gap:
        return (Hop(stage=0, label=pod.name, state=HopState.UNKNOWN, detail=str(gap)),)
    hops = [Hop(stage=0, label=pod.name, state=HopState.OK, detail=libc(seen, pod.subject))]
    conf = seen.conf_or_none(vantage)
    services = {ip: s.name for s in _services(seen) for ip in s.cluster_ips}
    for ip in dict.fromkeys((*(conf.nameservers if conf else ()), *services)):
        hops.append(_hop(seen, vantage, 1, ip, services.get(ip, "")))
    try:
        pods = {ip: f"{p.name}@{p.node}" for p in seen.dns_pods for ip in p.ips[:1]}
    except Missing:
        pods = {}
    for ip, label in pods.items():
        hops.append(_hop(seen, vantage, 2, ip, label))
    seen_upstreams = {
        (a.server, v.id): v for v in _places(seen, pod) for a in seen.ask(v, probe="up.")
    }
    for (server, _), place in seen_upstreams.items():
        answers = seen.ask(place, server=server, probe="up.")
        state = HopState.OK if any(a.status.is_answer for a in answers) else HopState.BROKEN
        detail = "" if state is HopState.OK else answers[0].status.value
        label = f"upstream {server}"
        if all(h.label != label for h in hops):
            hops.append(Hop(stage=3, label=label, state=state, detail=detail))
    return tuple(hops)


def _places(seen: Observed, pod: Pod) -> list[Vantage]:
    found = []
    for roles in ((Role.DEFAULT,), (Role.TARGET, Role.SIBLING)):
        try:
            found.append(seen.vantage(pod.subject, *roles))
        except Missing:
            continue
    return found


def _services(seen: Observed) -> tuple[Any, ...]:
    try:
        return seen.dns_services
    except Missing:
        return ()


def _hop(seen: Observed, vantage: Vantage, stage: int, ip: str, label: str) -> Hop:
    name = f"{ip} {label}".strip() if stage == 1 else label
    try:
        udp = seen.reach(vantage, ip)
    except Missing:
        return Hop(stage=stage, label=name, state=HopState.UNKNOWN, detail="not asked")
    if udp.silent:
        return Hop(stage=stage, label=name, state=HopState.BROKEN, detail=udp.summary)
    wrong = [a.status.value for a in udp.answers if a.status is not Status.NOERROR]
    if wrong:
        return Hop(stage=stage, label=name, state=HopState.BROKEN, detail=wrong[0])
    try:
        tcp = seen.reach(vantage, ip, Transport.TCP)
    except Missing:
        return Hop(stage=stage, label=name, state=HopState.OK)
    if tcp.dead:
        return Hop(stage=stage, label=name, state=HopState.BROKEN, detail=f"TCP {tcp.summary}")
    return Hop(stage=stage, label=name, state=HopState.OK)


# resolv.conf


def resolv_confs(seen: Observed) -> tuple[Comparison, ...]:
    return tuple(comparison(seen, pod) for pod in targets(seen))


def comparison(seen: Observed, pod: Pod) -> Comparison:
    """The pod's file, the one kubelet should have built, the host's as pods get it."""
    gaps: list[str] = []
    has = host = should = None
    try:
        has = seen.conf(seen.own(pod.subject))
    except Missing as gap:
        gaps.append(f"the pod's file: {gap}")
    try:
        host = resolvconf.read_as_kubelet(seen.conf(seen.default(pod.subject)).text)
    except Missing as gap:
        gaps.append(f"the host's file: {gap}")
    try:
        should = expected(seen, pod, host)
    except Missing as gap:
        gaps.append(f"the expected file: {gap}")
    differences = resolvconf.compare(has, should, host) if has and should else ()
    return Comparison(
        pod=pod.subject,
        has=has,
        expected=should,
        host=host,
        differences=differences,
        gaps=tuple(gaps),
    )


def expected(seen: Observed, pod: Pod, host: ResolvConf | None) -> ResolvConf:
    """What kubelet should have built, with the cluster's own DNS address and domain. Raises Missing."""
    return resolvconf.expected(
        dns_policy=pod.dns_policy,
        host_network=pod.host_network,
        namespace=pod.namespace,
        cluster_dns=_cluster_dns(seen, pod),
        cluster_domain=seen.domain,
        host=host,
        dns_config=pod.dns_config,
    )


def _cluster_dns(seen: Observed, pod: Pod) -> tuple[str, ...]:
    """The address pods should be given: the one they have if it is a DNS Service's or a node cache's, else the Service's."""
    service = seen.dns_service()
    try:
        configured = seen.fact(f"configz/{pod.node}")
        wanted = tuple(at(configured.data, "clusterDNS", default=())) if configured else ()
    except Missing:
        wanted = ()
    good = tuple(ip for ip in wanted if ip in seen.cluster_ips or seen.is_node_cache(ip))
    return good or service.cluster_ips[:1]


def proofs(seen: Observed, ids: Iterable[str]) -> dict[str, str]:
    """One telling line for each piece of evidence that a finding names."""
    wanted = set(ids)
    found: dict[str, str] = {}
    for answer in seen.answers:
        if answer.id in wanted:
            found[answer.id] = describe(answer)
    for transcript in seen.evidence.transcripts:
        if transcript.id in wanted and transcript.id not in found:
            found[transcript.id] = transcript.out or transcript.failure
    return found


def describe(answer: Answer) -> str:
    """`dig kubernetes.default.svc.cluster.local. A @10.96.0.10 over UDP: timeout`."""
    what = f"{answer.tool} {answer.name} {answer.type} @{answer.server} over {answer.transport.value.upper()}"
    data = ", ".join(r.data for r in answer.records[:4])
    said = answer.status.value + (f" {data}" if data else "")
    took = f" in {answer.ms:.0f} ms" if answer.ms is not None else ""
    return f"{what}: {said}{took}"


# JSON


def matrix_json(matrix: Matrix) -> dict[str, Any]:
    return {
        "pod": str(matrix.pod),
        "servers": [{"address": ip, "what": what} for ip, what in matrix.servers.items()],
        "rows": [
            {
                "name": row.name,
                "type": row.type,
                "form": row.form,
                "cells": [
                    {
                        "server": server,
                        "transport": transport.value,
                        "status": cell.status.value,
                        "asked": cell.asked,
                        "answered": cell.answered,
                        "ms": cell.ms,
                        "records": cell.has_records,
                    }
                    for (server, transport), cell in row.cells.items()
                ],
            }
            for row in matrix.rows
        ],
    }


def hop_json(hop: Hop) -> dict[str, Any]:
    return {"stage": hop.stage, "label": hop.label, "state": hop.state, "detail": hop.detail}


def comparison_json(each: Comparison) -> dict[str, Any]:
    def conf(file: ResolvConf | None) -> dict[str, Any] | None:
        if file is None:
            return None
        return {
            "nameservers": list(file.nameservers),
            "search": list(file.search),
            "options": dict(file.options),
        }

    return {
        "pod": conf(each.has),
        "expected": conf(each.expected),
        "host": conf(each.host),
        "differences": [
            {
                "kind": d.kind.value,
                "value": d.value,
                "in_pod": d.in_pod,
                "in_expected": d.in_expected,
                "in_host": d.in_host,
                "why": d.why,
            }
            for d in each.differences
        ],
        "gaps": list(each.gaps),
    }
