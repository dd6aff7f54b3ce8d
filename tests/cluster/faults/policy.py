"""Network policies. The CNI here enforces none: iptables rules do their work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.cluster.apps import NAMESPACE
from tests.cluster.change import Object, applied, iptables
from tests.cluster.cluster import Cluster
from tests.cluster.dns_change import dns_pod_on, dns_pods
from tests.cluster.faults.fault import KUBERNETES, Fault, bites
from tests.cluster.layout import POD_CIDR


def _policy(name: str, namespace: str, **spec: Any) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def _address(cluster: Cluster, pod: str) -> str:
    found = cluster.kubectl.pods(NAMESPACE, pod)
    return str(found["status"]["podIP"])


@contextmanager
def netpol_egress(cluster: Cluster) -> Iterator[None]:
    """Deny-all egress."""
    web = {"matchLabels": {"app": "web"}}
    policy = _policy("default-deny", NAMESPACE, podSelector=web, policyTypes=["Egress"])
    rule = f"FORWARD -s {_address(cluster, 'web')} -m conntrack --ctstate NEW -j DROP"
    with applied(cluster, policy), iptables(cluster, ("w1", rule)):
        place = cluster.pod("web")
        for server in (cluster.setup.address, dns_pod_on(cluster, "w1")["status"]["podIP"]):
            place.expect("timeout", KUBERNETES, server=server)
        bites(cluster.pod("alpine").getent(KUBERNETES), "another pod of that node fails too")
        yield


@contextmanager
def dns_ingress_blocked(cluster: Cluster) -> Iterator[None]:
    """A policy in front of the DNS pods that admits nobody but their own namespace."""
    setup = cluster.setup
    own = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": setup.namespace}}}
    policy = _policy(
        "dns-internal",
        setup.namespace,
        podSelector={"matchLabels": dict(setup.labels)},
        policyTypes=["Ingress"],
        ingress=[{"from": [own]}],
    )
    rules = [
        (pod["spec"]["nodeName"], f"FORWARD -s {POD_CIDR} -d {pod['status']['podIP']} -p {protocol}"
         f" --dport {setup.pod_port} -j DROP")
        for pod in dns_pods(cluster)
        for protocol in ("udp", "tcp")
    ]  # fmt: skip
    with applied(cluster, policy), iptables(cluster, *rules):
        for name in ("web", "api"):
            for pod in dns_pods(cluster):
                cluster.pod(name).expect("timeout", KUBERNETES, server=pod["status"]["podIP"])
        cluster.host("w1").expect("NOERROR", KUBERNETES, server=setup.address)
        yield


def allowing_dns(cluster: Cluster) -> tuple[Object, ...]:
    """Policies that deny the shop everything but DNS, and open the DNS pods for that alone."""
    setup = cluster.setup
    dns = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": setup.namespace}},
        "podSelector": {"matchLabels": dict(setup.labels)},
    }
    asked = [{"port": setup.pod_port, "protocol": protocol} for protocol in ("UDP", "TCP")]
    both, egress = ["Ingress", "Egress"], [{"to": [dns], "ports": asked}]
    ingress = [{"from": [{"namespaceSelector": {}}], "ports": asked}]
    selected = {"matchLabels": dict(setup.labels)}
    return (
        _policy("default-deny", NAMESPACE, podSelector={}, policyTypes=both),
        _policy("dns", NAMESPACE, podSelector={}, policyTypes=["Egress"], egress=egress),
        _policy(
            "dns", setup.namespace, podSelector=selected, policyTypes=["Ingress"], ingress=ingress
        ),
    )


def allowing_udp_alone(cluster: Cluster) -> tuple[Object, ...]:
    """Policies that deny `web` everything but DNS by UDP."""
    web = {"matchLabels": {"app": "web"}}
    egress = [{"ports": [{"port": cluster.setup.pod_port, "protocol": "UDP"}]}]
    return (
        _policy("default-deny", NAMESPACE, podSelector=web, policyTypes=["Egress"]),
        _policy("dns", NAMESPACE, podSelector=web, policyTypes=["Egress"], egress=egress),
    )


FAULTS = (
    Fault(
        name="netpol-egress",
        slug="netpol-egress",
        title="A deny-all egress policy selects the pod",
        apply=netpol_egress,
    ),
    Fault(
        name="dns-ingress-blocked",
        slug="dns-ingress-blocked",
        title="An ingress policy keeps everybody from the DNS pods",
        apply=dns_ingress_blocked,
    ),
)
