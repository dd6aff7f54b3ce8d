"""CoreDNS cannot take its port: another program has it, or the right to bind it is lacking. Or it
takes it where nobody else gets to, on a loopback address."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from kubectl_dnsdebug.model import Missing, Scope, Severity, Status, Subject
from kubectl_dnsdebug.observe import configuration, dns_servers, logs, symptoms
from kubectl_dnsdebug.observe.objects import Pod
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule

_TAKEN, _DENIED = "bind: address already in use", "bind: permission denied"
_FOREIGN = "bind: cannot assign requested address"


@rule(
    "coredns-bind-failed",
    scope=Scope.CLUSTER,
    severity=Severity.ERROR,
    message="DNS pod {pod} {what}.",
    remedy="{cure}",
    verify="{hand}",
    silent_when="no DNS pod that is not ready logged of late that it cannot bind its port, and "
    "none that refuses questions is told to bind loopback addresses alone.",
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
                        "what": "cannot bind its port and exits: " + logs.message(line).rstrip("."),
                        "cure": _cure(words, pod),
                        "hand": f"kubectl -n {pod.namespace} logs {pod.name} | grep bind:",
                    },
                    confidence=confidence,
                    settles=settles,
                    severity=Severity.WARNING if serving else None,
                )
                return
        if dns_servers.crashing(pod) and not serving:
            seen.log(pod)  # raises Missing: the reason of the crash stands there
    if not serving:
        yield from _unreachable(seen)


def _unreachable(seen: Observed) -> Iterator[Found]:
    """A DNS pod that runs and refuses whoever asks it, as the Corefile says."""
    for place in seen.evidence.vantages:
        for ip, reach in symptoms.replicas_seen(seen, place):
            if not reach.dead or not reach.saw(Status.CONNECTION_REFUSED):
                continue
            pod = dns_servers.dns_pod(seen, ip)
            block = seen.corefile.block_for(f"{seen.domain}.")
            bound = block.named("bind") if block else ()
            local = all(_is_loopback(arg) for plugin in bound for arg in plugin.args)
            if pod and bound and local and not dns_servers.crashing(pod):
                addresses = " ".join(arg for each in bound for arg in each.args)
                facts = configuration.facts(seen)
                yield Found(
                    evidence=(*(fact.id for fact in facts), *symptoms.ids(reach, most=1)),
                    args={
                        "pod": pod.name,
                        "what": f"listens at {addresses} only, by the bind plugin of the Corefile "
                        f"(line {bound[0].line}), and refuses all others ({reach.summary})",
                        "cure": "Remove that bind from the Corefile, or name an address of the pod "
                        "or its device, such as eth0.",
                        "hand": f"dig @{ip} -p {reach.answers[0].port} +tries=1 . NS",
                    },
                )
                return


def _is_loopback(word: str) -> bool:
    """Of an argument of bind: an address, or the name of a device."""
    try:
        return ip_address(word).is_loopback
    except ValueError:
        return word == "lo"


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
