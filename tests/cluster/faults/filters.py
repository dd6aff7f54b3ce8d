"""Packet filters that know DNS alone, and what was left behind of times past."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.cluster.change import iptables, paused
from tests.cluster.cluster import Cluster
from tests.cluster.dns_change import dns_pod_on, wait_dns_pods
from tests.cluster.faults.fault import KUBERNETES, NO_ANSWER, Fault, bites
from tests.cluster.faults.path import replicas_answer
from tests.cluster.shell import wait_for


@contextmanager
def firewall_of_clients(cluster: Cluster) -> Iterator[None]:
    """A host firewall that forwards no DNS: pods of w1 ask nobody, its DNS pod is asked by none."""
    rules = [("w1", f"FORWARD -p {protocol} --dport 53 -j DROP") for protocol in ("udp", "tcp")]
    with iptables(cluster, *rules):
        web = cluster.pod("web")
        for node in ("w1", "w2"):
            address = dns_pod_on(cluster, node)["status"]["podIP"]
            web.expect("timeout", KUBERNETES, server=address)
        yield


@contextmanager
def firewall_of_servers(cluster: Cluster) -> Iterator[None]:
    """A host firewall that lets its own pods alone ask the DNS pod, and refuses all others."""
    address = dns_pod_on(cluster, "w2")["status"]["podIP"]
    others = f"-d {address} -p udp --dport 53 ! -s {cluster.layout.pod_cidr('w2')}"
    refuse = "REJECT --reject-with icmp-host-prohibited"
    with iptables(cluster, ("w2", f"FORWARD {others} -j {refuse}")):
        web = cluster.pod("web")
        web.expect(NO_ANSWER, KUBERNETES, server=address)
        web.expect("NOERROR", KUBERNETES, server=address, tcp=True)
        cluster.pod("api").expect("NOERROR", KUBERNETES, server=address)
        yield


@contextmanager
def tcp_to_one(cluster: Cluster) -> Iterator[None]:
    """UDP passes everywhere, TCP to all DNS pods but one."""
    address = dns_pod_on(cluster, "w2")["status"]["podIP"]
    with iptables(cluster, ("w1", f"FORWARD -p tcp --dport 53 -d {address} -j DROP")):
        web = cluster.pod("web")
        web.expect("timeout", KUBERNETES, server=address, tcp=True)
        web.expect("NOERROR", KUBERNETES, server=address)
        yield


@contextmanager
def one_rule_of_the_past(cluster: Cluster) -> Iterator[None]:
    """kube-proxy is stuck on w1, and one of two DNS pods was replaced: half of its rules lead to
    nobody."""
    setup = cluster.setup
    old = dns_pod_on(cluster, "w2")["metadata"]["name"]
    with paused(cluster, cluster.agents("w1").kube_proxy):
        cluster.kubectl.delete("pod", old, "-n", setup.namespace, "--grace-period=1")
        wait_dns_pods(cluster)
        web = cluster.pod("web")
        replicas_answer(cluster, web)
        got = {web.dig(KUBERNETES, seconds=1).status for _ in range(12)}
        bites(got == {"NOERROR", "timeout"}, f"the Service gives {got}")
        yield


@contextmanager
def cache_left_behind(cluster: Cluster) -> Iterator[None]:
    """Of a node cache that was removed its address and its rules against tracking stay."""
    node, server = cluster.node("w1"), cluster.setup.address
    rules = [
        f"PREROUTING -d {server}/32 -p {protocol} --dport 53 -j NOTRACK"
        for protocol in ("udp", "tcp")
    ]
    with ExitStack() as stack:
        stack.callback(node.run, "ip", "addr", "del", f"{server}/32", "dev", "lo", check=False)
        node.shell(f"ip addr add {server}/32 dev lo")
        for rule in rules:
            node.shell(f"iptables -w -t raw -I {rule}")
            stack.callback(node.shell, f"iptables -w -t raw -D {rule}")
        web = cluster.pod("web")
        wait_for(
            "does not bite: the Service is cut off",
            lambda: web.dig(KUBERNETES, seconds=1).status in NO_ANSWER,
            timeout=10,
        )
        replicas_answer(cluster, web)
        yield


FAULTS = (
    Fault(
        name="firewall-of-clients",
        slug="dns-ingress-blocked",
        title="A node's firewall forwards no DNS",
        apply=firewall_of_clients,
    ),
    Fault(
        name="firewall-of-servers",
        slug="dns-ingress-blocked",
        title="A node's firewall refuses DNS that other nodes ask of its DNS pod",
        apply=firewall_of_servers,
    ),
    Fault(
        name="tcp-to-one-dns-pod",
        slug="tcp-fallback-broken",
        title="TCP 53 to one of the DNS pods is dropped",
        apply=tcp_to_one,
    ),
    Fault(
        name="one-rule-of-the-past",
        slug="kube-proxy-rules-missing",
        title="kube-proxy hangs on a node, and one of the DNS pods was replaced since",
        apply=one_rule_of_the_past,
    ),
    Fault(
        name="node-cache-left-behind",
        slug="nodelocal-down",
        title="A node cache was removed, its address and its raw rules stayed",
        apply=cache_left_behind,
        args=("--deep",),
    ),
)
