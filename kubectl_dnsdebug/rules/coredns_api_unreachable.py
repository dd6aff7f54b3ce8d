"""CoreDNS cannot reach the API server, so that it knows nothing or only what was true before.

Started without the API it answers SERVFAIL for every cluster name; cut off later it stays ready
and never hears of a new Service or endpoint.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Answer, Confidence, Missing, Scope, Severity, Status, Subject
from kubectl_dnsdebug.observe import dns_servers, logs, symptoms
from kubectl_dnsdebug.observe.denials import denials
from kubectl_dnsdebug.observe.objects import Pod
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.observe.swallowing import swallowed
from kubectl_dnsdebug.reason.rule import Found, rule

_UNSYNCED = ("starting server with unsynced Kubernetes API", 'Plugins not ready: "kubernetes"')
# Reflector lines: the API's client says why a list or a watch failed.
_WHY = (
    "dial tcp",
    "i/o timeout",
    "Unauthorized",
    "x509:",
    "connection refused",
    "no route to host",
    "serviceaccount/token",
    "in-cluster configuration",
)


@rule(
    "coredns-api-unreachable",
    scope=Scope.CLUSTER,
    severity=Severity.ERROR,
    message="CoreDNS does not reach the Kubernetes API, {word}. {effect}",
    remedy="Repair the way from DNS pods on {node} to the API's Service (kube-proxy, routes, "
    "firewalls), or their token and CA, then restart the DNS pods.",
    verify="kubectl -n {namespace} logs {pod} | grep -E 'unsynced|Failed to|not ready'",
    silent_when="CoreDNS answers with every Service that the API has, or its log says that it is "
    "refused rather than cut off.",
    explains=("dns-no-ready-endpoints", "coredns-replica-divergence", "negative-or-client-cache"),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    stale = () if _hides_some(seen) else _unknown_services(seen)
    stale = tuple(a for a in stale if not _swallowed(seen, a))
    if not stale and symptoms.dns_serves(seen):
        return
    for pod in sorted(seen.dns_pods, key=lambda pod: pod.ready):
        failed = _servfail(seen, pod)
        said = _said(seen, pod)
        if not said or any("forbidden" in line for _, line in logs.recent(seen, pod=pod)):
            continue  # or it is reached, and refuses
        ends = dns_servers.crashing(pod) and not _runs_unsynced(seen, pod)
        if not pod.ready and (failed or ends or not pod.ips):
            effect = "It ends." if ends else "It answers SERVFAIL for cluster names."
            yield _found(pod, f"says {pod.name}: {_line(said)}", said, failed, effect)
            return
        if stale:
            effect = f"It denies {stale[0].name}, which the API has."
            yield _found(pod, f"says {pod.name}: {_line(said)}", said, stale, effect)
            return
    if stale and seen.dns_pods:
        _ = seen.corefile  # raises Missing: what is told to hide a Service is no sign of the API
        pod = seen.dns_pods[0]
        effect = f"{stale[0].server} denies {stale[0].name}, which the API has for longer."
        yield _found(pod, "to all appearances", None, stale, effect)
        return
    for pod in dns_servers.failing(seen):
        if pod.phase == "Running":
            seen.log(pod)  # raises Missing where it would have been said


def _found(
    pod: Pod, word: str, said: tuple[str, str] | None, answers: tuple[Answer, ...], effect: str
) -> Found:
    log = (said[0],) if said else ()
    return Found(
        evidence=(*log, *(a.id for a in answers[:3]), *(() if said else ("services",))),
        args={
            "pod": pod.name,
            "node": pod.node,
            "namespace": pod.namespace,
            "word": word,
            "effect": effect,
        },
        confidence=Confidence.CERTAIN if said else Confidence.LIKELY,
        settles="" if said else "the DNS pods' log after some minutes, or a restart of one of them",
    )


def _line(said: tuple[str, str]) -> str:
    return logs.message(said[1]).rstrip(".")


def _said(seen: Observed, pod: Pod) -> tuple[str, str] | None:
    """The line of the pod's log that says so, the most telling first."""
    of_client = [
        (id, line)
        for id, line in logs.recent(seen, pod=pod)
        if ("Failed to" in line or "failed to list" in line or "plugin/kubernetes" in line)
        and any(why in line for why in _WHY)
    ]
    unsynced = [found for words in _UNSYNCED for found in logs.recent(seen, words, pod=pod)]
    return next(iter((*reversed(of_client), *unsynced)), None)


def _runs_unsynced(seen: Observed, pod: Pod) -> bool:
    """Whether it starts all the same: then it ends for another reason."""
    return bool(logs.recent(seen, _UNSYNCED[0], pod=pod, within=logs.CRASH))


def _servfail(seen: Observed, pod: Pod) -> tuple[Answer, ...]:
    """Its refusals to answer for names that every cluster has."""
    return tuple(
        a
        for a in seen.answers
        if a.server in pod.ips and "#reach." in a.id and a.status is Status.SERVFAIL
    )


def _unknown_services(seen: Observed) -> tuple[Answer, ...]:
    """Answers 'no such name' for Services that the API had for long when the server said so."""
    try:
        told = denials(seen, (a for a in seen.answers if a.server in seen.cluster_ips))
    except Missing:
        return ()
    return tuple(each.answer for each in told if not each.remembered)


def _swallowed(seen: Observed, answer: Answer) -> bool:
    """Whether the Corefile has another plugin deny the name, or sends it elsewhere."""
    try:
        block = seen.corefile.block_for(answer.name)
        return block is None or not block.named("kubernetes") or bool(swallowed(seen, answer))
    except Missing:
        return False


def _hides_some(seen: Observed) -> bool:
    """Whether the Corefile serves only some namespaces and Services, or none: a denial is meant."""
    try:
        plugins = [p for block in seen.corefile.blocks for p in block.named("kubernetes")]
    except Missing:
        return False
    hiding = ("namespaces", "labels", "namespace_labels")
    return not plugins or any(p.property(each) is not None for p in plugins for each in hiding)
