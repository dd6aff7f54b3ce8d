"""Odd but healthy: pods, namespaces and nodes off the beaten track."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from tests.cluster import apps
from tests.cluster.change import Object, applied, pod_pid, victim
from tests.cluster.cluster import Cluster
from tests.cluster.faults.fault import Fault, bites
from tests.cluster.faults.odd import odd_pod, resolves
from tests.cluster.faults.policy import allowing_dns
from tests.cluster.layout import CONTROL_PLANE
from tests.cluster.shell import run

DEDICATED = {"key": "dedicated", "value": "gpu", "effect": "NoExecute"}


@contextmanager
def without_ipv6(cluster: Cluster) -> Iterator[None]:
    with victim(cluster) as pod:
        process = str(pod_pid(cluster, "victim", apps.NAMESPACE))
        run("nsenter", "-t", process, "-n", "--", "sysctl", "-qw", *_no_ipv6())
        resolves(pod)
        yield


def _no_ipv6() -> list[str]:
    return [f"net.ipv6.conf.{scope}.disable_ipv6=1" for scope in ("all", "default", "lo")]


@contextmanager
def hardened(cluster: Cluster) -> Iterator[None]:
    """Everything a security review asks for, and a sidecar that shares the processes."""
    own = {**apps.RESTRICTED, "runAsUser": 1001, "readOnlyRootFilesystem": True}
    manifest = apps.pod("victim", node="w1", security=own, shareProcessNamespace=True)
    sidecar = apps.pod("sidecar", security=own)["spec"]["containers"][0] | {"name": "sidecar"}
    manifest["spec"]["containers"].append(sidecar)
    manifest["spec"]["automountServiceAccountToken"] = False
    with applied(cluster, manifest):
        cluster.kubectl.wait("condition=Ready", "pod", "victim", "-n", apps.NAMESPACE)
        resolves(cluster.pod("victim"))
        yield


@contextmanager
def cordoned(cluster: Cluster) -> Iterator[None]:
    cluster.kubectl("cordon", "w1")
    try:
        resolves(cluster.pod("web"))
        yield
    finally:
        cluster.kubectl("uncordon", "w1")


@contextmanager
def tainted(cluster: Cluster) -> Iterator[None]:
    """A node that evicts whatever does not tolerate it."""
    taint = "{key}={value}:{effect}".format(**DEDICATED)
    everything = [{"operator": "Exists", "effect": "NoSchedule"}, DEDICATED | {"operator": "Equal"}]
    cluster.kubectl("taint", "node", CONTROL_PLANE, taint)
    try:
        with odd_pod(cluster, node=CONTROL_PLANE, tolerations=everything):
            yield
    finally:
        cluster.kubectl("taint", "node", CONTROL_PLANE, f"{taint}-")


@contextmanager
def limited_namespace(cluster: Cluster) -> Iterator[None]:
    """A quota that counts every pod, and limits for what states none."""
    size = {"cpu": "200m", "memory": "128Mi"}
    limits = {"type": "Container", "max": size, "default": size, "defaultRequest": size}
    quota = {"pods": "4", "requests.cpu": "2", "requests.memory": "1Gi", "limits.memory": "1Gi"}
    with (
        applied(
            cluster,
            apps.namespace("tenant"),
            _in_tenant("LimitRange", limits=[limits]),
            _in_tenant("ResourceQuota", hard=quota),
            apps.pod("victim", node="w1", namespace="tenant"),
        ),
    ):
        cluster.kubectl.wait("condition=Ready", "pod", "victim", "-n", "tenant")
        resolves(cluster.pod("victim", "tenant"))
        yield


def _in_tenant(kind: str, **spec: Any) -> Object:
    metadata = {"name": "tenant", "namespace": "tenant"}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec}


@contextmanager
def finished_jobs(cluster: Cluster) -> Iterator[None]:
    """Pods that came to their end, one of which bears the DNS pods' labels."""
    setup = cluster.setup
    done: dict[str, Any] = {"command": ("true",), "restartPolicy": "Never"}
    report = apps.pod("report", node="w1", **done)
    migration = apps.pod(
        "dns-migration", node="w1", namespace=setup.namespace, labels=setup.labels, **done
    )
    with applied(cluster, report, migration):
        for pod in (report, migration):
            where = ("pod", pod["metadata"]["name"], "-n", pod["metadata"]["namespace"])
            cluster.kubectl.wait("jsonpath={.status.phase}=Succeeded", *where)
        resolves(cluster.pod("web"))
        yield


@contextmanager
def denied_but_dns(cluster: Cluster) -> Iterator[None]:
    """Policies that deny everything but DNS, on both sides, as a careful team writes them."""
    with applied(cluster, *allowing_dns(cluster)):
        resolves(cluster.pod("web"))
        yield


@contextmanager
def company_searches(cluster: Cluster) -> Iterator[None]:
    """Three search domains of a company behind the cluster's own."""
    config = {"searches": ["corp.example", "eu.corp.example", "lab.corp.example"]}
    with victim(cluster, dnsConfig=config) as pod:
        bites("lab.corp.example" in pod.resolv_conf(), "the pod has another search list")
        resolves(pod, "api.shop", "registry")
        yield


OPTIONS = [{"name": "edns0"}, {"name": "single-request-reopen"}, {"name": "timeout", "value": "3"}]
ALIASES = [{"ip": "192.0.2.80", "hostnames": ["legacy.corp.example", "legacy"]}]

FAULTS = (
    Fault(
        name="healthy-dns-options",
        slug=None,
        title="dnsConfig with options only",
        apply=partial(odd_pod, dnsConfig={"options": OPTIONS}),
        target="pod/victim",
    ),
    Fault(
        name="healthy-company-searches",
        slug=None,
        title="Three search domains of a company",
        apply=company_searches,
        target="pod/victim",
    ),
    Fault(
        name="healthy-host-aliases",
        slug=None,
        title="hostAliases of names that have nothing to do with it",
        apply=partial(odd_pod, hostAliases=ALIASES),
        target="pod/victim",
    ),
    Fault(
        name="healthy-without-ipv6",
        slug=None,
        title="IPv6 is switched off in the pod",
        apply=without_ipv6,
        target="pod/victim",
    ),
    Fault(
        name="healthy-hardened",
        slug=None,
        title="A user of its own, a read-only disk and a sidecar that shares the processes",
        apply=hardened,
        target="pod/victim",
    ),
    Fault(
        name="healthy-cordoned",
        slug=None,
        title="A cordoned node",
        apply=cordoned,
    ),
    Fault(
        name="healthy-tainted",
        slug=None,
        title="A pod that tolerates a NoExecute taint of its node",
        apply=tainted,
        target="pod/victim",
    ),
    Fault(
        name="healthy-limited-namespace",
        slug=None,
        title="A namespace with a quota and limits",
        apply=limited_namespace,
        target="pod/victim",
        namespace="tenant",
    ),
    Fault(
        name="healthy-finished-jobs",
        slug=None,
        title="Pods that came to their end, one with the labels of DNS",
        apply=finished_jobs,
    ),
    Fault(
        name="healthy-denied-but-dns",
        slug=None,
        title="Policies that deny all but DNS, of the target and of the DNS pods",
        apply=denied_but_dns,
    ),
)
