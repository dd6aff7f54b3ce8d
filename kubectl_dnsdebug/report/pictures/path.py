"""The way of a question: pod, nameservers, DNS pods, upstreams, and where it breaks."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kubectl_dnsdebug.model import Missing, Role, Status, Subject, Transport, Vantage
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.image import libc
from kubectl_dnsdebug.observe.observed import TARGETS, Observed, Reach
from kubectl_dnsdebug.report.pictures.target import places


class HopState(StrEnum):
    OK = "ok"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One station. Hops of one stage stand side by side.

    `stage` is 0 for the pod, 1 for its nameservers and DNS Services, 2 for DNS pods, 3 for
    upstreams. `detail` is the libc of the pod; of another hop, what is wrong with it.
    """

    stage: int
    label: str
    state: HopState
    detail: str = ""


def paths(seen: Observed) -> tuple[tuple[Hop, ...], ...]:
    """One for each target, in their order."""
    return tuple(_path(seen, subject) for subject in places(seen))


def _path(seen: Observed, subject: Subject) -> tuple[Hop, ...]:
    try:
        vantage = seen.own(subject)
    except Missing as gap:
        return (Hop(stage=0, label=subject.name, state=HopState.UNKNOWN, detail=str(gap)),)
    start = Hop(stage=0, label=subject.name, state=HopState.OK, detail=libc(seen, subject))
    return (
        start,
        *_nameservers(seen, vantage),
        *_dns_pods(seen, vantage),
        *_upstreams(seen, subject),
    )


def _nameservers(seen: Observed, vantage: Vantage) -> Iterator[Hop]:
    conf = seen.conf_or_none(vantage)
    if conf is not None and not conf.nameservers:
        label = "no nameserver in resolv.conf"
        yield Hop(stage=1, label=label, state=HopState.BROKEN)
    try:
        services = {ip: s.name for s in seen.dns_services for ip in s.cluster_ips}
    except Missing:
        services = {}
    for ip in dict.fromkeys((*(conf.nameservers if conf else ()), *services)):
        yield _hop(seen, vantage, 1, ip, f"{ip} {services.get(ip, '')}".strip())


def _served(seen: Observed) -> bool:
    """Whether pods do without DNS pods: something outside the cluster serves them."""
    try:
        return symptoms.dns_serves(seen)
    except Missing:
        return False


def _dns_pods(seen: Observed, vantage: Vantage) -> Iterator[Hop]:
    try:
        pods = seen.dns_pods
    except Missing as gap:
        yield Hop(stage=2, label="DNS pods", state=HopState.UNKNOWN, detail=str(gap))
        return
    if not pods and not _served(seen):
        yield Hop(stage=2, label="no DNS pods", state=HopState.BROKEN)
    for pod in pods:
        label = f"{pod.name}@{pod.node}" if pod.node else pod.name
        hop = _hop(seen, vantage, 2, next(iter(pod.ips), ""), label)
        if hop.state is HopState.UNKNOWN and not pod.ready:
            why = next((c.waiting for c in pod.containers if c.waiting), pod.phase)
            hop = Hop(stage=2, label=label, state=HopState.BROKEN, detail=why or "not ready")
        yield hop


def _hop(seen: Observed, vantage: Vantage, stage: int, ip: str, label: str) -> Hop:
    try:
        udp = seen.reach(vantage, ip)
    except Missing:
        return Hop(stage=stage, label=label, state=HopState.UNKNOWN, detail="not asked")
    try:
        tcp = seen.reach(vantage, ip, Transport.TCP)
    except Missing:
        tcp = None
    state, detail = _judge(udp, tcp, good=(Status.NOERROR,))
    return Hop(stage=stage, label=label, state=state, detail=detail)


def _upstreams(seen: Observed, subject: Subject) -> Iterator[Hop]:
    """Past the cluster's DNS; from the Default pod first, which no policy for the target stops."""
    done: set[str] = set()
    for roles in ((Role.DEFAULT,), TARGETS):
        try:
            place = seen.vantage(subject, *roles)
        except Missing:
            continue
        answers = seen.ask(place, probe="up.")
        for server in dict.fromkeys(a.server for a in answers if a.server not in done):
            done.add(server)
            udp, tcp = (
                Reach(server, way, seen.ask(place, server=server, probe="up.", transport=way))
                for way in (Transport.UDP, Transport.TCP)
            )
            # Without an external name the root was asked for, which an upstream may decline.
            root = all(a.name == "." for a in udp.answers)
            good = set(Status) if root else {Status.NOERROR, Status.NXDOMAIN}
            state, detail = _judge(udp, tcp, good)
            yield Hop(stage=3, label=f"upstream {server}", state=state, detail=detail)


def _judge(udp: Reach, tcp: Reach | None, good: Collection[Status]) -> tuple[HopState, str]:
    if udp.silent:
        return HopState.BROKEN, _loss(udp)
    wrong = next((a.status.value for a in udp.answers if a.status not in good), "")
    if wrong:
        return HopState.BROKEN, wrong
    if tcp is not None and tcp.dead:
        return HopState.BROKEN, f"TCP {_loss(tcp)}"
    return HopState.OK if udp.answered else HopState.UNKNOWN, ""


def _loss(reach: Reach) -> str:
    kinds = {a.status.value for a in reach.answers}
    return kinds.pop() if len(kinds) == 1 else reach.summary


def hop_json(hop: Hop) -> dict[str, Any]:
    return {"stage": hop.stage, "label": hop.label, "state": hop.state.value, "detail": hop.detail}
