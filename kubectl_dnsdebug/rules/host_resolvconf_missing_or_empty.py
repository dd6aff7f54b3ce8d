"""Kubelet's resolvConf names a file that is not there, or one without a nameserver."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubectl_dnsdebug.model import Missing, Role, Scope, Severity, Subject
from kubectl_dnsdebug.observe import logs, symptoms
from kubectl_dnsdebug.observe.objects import is_loopback
from kubectl_dnsdebug.observe.observed import TARGETS, Observed
from kubectl_dnsdebug.reason.rule import Found, rule

_ABSENT = re.compile(r"open (\S*resolv\S*): no such file or directory")


@rule(
    "host-resolvconf-missing-or-empty",
    scope=Scope.NODE,
    severity=Severity.ERROR,
    message="{node}: {what}.",
    remedy="Set the kubelet's resolvConf on {node} to a file that exists there and names the real "
    "servers (start systemd-resolved, or use /etc/resolv.conf), restart the kubelet, and recreate "
    "the pods.",
    verify="kubectl get --raw /api/v1/nodes/{node}/proxy/configz | grep -o '\"resolvConf\":[^,]*'",
    silent_when="the file handed to a Default pod names a nameserver that kubelet did not make up.",
    explains=("coredns-not-running", "corefile-invalid", "dnspolicy-not-cluster"),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    if symptoms.is_only_witness(seen, subject):
        return
    gone = next(_absent(seen, subject), None)
    if gone:
        path, proof = gone
        what = f"no pod can start, for the file that kubelet reads, {path}, does not exist"
        yield Found(evidence=proof, args={"node": subject.name, "what": what})
        return
    place = seen.default(subject)
    conf = seen.conf(place)
    void = not conf.nameservers
    # What kubelet writes when it is told to read no file at all.
    invented = conf.search == (".",) and all(map(is_loopback, conf.nameservers))
    if not void and not invented:
        return
    what = "kubelet is told to read no file" if invented else "the file that kubelet reads is empty"
    said = [
        line
        for words in ("no nameservers found", "no valid upstream addresses")
        for line in logs.recent(seen, words, within=logs.CRASH)
    ]
    yield Found(
        evidence=(seen.conf_id(place), *(id for id, _ in said[:1])),
        args={
            "node": subject.name,
            "what": f"{what}, so Default-policy pods, such as DNS pods, get no nameserver",
        },
        severity=None if said or _harms(seen, subject) else Severity.WARNING,
    )


def _absent(seen: Observed, subject: Subject) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The path, and what says so: the targets or our own pods of the node that did not start.

    Events outlive their cause: those of a pod that runs by now tell of the past.
    """
    stuck = {t.name for t in symptoms.targets_on(seen, subject) if not seen.target(t).ips}
    for vantage in seen.evidence.vantages:
        if vantage.node == subject.name and vantage.failure:
            stuck |= {vantage.pod} if vantage.role not in TARGETS else set()
    for pod in sorted(filter(None, stuck)):
        for id, text in seen.events("FailedCreatePodSandBox", about=pod):
            if found := _ABSENT.search(text):
                yield found[1], (id,)


def _harms(seen: Observed, subject: Subject) -> bool:
    for target in symptoms.targets_on(seen, subject):
        try:
            conf = seen.conf(seen.vantage(target, Role.TARGET, Role.SIBLING))
        except Missing:
            continue
        if all(map(is_loopback, conf.nameservers)):
            return True
    return False
