"""Change one thing of a running cluster and put it back: the bricks that faults are built of.

Every function is a context manager. It changes, waits until the change is in force, yields, and
undoes it, whatever happened in between.
"""

from __future__ import annotations

import copy
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.cluster import apps, cgroups
from tests.cluster.cluster import Cluster
from tests.cluster.probe import Vantage
from tests.cluster.shell import ClusterError, run

VICTIM = "victim"

Object = dict[str, Any]


@contextmanager
def victim(cluster: Cluster, *, name: str = VICTIM, **options: Any) -> Iterator[Vantage]:
    """A pod made now, so that it sees what was changed; on w1 unless told otherwise."""
    manifest = apps.pod(name, **{"node": "w1", **options})
    with applied(cluster, manifest):
        namespace = manifest["metadata"]["namespace"]
        cluster.kubectl.wait("condition=Ready", "pod", name, "-n", namespace)
        yield cluster.pod(name, namespace)


@contextmanager
def applied(cluster: Cluster, *objects: Object) -> Iterator[None]:
    """Objects that are not there otherwise."""
    try:
        for item in objects:
            _apply_when_possible(cluster, item)
        yield
    finally:
        for item in reversed(objects):
            metadata = item["metadata"]
            where = ["-n", metadata["namespace"]] if "namespace" in metadata else []
            grace = ["--grace-period=0", "--force"] if item["kind"] == "Pod" else []
            cluster.kubectl.delete(item["kind"], metadata["name"], *where, *grace)


def _apply_when_possible(cluster: Cluster, item: Object) -> None:
    if item["kind"] == "Pod":
        # A pod is refused until its namespace has a service account.
        account = ("serviceaccount/default", "-n", item["metadata"]["namespace"])
        cluster.kubectl.wait("create", *account, timeout=30)
    cluster.kubectl.apply(item)


@contextmanager
def replaced(
    cluster: Cluster, kind: str, name: str, namespace: str, change: Callable[[Object], None]
) -> Iterator[None]:
    """An object edited in place by `change`, and put back field by field."""
    where = [kind, name, *(["-n", namespace] if namespace else [])]
    before = cluster.kubectl.get(*where)
    for volatile in ("resourceVersion", "uid", "creationTimestamp", "generation"):
        before["metadata"].pop(volatile, None)
    before.pop("status", None)
    after = copy.deepcopy(before)
    change(after)
    try:
        cluster.kubectl.replace(after)
        yield
    finally:
        cluster.kubectl.replace(before)


# -- nodes -------------------------------------------------------------------------------------


@contextmanager
def kubelets(cluster: Cluster, *nodes: str, **overrides: Any) -> Iterator[None]:
    """Another configuration of these kubelets; seen by pods made from now on."""
    try:
        cluster.restart_kubelets(nodes, cluster.setup, **overrides)
        yield
    finally:
        cluster.restart_kubelets(nodes, cluster.setup)


@contextmanager
def host_resolv_conf(cluster: Cluster, text: str, *nodes: str) -> Iterator[None]:
    """Another /etc/resolv.conf on these nodes."""
    try:
        for node in nodes:
            cluster.node(node).set_resolv_conf(text)
        yield
    finally:
        for node in nodes:
            cluster.node(node).set_resolv_conf(cluster.layout.host_resolv_conf)


@contextmanager
def sysctl(cluster: Cluster, node: str, key: str, value: int) -> Iterator[None]:
    place = cluster.node(node)
    before = place.run("sysctl", "-n", key).strip()
    try:
        place.run("sysctl", "-qw", f"{key}={value}")
        yield
    finally:
        place.run("sysctl", "-qw", f"{key}={before}")


@contextmanager
def iptables(cluster: Cluster, *rules: tuple[str, str]) -> Iterator[None]:
    """Rules, each (node, "CHAIN match -j TARGET"), in front of their chain of the filter table."""
    comment = "-m comment --comment dnsdebug-fault"
    done: list[tuple[str, str]] = []
    try:
        for node, rule in rules:
            cluster.node(node).shell(f"iptables -w -I {rule} {comment}")
            done.append((node, rule))
        yield
    finally:
        for node, rule in done:
            cluster.node(node).shell(f"iptables -w -D {rule} {comment}")


@contextmanager
def pod_iptables(cluster: Cluster, pod: str, namespace: str, *rules: str) -> Iterator[None]:
    """Rules within a pod's own network namespace. They go with the pod at the latest."""
    inside = ("nsenter", "-t", str(pod_pid(cluster, pod, namespace)), "-n", "--", "sh", "-ec")
    try:
        for rule in rules:
            run(*inside, f"iptables -w -I {rule}")
        yield
    finally:
        for rule in rules:
            run(*inside, f"iptables -w -D {rule}", check=False)


def pod_pid(cluster: Cluster, pod: str, namespace: str) -> int:
    """A process of this pod, as this machine numbers it."""
    found = cluster.kubectl.pods(namespace, pod)
    group = cluster.layout.namespace(found["spec"]["nodeName"])
    for pid in cgroups.members(group, containing=found["metadata"]["uid"]):
        return pid
    raise ClusterError(f"no process of pod {namespace}/{pod}")


@contextmanager
def paused(cluster: Cluster, daemon: str) -> Iterator[None]:
    """A daemon that is there and does nothing."""
    try:
        cluster.daemons.signal(daemon, signal.SIGSTOP)
        yield
    finally:
        cluster.daemons.signal(daemon, signal.SIGCONT)
