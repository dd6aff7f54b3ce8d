"""Faults of the DNS servers' pods: they do not run, or not all alike."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.cluster import dns_setup
from tests.cluster.apps import service
from tests.cluster.change import Object, applied, iptables, pod_iptables, replaced
from tests.cluster.cluster import Cluster
from tests.cluster.dns_change import (
    corefile,
    deployment,
    dns_pod_on,
    dns_pods,
    is_ready,
    restart_dns,
    wait_log,
    with_lines,
)
from tests.cluster.faults.fault import KUBERNETES, NO_ANSWER, Fault, bites, fresh
from tests.cluster.faults.path import service_is_refused
from tests.cluster.layout import CONTROL_PLANE, WORKERS
from tests.cluster.shell import wait_for
from tests.cluster.upstream import CACHED_SECONDS, EXTERNAL


@contextmanager
def scaled_to_zero(cluster: Cluster) -> Iterator[None]:
    with deployment(cluster, lambda found: found["spec"].update(replicas=0)):
        service_is_refused(cluster)
        bites(not dns_pods(cluster), "a DNS pod is left")
        yield


@contextmanager
def pending(cluster: Cluster) -> Iterator[None]:
    def nowhere(found: Object) -> None:
        found["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "ssd"}

    with deployment(cluster, nowhere):
        service_is_refused(cluster)
        phases = {pod["status"]["phase"] for pod in dns_pods(cluster)}
        bites(phases == {"Pending"}, f"the DNS pods are {phases}")
        yield


@contextmanager
def out_of_memory(cluster: Cluster) -> Iterator[None]:
    """A block list that does not fit the memory limit: the kernel ends the servers."""
    block_list = [f"   203.0.113.1 host-{number}.blocked.example" for number in range(15000)]
    text = with_lines(cluster.setup.corefile, "hosts {", *block_list, "   fallthrough", "}")

    def starve(found: Object) -> None:
        container = found["spec"]["template"]["spec"]["containers"][0]
        container["resources"] = {"limits": {"memory": "12Mi"}, "requests": {"memory": "12Mi"}}

    with corefile(cluster, text), deployment(cluster, starve):
        wait_for(
            "does not bite: a DNS pod is OOMKilled",
            lambda: _killed_for(cluster, "OOMKilled"),
            timeout=40,
            interval=0.5,
        )
        yield


def _killed_for(cluster: Cluster, reason: str) -> bool:
    for pod in dns_pods(cluster):
        for status in pod["status"].get("containerStatuses", []):
            last = status.get("lastState", {}).get("terminated", {})
            if last.get("reason") == reason:
                return True
    return False


@contextmanager
def bind_denied(cluster: Cluster) -> Iterator[None]:
    """Port 53 without the right to bind it."""

    def harden(found: Object) -> None:
        container = found["spec"]["template"]["spec"]["containers"][0]
        container["securityContext"]["capabilities"] = {"drop": ["ALL"]}
        container["securityContext"] |= {"runAsNonRoot": True, "runAsUser": 65532}

    with deployment(cluster, harden):
        wait_log(cluster, "bind: permission denied")
        cluster.pod("web").expect(NO_ANSWER, KUBERNETES)
        yield


@contextmanager
def rbac(cluster: Cluster) -> Iterator[None]:
    """A ClusterRole from before EndpointSlices: the servers never finish their first sync."""

    def without_slices(found: Object) -> None:
        found["rules"] = found["rules"][:1]

    with ExitStack() as stack:
        stack.callback(restart_dns, cluster)
        name = dns_setup.cluster_role()["metadata"]["name"]
        stack.enter_context(replaced(cluster, "clusterrole", name, "", without_slices))
        restart_dns(cluster, ready=False)
        wait_log(cluster, "endpointslices.discovery.k8s.io is forbidden")
        service_is_refused(cluster)
        yield


def _api_cut(cluster: Cluster) -> list[tuple[str, str]]:
    api = cluster.layout.node_address(CONTROL_PLANE)
    rules = []
    for node in WORKERS:
        pods = cluster.layout.pod_cidr(node)
        # Both directions: events of a watch that is open would still come in.
        rules.append((node, f"FORWARD -s {pods} -d {api} -p tcp --dport 6443 -j DROP"))
        rules.append((node, f"FORWARD -s {api} -d {pods} -p tcp --sport 6443 -j DROP"))
    return rules


@contextmanager
def api_unreachable(cluster: Cluster) -> Iterator[None]:
    """Restarted without a way to the API: unsynced servers."""
    with ExitStack() as stack:
        stack.callback(restart_dns, cluster)
        stack.enter_context(iptables(cluster, *_api_cut(cluster)))
        restart_dns(cluster, ready=False)
        wait_log(cluster, "starting server with unsynced Kubernetes API")
        address = dns_pod_on(cluster, "w1")["status"]["podIP"]
        cluster.pod("web").expect("SERVFAIL", KUBERNETES, server=address)
        yield


@contextmanager
def api_lost(cluster: Cluster) -> Iterator[None]:
    """Cut off after their sync: servers that stay Ready and never hear of a new Service."""
    with ExitStack() as stack:
        stack.callback(restart_dns, cluster)
        stack.enter_context(iptables(cluster, *_api_cut(cluster)))
        stack.enter_context(applied(cluster, service("newcomer", selects="api")))
        time.sleep(6)  # a watch that is alive lags less
        web = cluster.pod("web")
        web.expect("NXDOMAIN", "newcomer.shop.svc.cluster.local.")
        web.expect("NOERROR", KUBERNETES)
        bites(all(map(is_ready, dns_pods(cluster))), "a DNS pod is not ready")
        yield


@contextmanager
def replica_silent(cluster: Cluster) -> Iterator[None]:
    """One replica that is Ready and drops every query, wherever it comes from."""
    bad, good = dns_pod_on(cluster, "w2"), dns_pod_on(cluster, "w1")
    drops = [f"INPUT -p {protocol} --dport 53 -j DROP" for protocol in ("udp", "tcp")]
    with pod_iptables(cluster, bad["metadata"]["name"], bad["metadata"]["namespace"], *drops):
        for name in ("web", "api"):
            place = cluster.pod(name)
            place.expect("timeout", KUBERNETES, server=bad["status"]["podIP"])
            place.expect("NOERROR", KUBERNETES, server=good["status"]["podIP"])
        bites(is_ready(dns_pod_on(cluster, "w2")), "the bad replica is not ready")
        yield


@contextmanager
def replica_without_upstream(cluster: Cluster) -> Iterator[None]:
    """One replica that answers for the cluster and cannot reach the upstream."""
    bad, good = dns_pod_on(cluster, "w2"), dns_pod_on(cluster, "w1")
    drops = [
        f"OUTPUT -p {protocol} -d {cluster.layout.upstream} --dport 53 -j DROP"
        for protocol in ("udp", "tcp")
    ]
    with pod_iptables(cluster, bad["metadata"]["name"], bad["metadata"]["namespace"], *drops):
        web = cluster.pod("web")
        web.expect("NOERROR", KUBERNETES, server=bad["status"]["podIP"])
        web.expect({"SERVFAIL", "timeout"}, fresh(), server=bad["status"]["podIP"], seconds=8)
        web.expect("NOERROR", f"{EXTERNAL}.", server=good["status"]["podIP"])
        # What was asked for just before, it still knows.
        time.sleep(CACHED_SECONDS)
        yield


@contextmanager
def on_one_node(cluster: Cluster) -> Iterator[None]:
    """Nothing fails; the next reboot of that node takes all of DNS away."""

    def together(found: Object) -> None:
        spec = found["spec"]["template"]["spec"]
        spec["nodeSelector"] = {"kubernetes.io/hostname": "w2"}

    with deployment(cluster, together, ready=True):
        nodes = {pod["spec"]["nodeName"] for pod in dns_pods(cluster)}
        bites(nodes == {"w2"}, f"the DNS pods are on {nodes}")
        yield


FAULTS = (
    Fault(
        name="coredns-scaled-to-zero",
        slug="coredns-not-running",
        title="The DNS Deployment is scaled to zero",
        apply=scaled_to_zero,
    ),
    Fault(
        name="coredns-pending",
        slug="coredns-not-running",
        title="The DNS pods fit no node",
        apply=pending,
    ),
    Fault(
        name="coredns-oom",
        slug="coredns-oom",
        title="The DNS pods' memory limit is too low",
        apply=out_of_memory,
    ),
    Fault(
        name="coredns-bind-failed",
        slug="coredns-bind-failed",
        title="The DNS pods may not bind port 53",
        apply=bind_denied,
    ),
    Fault(
        name="coredns-on-one-node",
        slug="coredns-placement-rollout",
        title="Both DNS pods on one node",
        apply=on_one_node,
    ),
    Fault(
        name="coredns-rbac",
        slug="coredns-rbac",
        title="CoreDNS may not list EndpointSlices",
        apply=rbac,
    ),
    Fault(
        name="coredns-api-unreachable",
        slug="coredns-api-unreachable",
        title="CoreDNS started without reaching the API server",
        apply=api_unreachable,
    ),
    Fault(
        name="coredns-api-lost",
        slug="coredns-api-unreachable",
        title="CoreDNS lost the API server and answers from memory",
        apply=api_lost,
        args=("--name", "newcomer"),
    ),
    Fault(
        name="coredns-replica-silent",
        slug="coredns-replica-divergence",
        title="One DNS pod is Ready and drops every query",
        apply=replica_silent,
    ),
    Fault(
        name="coredns-replica-without-upstream",
        slug="coredns-replica-divergence",
        title="One DNS pod cannot reach the upstream",
        apply=replica_without_upstream,
    ),
)
