"""The DNS of other distributions than kubeadm, healthy and with what goes wrong in them alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from tests.cluster.change import Object, replaced, victim
from tests.cluster.cluster import Cluster
from tests.cluster.dns_change import deployment, dns, dns_pods, wait_dns_pods
from tests.cluster.faults import nodelocal
from tests.cluster.faults.fault import NO_ANSWER, Fault, bites
from tests.cluster.faults.odd import resolves
from tests.cluster.faults.path import service_is_refused
from tests.cluster.layout import NODES
from tests.cluster.shell import wait_for

CORPORATE = "registry.corp.example"
NOWHERE = "192.0.2.253"

RKE2: dict[str, Any] = {
    "distribution": "rke2",
    "service": "rke2-coredns-rke2-coredns",
    "labels": {"k8s-app": "kube-dns", "app.kubernetes.io/name": "rke2-coredns"},
}
OPENSHIFT: dict[str, Any] = {
    "distribution": "openshift",
    "service": "dns-default",
    "namespace": "openshift-dns",
    "labels": {"dns.operator.openshift.io/daemonset-dns": "default"},
    "address": "10.96.0.53",
    "pod_port": 5353,
    "replicas": len(NODES),
}


@contextmanager
def shaped(cluster: Cluster, **changes: Any) -> Iterator[None]:
    setup = replace(cluster.setup, stub_server=cluster.layout.upstream_twin, **changes)
    with dns(cluster, setup):
        resolves(cluster.pod("web"))
        yield


# What stands for a server of the cloud, which knows the cluster and is no part of it.
CLOUD = nodelocal.Cache(
    address="169.254.169.254",
    name="metadata-server",
    upstream="",
    corefile="""\
.:53 {{
    errors
    bind {address}
    health {address}:8080
    kubernetes {domain} in-addr.arpa ip6.arpa
    forward . /etc/resolv.conf
    cache 30
}}
""",
)


@contextmanager
def cloud_dns(cluster: Cluster) -> Iterator[None]:
    """Pods ask the cloud; what is left of the cluster's own DNS is a Service without pods."""

    def none(found: Object) -> None:
        found["spec"].update(replicas=0)

    with nodelocal.node_cache(cluster, CLOUD), deployment(cluster, none), victim(cluster) as pod:
        wait_for("the cluster's own DNS is gone", lambda: not dns_pods(cluster), timeout=30)
        resolves(pod)
        yield


@contextmanager
def stub_dead(cluster: Cluster, distribution: str) -> Iterator[None]:
    """The zone that the distribution keeps beside its main configuration has a dead server."""
    with dns(cluster, replace(cluster.setup, distribution=distribution, stub_server=NOWHERE)):
        pod = cluster.pod("web")
        resolves(pod)
        status = pod.dig(f"{CORPORATE}.").status
        bites(status in {*NO_ANSWER, "SERVFAIL"}, f"{CORPORATE} is {status}")
        yield


@contextmanager
def on_no_node(cluster: Cluster) -> Iterator[None]:
    """OpenShift's DaemonSet with a node selector that no node has."""

    def nowhere(found: Object) -> None:
        found["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "ssd"}

    with shaped(cluster, **{"distribution": "openshift", **OPENSHIFT}):
        setup = cluster.setup
        with replaced(cluster, "daemonset", setup.service, setup.namespace, nowhere):
            wait_for("no DNS pod is left", lambda: not dns_pods(cluster), timeout=30)
            service_is_refused(cluster)
            yield
        wait_dns_pods(cluster)


def _healthy(name: str, title: str, **changes: Any) -> Fault:
    return Fault(
        name=f"healthy-{name}",
        slug=None,
        title=title,
        apply=partial(shaped, **{"distribution": name, **changes}),
    )


def _stub_dead(name: str, title: str) -> Fault:
    return Fault(
        name=f"{name}-stub-dead",
        slug="stubdomain-broken",
        title=title,
        apply=partial(stub_dead, distribution=name),
        args=("--name", CORPORATE),
    )


FAULTS = (
    _healthy("k3s", "k3s: NodeHosts, and imports of a ConfigMap that is not there"),
    _healthy("aks", "AKS: a zone in coredns-custom"),
    _healthy("rke2", "RKE2: names of a Helm release", **RKE2),
    _healthy("openshift", "OpenShift: a DaemonSet on port 5353", **OPENSHIFT),
    _healthy("gke", "GKE: kube-dns with a ConfigMap of JSON"),
    Fault(
        name="healthy-cloud-dns",
        slug=None,
        title="Cloud DNS: a server outside the cluster, and a DNS Service without pods",
        apply=cloud_dns,
        target="pod/victim",
    ),
    Fault(
        name="openshift-on-no-node",
        slug="coredns-not-running",
        title="OpenShift: the DaemonSet of DNS fits no node",
        apply=on_no_node,
    ),
    _stub_dead("aks", "AKS: a zone in coredns-custom whose server does not answer"),
    _stub_dead("gke", "GKE: a stub domain of kube-dns whose server does not answer"),
)
