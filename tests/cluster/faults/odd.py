"""Odd but healthy: clusters and pods off the beaten track, where any alarm is a false one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from tests.cluster import apps
from tests.cluster.change import applied, victim
from tests.cluster.cluster import Cluster
from tests.cluster.dns_change import dns
from tests.cluster.dns_setup import service
from tests.cluster.faults.fault import API, Fault, fresh
from tests.cluster.layout import CONTROL_PLANE
from tests.cluster.probe import Vantage
from tests.cluster.shell import ClusterError, wait_for
from tests.cluster.upstream import EXTERNAL, Zone


def resolves(place: Vantage, *names: str) -> None:
    """Raise ClusterError unless these names resolve: the cluster must be healthy."""
    for name in names or ("api.shop", EXTERNAL):
        if not place.getent(name):
            raise ClusterError(f"{name} does not resolve from {place.name}: not healthy")


@contextmanager
def plain(cluster: Cluster) -> Iterator[None]:
    resolves(cluster.pod("web"))
    yield


@contextmanager
def musl(cluster: Cluster) -> Iterator[None]:
    resolves(cluster.pod("alpine"))
    yield


@contextmanager
def other_dns(cluster: Cluster, **changes: Any) -> Iterator[None]:
    """The whole cluster's DNS set up in another way."""
    with dns(cluster, replace(cluster.setup, **changes)):
        resolves(cluster.pod("web"))
        yield


@contextmanager
def odd_pod(cluster: Cluster, **options: Any) -> Iterator[None]:
    with victim(cluster, **options) as pod:
        resolves(pod)
        yield


@contextmanager
def policy_none_done_right(cluster: Cluster) -> Iterator[None]:
    setup = cluster.setup
    config = {
        "nameservers": [setup.address],
        "searches": ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local"],
        "options": [{"name": "ndots", "value": "5"}],
    }
    with odd_pod(cluster, dnsPolicy="None", dnsConfig=config):
        yield


@contextmanager
def crash_looping(cluster: Cluster) -> Iterator[None]:
    """An application that crashes by itself, whose DNS is fine."""
    manifest = apps.pod("victim", node="w1", command=("sh", "-c", "echo no config; exit 1"))
    with applied(cluster, manifest):
        wait_for("the application crashes", partial(_crashed, cluster), timeout=40, interval=0.5)
        yield


def _crashed(cluster: Cluster) -> bool:
    found = cluster.kubectl.pods(apps.NAMESPACE, "victim")
    statuses = found["status"].get("containerStatuses", [])
    return any(status["restartCount"] > 0 for status in statuses)


@contextmanager
def restricted_namespace(cluster: Cluster) -> Iterator[None]:
    level = {"pod-security.kubernetes.io/enforce": "restricted"}
    pod = apps.pod("victim", node="w1", namespace="vault", security=apps.RESTRICTED)
    with applied(cluster, apps.namespace("vault", level), pod):
        cluster.kubectl.wait("condition=Ready", "pod", "victim", "-n", "vault")
        resolves(cluster.pod("victim", "vault"), "api.shop", EXTERNAL)
        yield


@contextmanager
def two_services(cluster: Cluster) -> Iterator[None]:
    """A second Service on the same DNS pods, as kubespray has it."""
    second = service(replace(cluster.setup, service="coredns", address="10.96.0.3"))
    with applied(cluster, second):
        pod = cluster.pod("web")
        # Until kube-proxy has heard of its endpoints the address refuses.
        wait_for(
            "the second Service serves", lambda: pod.dig(API, server="10.96.0.3").ok, timeout=15
        )
        pod.expect("NOERROR", API, server="10.96.0.3", tcp=True)
        yield


@contextmanager
def no_external_names(cluster: Cluster) -> Iterator[None]:
    """A cluster without the Internet: its upstream knows no name but its own."""
    own = {"gateway.lan.example": (cluster.layout.gateway,)}
    with cluster.upstream.telling(Zone(records=own)):
        cluster.pod("web").expect("NXDOMAIN", fresh())
        resolves(cluster.pod("web"), "api.shop")
        yield


# What a kubespray or an OpenShift cluster looks like.
OTHER_SERVICE: dict[str, Any] = {
    "service": "dns-default",
    "namespace": "openshift-dns",
    "labels": {"dns.operator.openshift.io/daemonset-dns": "default"},
    "address": "10.96.0.53",
}
MASTER_ROLE = "node-role.kubernetes.io/control-plane"

FAULTS = (
    Fault(name="healthy", slug=None, title="The cluster as it is", apply=plain),
    Fault(
        name="healthy-musl",
        slug=None,
        title="A musl application",
        apply=musl,
        target="pod/alpine",
    ),
    Fault(
        name="healthy-other-service",
        slug=None,
        title="The DNS Service has another name, namespace, label and address",
        apply=partial(other_dns, **OTHER_SERVICE),
    ),
    Fault(
        name="healthy-other-domain",
        slug=None,
        title="Another cluster domain",
        apply=partial(other_dns, domain="k8s.corp.example"),
    ),
    Fault(
        name="healthy-pod-port",
        slug=None,
        title="DNS pods that listen on port 5353",
        apply=partial(other_dns, pod_port=5353),
    ),
    Fault(
        name="healthy-single-replica",
        slug=None,
        title="One DNS pod",
        apply=partial(other_dns, replicas=1),
    ),
    Fault(
        name="healthy-two-services",
        slug=None,
        title="Two DNS Services on the same pods",
        apply=two_services,
    ),
    Fault(
        name="healthy-no-external-names",
        slug=None,
        title="An upstream that knows no external name",
        apply=no_external_names,
    ),
    Fault(
        name="healthy-policy-none",
        slug=None,
        title="dnsPolicy None, done right",
        apply=policy_none_done_right,
        target="pod/victim",
    ),
    Fault(
        name="healthy-hostnetwork",
        slug=None,
        title="A hostNetwork pod with ClusterFirstWithHostNet",
        apply=partial(odd_pod, hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet"),
        target="pod/victim",
    ),
    Fault(
        name="healthy-control-plane-pod",
        slug=None,
        title="A pod on the tainted control-plane node",
        apply=partial(
            odd_pod, node=CONTROL_PLANE, tolerations=[{"key": MASTER_ROLE, "operator": "Exists"}]
        ),
        target="pod/victim",
    ),
    Fault(
        name="healthy-crash-loop",
        slug=None,
        title="An application that crashes for reasons of its own",
        apply=crash_looping,
        target="pod/victim",
    ),
    Fault(
        name="healthy-restricted-namespace",
        slug=None,
        title="A namespace under the restricted level of Pod Security",
        apply=restricted_namespace,
        target="pod/victim",
        namespace="vault",
    ),
)
