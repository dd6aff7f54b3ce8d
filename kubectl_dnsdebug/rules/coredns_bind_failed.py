"""CoreDNS cannot take its port: another program has it, or the right to bind it is lacking."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Missing, Scope, Severity, Subject
from kubectl_dnsdebug.observe import dns_servers, logs, symptoms
from kubectl_dnsdebug.observe.objects import Pod
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule

_TAKEN, _DENIED = "bind: address already in use", "bind: permission denied"
_FOREIGN = "bind: cannot assign requested address"


@rule(
    "coredns-bind-failed",
    scope=Scope.CLUSTER,
    severity=Severity.ERROR,
    message="DNS pod {pod} cannot bind its port and exits: {line}.",
    remedy="{cure}",
    verify="kubectl -n {namespace} logs {pod} | grep bind:",
    silent_when="no DNS pod that is not ready logged of late that it cannot bind its port.",
    explains=("dns-no-ready-endpoints",),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    serving = symptoms.dns_serves(seen)
    for pod in _failing(seen, serving):
        for words in (_DENIED, _TAKEN, _FOREIGN):
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
                        "cure": _cure(words, pod),
                    },
                    confidence=confidence,
                    settles=settles,
                    severity=Severity.WARNING if serving else None,
                )
                return
        if dns_servers.crashing(pod) and not serving:
            seen.log(pod)  # raises Missing: the reason of the crash stands there


def _failing(seen: Observed, serving: bool) -> tuple[Pod, ...]:
    try:
        return dns_servers.failing(seen)
    except Missing:
        if not serving:
            raise
        return ()  # others answer


def _cure(words: str, pod: Pod) -> str:
    if words == _FOREIGN:
        return "Correct the bind plugin in the Corefile: the pod has no such address."
    if words == _TAKEN and not pod.host_network:
        return (
            "Give each its own port: within the pod two plugins of the Corefile (health, ready, "
            "prometheus) or another container want the same."
        )
    if words == _TAKEN:
        return (
            f"Free the port on {pod.node} (systemd-resolved: DNSStubListener=no; dnsmasq), or give "
            "CoreDNS an address of its own with the bind plugin."
        )
    return (
        "Give the DNS container the capability NET_BIND_SERVICE back (and allowPrivilegeEscalation "
        "where its image needs it), or let it listen above port 1023."
    )
