"""Kubelet hands pods a file whose nameserver is a loopback: theirs, where nothing listens."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Missing, Scope, Severity, Subject
from kubectl_dnsdebug.observe import logs, symptoms
from kubectl_dnsdebug.observe.host import HostView
from kubectl_dnsdebug.observe.objects import is_loopback
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse.host import HostFile
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "host-loopback-nameserver",
    scope=Scope.NODE,
    severity=Severity.ERROR,
    message="{node}: the resolv.conf that kubelet gives names {loopbacks}, the host's local "
    "resolver; in a pod nothing listens there, and DNS pods that forward to it ask themselves."
    "{file}",
    remedy="Set the kubelet's resolvConf on {node} to the file with the real servers "
    "(/run/systemd/resolve/resolv.conf with systemd-resolved, /run/dnsmasq/resolv.conf with "
    "dnsmasq{better}), restart the kubelet, and recreate the DNS pods and Default-policy pods.",
    verify="grep nameserver /etc/resolv.conf   # on {node}, or in the file of its resolvConf: "
    "no 127.0.0.0/8, no ::1",
    silent_when="the file handed to a Default pod names no loopback, or something in the pod "
    "answers there; what kubelet makes up when it is told to read no file is another cause.",
    explains=("coredns-loop", "coredns-not-running", "dnspolicy-not-cluster", "upstream-timeout"),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    if symptoms.is_only_witness(seen, subject):
        return
    place = seen.default(subject)
    conf = seen.conf(place)
    loopbacks = [ip for ip in conf.nameservers if is_loopback(ip)]
    if not loopbacks or conf.search == (".",):
        return
    asked = seen.ask(place, server=loopbacks, probe="up.")
    if any(a.status.is_answer for a in asked):
        return
    said = logs.recent(seen, "plugin/loop: Loop (", within=logs.CRASH)
    loops = [id for id, _ in said if _runs_on(seen, id, subject.name)]
    host = seen.host_or_none(subject.name)
    file, better = (_kubelets_file(host), _better(host)) if host else (None, None)
    yield Found(
        evidence=(
            seen.conf_id(place),
            *(a.id for a in asked[:1]),
            *loops[:1],
            *([host.kubelet_id] if host and file else []),
            *([host.id(f"file.{better.path}")] if host and better else []),
        ),
        args={
            "node": subject.name,
            "loopbacks": " ".join(loopbacks),
            "file": f" It is {file} of the node." if file else "",
            "better": f"; here {_servers_of(better)}" if better else "",
        },
        severity=None if loops or _harms(seen, subject) else _threat(seen),
    )


def _kubelets_file(host: HostView) -> str:
    """The file that this kubelet reads, and where its links lead; empty where that is not known."""
    try:
        kubelet = host.kubelet
    except Missing:
        return ""
    file = kubelet.file
    leads = f" -> {file.leads_to}" if file and file.leads_to != file.path else ""
    return f"{kubelet.reads}{leads}"


def _better(host: HostView) -> HostFile | None:
    """A file of the host with servers that a pod can ask, where there is one."""
    for file in host.files:
        if file.conf and file.conf.nameservers and not any(map(is_loopback, file.conf.nameservers)):
            return file
    return None


def _servers_of(file: HostFile) -> str:
    servers = " ".join(file.conf.nameservers) if file.conf else ""
    return f"{file.path}, which names {servers}"


def _runs_on(seen: Observed, log: str, node: str) -> bool:
    try:
        pods = seen.dns_pods
    except Missing:
        return False
    return any(log.endswith(f"/{pod.namespace}/{pod.name}") and pod.node == node for pod in pods)


def _harms(seen: Observed, subject: Subject) -> bool:
    """Whether a target of this node has nothing but a loopback in its own file."""
    for target in symptoms.targets_on(seen, subject):
        conf = seen.conf_or_none(seen.own(target))
        if conf and conf.nameservers and all(map(is_loopback, conf.nameservers)):
            return True
    return False


def _threat(seen: Observed) -> Severity:
    """DNS pods that forward to the host's file break when they next start."""
    try:
        forwards = seen.forwards
    except Missing:
        return Severity.WARNING
    uses = any(to.startswith("/") for each in forwards for to in each.to)
    return Severity.WARNING if uses else Severity.INFO
