"""Change the cluster's DNS itself: its pods, its Corefile, its Service, its whole set-up."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tests.cluster import apps, dns_setup
from tests.cluster.cluster import Cluster
from tests.cluster.dns_setup import DnsSetup
from tests.cluster.layout import NODES
from tests.cluster.shell import wait_for

Object = dict[str, Any]


def dns_pods(cluster: Cluster) -> list[Object]:
    """The DNS pods that are not on their way out, by name."""
    setup = cluster.setup
    selector = ",".join(f"{key}={value}" for key, value in setup.labels.items())
    pods = cluster.kubectl.pods(setup.namespace, labels=selector)["items"]
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def dns_pod_on(cluster: Cluster, node: str) -> Object:
    """The DNS pod of this node; there is one on each worker."""
    return next(pod for pod in dns_pods(cluster) if pod["spec"]["nodeName"] == node)


def is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def dns_logs(cluster: Cluster, *, previous: bool = False) -> str:
    """What the DNS pods have logged, one after the other."""
    namespace = cluster.setup.namespace
    flags = ["--previous"] if previous else []
    return "".join(
        cluster.kubectl("logs", "-n", namespace, pod["metadata"]["name"], *flags, check=False)
        for pod in dns_pods(cluster)
    )


def wait_log(cluster: Cluster, *words: str, timeout: float = 60) -> None:
    """Wait until the DNS pods have logged all these words, now or before their last restart."""
    wait_for(
        f"the DNS pods log {' and '.join(repr(word) for word in words)}",
        lambda: all(
            word in dns_logs(cluster) or word in dns_logs(cluster, previous=True) for word in words
        ),
        timeout=timeout,
        interval=0.5,
    )


def restart_dns(cluster: Cluster, *, ready: bool = True) -> None:
    """Make the DNS pods anew and, unless they cannot be, wait until they are ready."""
    names = [pod["metadata"]["name"] for pod in dns_pods(cluster)]
    _end_pods(cluster, names)
    if ready:
        wait_dns_pods(cluster)


def _end_pods(cluster: Cluster, names: list[str]) -> None:
    """End these pods at once instead of after the lame-duck period."""
    if names:
        cluster.kubectl.delete("pod", *names, "-n", cluster.setup.namespace, "--grace-period=1")


def wait_dns_pods(cluster: Cluster, *, timeout: float = 120) -> None:
    """Wait until exactly the wanted number of DNS pods is there, each ready."""
    wanted = cluster.setup.replicas

    def settled() -> bool:
        pods = dns_pods(cluster)
        return len(pods) == wanted and all(is_ready(pod) for pod in pods)

    wait_for(f"{wanted} DNS pods are ready", settled, timeout=timeout, interval=0.2)


@contextmanager
def corefile(cluster: Cluster, text: str, *, ready: bool = True) -> Iterator[None]:
    """Another Corefile, and pods that have read it. `ready`: whether they come up with it."""
    setup = cluster.setup
    try:
        cluster.kubectl.replace(dns_setup.config_map(replace(setup, corefile_text=text)))
        restart_dns(cluster, ready=ready)
        yield
    finally:
        cluster.kubectl.replace(dns_setup.config_map(setup))
        restart_dns(cluster)


def with_lines(text: str, *lines: str) -> str:
    """The Corefile with these lines at the head of its first server block."""
    head, brace, rest = text.partition("{\n")
    return head + brace + "".join(f"    {line}\n" for line in lines) + rest


@contextmanager
def deployment(
    cluster: Cluster, change: Callable[[Object], None], *, ready: bool = False
) -> Iterator[None]:
    """Another Deployment of DNS, all of its old pods gone."""
    healthy = dns_setup.deployment(cluster.setup)
    changed = copy.deepcopy(healthy)
    change(changed)
    try:
        _roll(cluster, changed)
        if ready:
            wait_dns_pods(cluster)
        yield
    finally:
        _roll(cluster, healthy)
        wait_dns_pods(cluster)
        cluster.kubectl.replace(healthy)


def _roll(cluster: Cluster, wanted: Object) -> None:
    """Put the Deployment in place without the gentleness of a rolling update."""
    before = [pod["metadata"]["name"] for pod in dns_pods(cluster)]
    at_once = copy.deepcopy(wanted)
    at_once["spec"]["strategy"] = {"rollingUpdate": {"maxUnavailable": "100%", "maxSurge": 0}}
    cluster.kubectl.replace(at_once)
    wait_for(
        "the old DNS pods are told to end",
        lambda: not {pod["metadata"]["name"] for pod in dns_pods(cluster)} & set(before),
        timeout=20,
    )
    _end_pods(cluster, before)


# -- another DNS altogether --------------------------------------------------------------------


@contextmanager
def dns(cluster: Cluster, wanted: DnsSetup) -> Iterator[None]:
    """A cluster whose DNS is set up in this way, kubelets and shop included: odd, but healthy."""
    before = cluster.setup
    try:
        _switch(cluster, before, wanted)
        yield
    finally:
        _switch(cluster, wanted, before)


def _switch(cluster: Cluster, old: DnsSetup, new: DnsSetup) -> None:
    kubectl = cluster.kubectl
    pods = [pod["metadata"]["name"] for pod in dns_pods(cluster)]
    for kind in ("deployment", "daemonset", "replicaset"):
        kubectl.delete(kind, "-l", _selector(old), "-n", old.namespace, "--cascade=orphan")
    _end_pods(cluster, pods)
    before, after = _by_key(old), _by_key(new)
    for key, item in before.items():
        kind, namespace, name = key
        # A Service keeps its address for life; of the others goes what the new DNS has not.
        if after.get(key) != item if kind == "Service" else namespace and key not in after:
            kubectl.delete(kind, name, "-n", namespace)
    cluster.remember(new)
    kubectl.apply(dns_setup.objects(new))
    if old.namespace not in (new.namespace, "kube-system"):
        kubectl.delete("namespace", old.namespace)
    if (old.address, old.domain) != (new.address, new.domain):
        cluster.restart_kubelets(NODES, new)
        renew_shop(cluster)
    wait_dns_pods(cluster)
    cluster.wait_dns()


def _by_key(setup: DnsSetup) -> dict[tuple[str, str, str], Object]:
    """The objects of this DNS by kind, namespace and name."""
    return {
        (each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]): each
        for each in dns_setup.objects(setup)["items"]
    }


def _selector(setup: DnsSetup) -> str:
    return ",".join(f"{key}={value}" for key, value in setup.labels.items())


def renew_shop(cluster: Cluster) -> None:
    """Make the shop's pods anew: a pod keeps the resolv.conf that it began with."""
    shop = ("-n", apps.NAMESPACE)
    cluster.kubectl.delete("pod", "--all", *shop, "--grace-period=1")
    cluster.kubectl.apply(apps.baseline())
    cluster.kubectl.wait("condition=Ready", "pod", *apps.BASELINE_PODS, *shop)
    cluster.kubectl("rollout", "status", "deployment/front", *shop, timeout=60)
