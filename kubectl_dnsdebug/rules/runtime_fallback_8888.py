"""A runtime that refused the host's loopback resolver and handed out public servers instead."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Confidence, Missing, Scope, Severity, Subject, Transport
from kubectl_dnsdebug.observe import logs, symptoms
from kubectl_dnsdebug.observe.host import ETC
from kubectl_dnsdebug.observe.objects import at, is_loopback
from kubectl_dnsdebug.observe.observed import Observed, Reach
from kubectl_dnsdebug.parse.resolvconf import ResolvConf
from kubectl_dnsdebug.reason.rule import Found, rule

# What k3s and cri-dockerd write when every server of the host's file is a loopback.
_GIVEN = {"8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844"}
_GENERATED = "/agent/etc/resolv.conf"  # below the data folder of k3s and RKE2


@rule(
    "runtime-fallback-8888",
    scope=Scope.NODE,
    severity=Severity.ERROR,
    message="{node}: pods get {servers} as the host's nameserver, which nobody configured and "
    "which does not answer here ({summary}): k3s and Docker write it when the host's "
    "/etc/resolv.conf names only a loopback address.",
    remedy="Point the kubelet of {node} at the file with the real servers (k3s: --resolv-conf FILE "
    "or K3S_RESOLV_CONF, such as /run/systemd/resolve/resolv.conf), restart k3s or the runtime "
    "fully, and recreate the DNS pods.",
    verify="grep nameserver /etc/resolv.conf   # on {node}: a loopback, while pods have {servers}",
    silent_when="a Default pod gets other servers than the runtime's own, one of them answers, or "
    "the host's file names servers of its own.",
    explains=("upstream-timeout", "coredns-replica-divergence", "host-search-inherited"),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    if symptoms.is_only_witness(seen, subject):
        return
    place = seen.default(subject)
    conf = seen.conf(place)
    if not conf.nameservers or not set(conf.nameservers) <= _GIVEN:
        return
    answers = tuple(
        a
        for a in seen.ask(place, server=conf.nameservers, probe="up.")
        if a.transport is Transport.UDP
    )
    if not answers:
        raise Missing(f"{' '.join(conf.nameservers)} was not asked at {place.id}")
    reach = Reach(conf.nameservers[0], Transport.UDP, answers)
    if not reach.dead or _wanted(seen):
        return
    hosts = _hosts_own(seen, subject)
    if hosts is not None and not all(map(is_loopback, hosts.nameservers)):
        return  # the host's file has servers of its own: nobody had to make any up
    sure = [id for id, path in _configured(seen, subject) if path.endswith(_GENERATED)]
    if hosts is not None:
        host = seen.host(subject.name)
        sure += [host.id(f"file.{ETC}"), host.kubelet_id]
    lines = [
        id for ip in conf.nameservers for id, _ in logs.recent(seen, f"->{ip}:53: i/o timeout")
    ]
    yield Found(
        evidence=(seen.conf_id(place), *reach.ids[:2], *sure, *lines[:1]),
        args={
            "node": subject.name,
            "servers": " ".join(conf.nameservers),
            "summary": reach.summary,
        },
        confidence=Confidence.CERTAIN if sure else Confidence.LIKELY,
        settles="" if sure else "the node's own /etc/resolv.conf (--deep)",
    )


def _hosts_own(seen: Observed, subject: Subject) -> ResolvConf | None:
    """The node's own /etc/resolv.conf; None where it was not seen."""
    try:
        return seen.host(subject.name).file(ETC).conf
    except Missing:
        return None


def _configured(seen: Observed, subject: Subject) -> Iterator[tuple[str, str]]:
    try:
        fact = seen.fact(f"configz/{subject.name}")
    except Missing:
        return
    if fact:
        yield fact.id, str(at(fact.data, "resolvConf", default=""))


def _wanted(seen: Observed) -> bool:
    """Whether the Corefile itself forwards to one of them: then somebody chose it."""
    try:
        forwards = seen.forwards
    except Missing:
        return False
    return any(to.removeprefix("dns://") in _GIVEN for each in forwards for to in each.to)
