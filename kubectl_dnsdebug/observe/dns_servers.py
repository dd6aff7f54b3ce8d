"""The DNS servers as their pods and Deployments show them: what several rules on servers ask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kubectl_dnsdebug.model import Missing, Transport
from kubectl_dnsdebug.observe import discovery
from kubectl_dnsdebug.observe.objects import Pod, Service, at, items
from kubectl_dnsdebug.observe.observed import Observed


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A Deployment or DaemonSet that is, by name or labels, the cluster's DNS."""

    kind: str
    namespace: str
    name: str
    wanted: int
    ready: int
    labels: dict[str, str]  # that it selects its pods by

    @property
    def fact(self) -> str:
        """The id of the list that it stands in."""
        return f"{self.kind.lower()}s/{self.namespace}"

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


def workloads(seen: Observed) -> tuple[Workload, ...]:
    """Those of DNS, in the namespaces where it is looked for. Raises Missing."""
    daemon_sets = seen.facts("daemonsets/") if seen.of_kind("daemonsets") else ()
    return tuple(
        Workload(
            kind=kind,
            namespace=at(each, "metadata", "namespace", default=""),
            name=at(each, "metadata", "name", default=""),
            wanted=int(at(each, *wanted, default=1)),
            ready=int(at(each, "status", ready, default=0)),
            labels=at(each, "spec", "selector", "matchLabels", default={}),
        )
        for kind, facts, wanted, ready in (
            ("Deployment", seen.facts("deployments/"), ("spec", "replicas"), "readyReplicas"),
            ("DaemonSet", daemon_sets, ("status", "desiredNumberScheduled"), "numberReady"),
        )
        for fact in facts
        for each in items(fact.data)
        if discovery.is_dns(at(each, "metadata", default={}))
    )


def failing(seen: Observed) -> tuple[Pod, ...]:
    """DNS pods that are not ready, the crashing ones first. Raises Missing when pods could not be
    listed."""
    ill = [pod for pod in seen.dns_pods if not pod.ready and not pod.terminating]
    return tuple(sorted(ill, key=lambda pod: (-pod.restarts, pod.name)))


def crashing(pod: Pod) -> bool:
    """Whether a container of the pod ended and is started over."""
    return any(
        c.waiting == "CrashLoopBackOff" or (not c.ready and c.last_exit) for c in pod.containers
    )


def dns_pod(seen: Observed, ip: str) -> Pod | None:
    """The DNS pod with that address. Never Missing: None where pods could not be listed."""
    try:
        return next((pod for pod in seen.dns_pods if ip in pod.ips), None)
    except Missing:
        return None


def lacking(service: Service) -> Iterator[Transport]:
    """Transports over which a DNS Service takes nothing."""
    yield from (each for each in Transport if each not in service.dns_ports)


def node_caches(seen: Observed, node: str) -> tuple[Pod, ...]:
    """The pods of a node's own DNS cache (NodeLocal DNSCache). Raises Missing."""
    return tuple(
        pod
        for pod in seen.system_pods(node)
        if pod.host_network
        and any(
            word in f"{pod.name} {pod.labels.get('k8s-app', '')}"
            for word in ("node-local-dns", "nodelocaldns")
        )
    )
