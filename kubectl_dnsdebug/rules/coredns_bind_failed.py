"""CoreDNS cannot take its port: another program has it, or the right to bind it is lacking."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Scope, Severity, Subject
from kubectl_dnsdebug.observe import dns_servers, logs, symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule

_TAKEN, _DENIED = "bind: address already in use", "bind: permission denied"


@rule(
    "coredns-bind-failed",
    scope=Scope.CLUSTER,
    severity=Severity.ERROR,
    message="DNS pod {pod} cannot bind its port and exits: {line}.",
    remedy="{cure}",
    verify="kubectl -n {namespace} logs {pod} | grep bind:",
    silent_when="cluster DNS answers, or no DNS pod that fails logs that it cannot bind its port.",
    explains=("dns-no-ready-endpoints",),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    if symptoms.dns_serves(seen):
        return
    for pod in dns_servers.failing(seen):
        for words in (_DENIED, _TAKEN):
            found = logs.recent(seen, words, pod=pod, within=logs.CRASH)
            if found:
                id, line = found[-1]
                confidence, settles = logs.of_crash(seen, line)
                yield Found(
                    evidence=(id,),
                    args={
                        "pod": pod.name,
                        "namespace": pod.namespace,
                        "line": logs.message(line).rstrip("."),
                        "cure": _cure(words, pod.node),
                    },
                    confidence=confidence,
                    settles=settles,
                )
                return
        if dns_servers.crashing(pod):
            seen.log(pod)  # raises Missing: the reason of the crash stands there


def _cure(words: str, node: str) -> str:
    if words == _TAKEN:
        return (
            f"Free the port on {node} (systemd-resolved: DNSStubListener=no; dnsmasq), or give "
            "CoreDNS an address of its own with the bind plugin."
        )
    return (
        "Give the DNS container the capability NET_BIND_SERVICE back (and allowPrivilegeEscalation "
        "where its image needs it), or let it listen above port 1023."
    )
