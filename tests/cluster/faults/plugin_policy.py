"""Policies of network plugins and of administrators. No plugin here enforces them: their kinds are
bare, and iptables rules drop what the plugin would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.cluster.apps import NAMESPACE
from tests.cluster.change import Object, applied, iptables
from tests.cluster.cluster import Cluster
from tests.cluster.dns_change import dns_pod_on, dns_pods
from tests.cluster.faults.fault import KUBERNETES, Fault, bites
from tests.cluster.layout import POD_CIDR

WEB = {"matchLabels": {"app": "web"}}
CILIUM, CALICO, ADMIN = (
    "cilium.io/v2",
    "crd.projectcalico.org/v1",
    "policy.networking.k8s.io/v1alpha1",
)


def _policy(version: str, kind: str, name: str, namespace: str = "", **spec: Any) -> Object:
    where = {"namespace": namespace} if namespace else {}
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, **where},
        "spec": spec,
    }


def _plural(kind: str) -> str:
    return kind.lower().removesuffix("y") + "ies"


def _definition(policy: Object) -> Object:
    """The least that makes the API take a policy of that kind."""
    group, _, version = policy["apiVersion"].partition("/")
    kind, plural = policy["kind"], _plural(policy["kind"])
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, a test"},
        },
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "scope": "Namespaced" if "namespace" in policy["metadata"] else "Cluster",
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": anything},
                }
            ],
        },
    }


@contextmanager
def _in_force(cluster: Cluster, *policies: Object) -> Iterator[None]:
    """The policies and their kinds; other kinds of that name must not be taken for them."""
    definitions = {each["metadata"]["name"]: each for each in map(_definition, policies)}
    with applied(cluster, *definitions.values()), ExitStack() as stack:
        for name in definitions:
            cluster.kubectl.wait("condition=Established", "customresourcedefinition", name)
        for policy in policies:
            stack.callback(_delete, cluster, policy)
            cluster.kubectl.apply(policy)
        yield


def _delete(cluster: Cluster, policy: Object) -> None:
    group = policy["apiVersion"].partition("/")[0]
    metadata = policy["metadata"]
    where = ["-n", metadata["namespace"]] if "namespace" in metadata else []
    cluster.kubectl.delete(f"{_plural(policy['kind'])}.{group}", metadata["name"], *where)


@contextmanager
def _kept_in(cluster: Cluster, *policies: Object) -> Iterator[None]:
    """The policies, and web's packets lost."""
    address = cluster.kubectl.pods(NAMESPACE, "web")["status"]["podIP"]
    rule = f"FORWARD -s {address} -m conntrack --ctstate NEW -j DROP"
    with _in_force(cluster, *policies), iptables(cluster, ("w1", rule)):
        place = cluster.pod("web")
        for server in (cluster.setup.address, dns_pod_on(cluster, "w1")["status"]["podIP"]):
            place.expect("timeout", KUBERNETES, server=server)
        bites(cluster.pod("alpine").getent(KUBERNETES), "another pod of that node fails too")
        yield


def _only_the_world() -> Object:
    return _policy(
        CILIUM, "CiliumNetworkPolicy", "only-the-world", NAMESPACE,
        endpointSelector=WEB, egress=[{"toEntities": ["world"]}],
    )  # fmt: skip


def _no_dns() -> Object:
    ports = {"ports": [53]}
    deny = [{"action": "Deny", "protocol": p, "destination": ports} for p in ("UDP", "TCP")]
    return _policy(
        CALICO, "GlobalNetworkPolicy", "no-dns",
        selector="app == 'web'", types=["Egress"], egress=[*deny, {"action": "Allow"}],
    )  # fmt: skip


def _no_system(cluster: Cluster) -> Object:
    there = {"matchLabels": {"kubernetes.io/metadata.name": cluster.setup.namespace}}
    here = {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}
    return _policy(
        ADMIN, "AdminNetworkPolicy", "no-system",
        priority=5,
        subject={"pods": {"namespaceSelector": here, "podSelector": WEB}},
        egress=[{"action": "Deny", "to": [{"namespaces": there}]}],
    )  # fmt: skip


@contextmanager
def cilium_egress(cluster: Cluster) -> Iterator[None]:
    with _kept_in(cluster, _only_the_world()):
        yield


@contextmanager
def calico_egress(cluster: Cluster) -> Iterator[None]:
    with _kept_in(cluster, _no_dns()):
        yield


@contextmanager
def admin_egress(cluster: Cluster) -> Iterator[None]:
    with _kept_in(cluster, _no_system(cluster)):
        yield


@contextmanager
def cilium_ingress(cluster: Cluster) -> Iterator[None]:
    """A policy in front of the DNS pods that admits nobody but their own namespace."""
    setup = cluster.setup
    policy = _policy(
        CILIUM, "CiliumNetworkPolicy", "dns-internal", setup.namespace,
        endpointSelector={"matchLabels": dict(setup.labels)},
        ingress=[{"fromEndpoints": [{}]}],
    )  # fmt: skip
    rules = [
        (pod["spec"]["nodeName"], f"FORWARD -s {POD_CIDR} -d {pod['status']['podIP']} -p {protocol}"
         f" --dport {setup.pod_port} -j DROP")
        for pod in dns_pods(cluster)
        for protocol in ("udp", "tcp")
    ]  # fmt: skip
    with _in_force(cluster, policy), iptables(cluster, *rules):
        for name in ("web", "api"):
            for pod in dns_pods(cluster):
                cluster.pod(name).expect("timeout", KUBERNETES, server=pod["status"]["podIP"])
        yield


@contextmanager
def unenforced(cluster: Cluster) -> Iterator[None]:
    """All of them, and nobody who enforces them: packets pass."""
    with _in_force(cluster, _only_the_world(), _no_dns(), _no_system(cluster)):
        cluster.pod("web").expect("NOERROR", KUBERNETES, server=cluster.setup.address)
        yield


FAULTS = (
    Fault(
        name="cilium-egress",
        slug="netpol-egress",
        title="A Cilium policy lets the pod out of the cluster only",
        apply=cilium_egress,
    ),
    Fault(
        name="calico-egress",
        slug="netpol-egress",
        title="A policy of Calico denies the pod port 53",
        apply=calico_egress,
    ),
    Fault(
        name="admin-egress",
        slug="netpol-egress",
        title="An administrator's policy denies the pod the namespace of DNS",
        apply=admin_egress,
    ),
    Fault(
        name="cilium-ingress",
        slug="dns-ingress-blocked",
        title="A Cilium policy keeps everybody from the DNS pods",
        apply=cilium_ingress,
    ),
    Fault(
        name="plugin-policies-unenforced",
        slug=None,
        title="Policies of plugins forbid DNS on paper, and packets pass",
        apply=unenforced,
    ),
)
