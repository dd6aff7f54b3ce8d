"""No DNS pod runs: scaled to zero, on no node, without its image, or its node is gone.

Pods that start and crash are other causes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kubectl_dnsdebug.model import Confidence, Missing, Scope, Severity, Subject
from kubectl_dnsdebug.observe import dns_servers, symptoms
from kubectl_dnsdebug.observe.objects import Pod, at
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse import selectors
from kubectl_dnsdebug.reason.rule import Found, rule

_STARTING = {"ContainerCreating", "PodInitializing"}


@rule(
    "coredns-not-running",
    scope=Scope.CLUSTER,
    severity=Severity.ERROR,
    message="No DNS pod runs: {what}",
    remedy="{cure}",
    verify="kubectl -n {namespace} get deployments,daemonsets,pods -l {selector} -o wide",
    silent_when="cluster DNS answers, or a DNS pod runs or crashes: then something else is the "
    "cause.",
    explains=("dns-no-ready-endpoints",),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    if symptoms.dns_serves(seen):
        return
    # Those that came to their end, as by eviction, stay on record beside what replaces them.
    pods = [pod for pod in seen.dns_pods if not pod.terminating]
    pods.sort(key=lambda pod: pod.phase in ("Succeeded", "Failed"))
    if any(_runs(pod) or dns_servers.crashing(pod) for pod in pods):
        return
    found = _no_pods(seen) if not pods else _stuck(seen, pods[0], len(pods))
    if found and not seen.evidence.vantages:
        # A server outside the cluster may do their work: only who asks it can tell.
        settles = "a question from a pod: `kubectl dnsdebug pod/NAME` asks"
        found = replace(found, confidence=Confidence.LIKELY, settles=settles)
    if found:
        yield found


def _no_pods(seen: Observed) -> Found | None:
    workloads = dns_servers.workloads(seen)
    if any(each.ready for each in workloads):
        return None  # pods are there, the Service does not select them
    lists = ("dns-pods/", "deployments/", "daemonsets/")
    evidence = [fact.id for fact in seen.evidence.facts if fact.id.startswith(lists)]
    if not workloads:
        what = "there is none, and no Deployment or DaemonSet that would make one."
        cure = "Install the cluster's DNS again, by the way this cluster was set up."
    else:
        first = workloads[0]
        if first.wanted == 0 and first.kind == "DaemonSet":
            what = f"{first} fits no node."
            cure = f"Correct the node selector and tolerations of {first}, or label the nodes."
        elif first.wanted == 0:
            what = f"{first} is scaled to zero."
            cure = f"Scale {first} up, to two replicas or more."
        else:
            what = f"{first} wants {first.wanted} and makes none."
            cure = f"Read why {first} makes no pods: its events, quotas and webhooks."
    return Found(evidence=evidence, args={"what": what, "cure": cure, **_where(seen)})


def _stuck(seen: Observed, pod: Pod, count: int) -> Found:
    id, why = _why(seen, pod)
    return Found(
        evidence=(id,),
        args={
            "what": f"all {count} are stuck; {pod.name} is {pod.phase}: {why}",
            "cure": f"Remove what keeps {pod.name} from running: scheduling constraints, taints, "
            "resources, its image or its node.",
            **_where(seen),
        },
    )


def _why(seen: Observed, pod: Pod) -> tuple[str, str]:
    """Evidence and reason, the most telling first."""
    pods = next(f.id for f in seen.evidence.facts if f.id.startswith("dns-pods/"))
    for container in pod.containers:
        if container.waiting and container.waiting not in _STARTING:
            return pods, f"{container.waiting} {container.waiting_message}".strip()[:240]
    for condition in at(pod.raw, "status", "conditions", default=()):
        if condition.get("type") == "PodScheduled" and condition.get("status") != "True":
            return pods, str(condition.get("message") or condition.get("reason", ""))[:240]
    for reason in ("FailedCreatePodSandBox", "FailedMount", "FailedScheduling"):
        for id, text in seen.events(reason, about=pod.name):
            return id, text[:240]
    said = at(pod.raw, "status", "message", default="") or at(pod.raw, "status", "reason")
    return pods, str(said or "kubelet gives no reason")


def _runs(pod: Pod) -> bool:
    return pod.phase == "Running" and any(c.running for c in pod.containers)


def _where(seen: Observed) -> dict[str, str]:
    try:
        service = seen.dns_service()
    except Missing:
        return {"namespace": "kube-system", "selector": "k8s-app=kube-dns"}
    selector = selectors.as_text(service.selector)
    return {"namespace": service.namespace, "selector": selector}
