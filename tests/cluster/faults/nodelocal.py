"""NodeLocal DNSCache: a caching server on every worker, at a link-local address pods ask first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.cluster.change import Object, applied, kubelets, replaced, victim
from tests.cluster.cluster import Cluster
from tests.cluster.dns_setup import DnsSetup
from tests.cluster.faults.fault import API, KUBERNETES, NO_ANSWER, Fault, bites, fresh
from tests.cluster.images import COREDNS
from tests.cluster.layout import WORKERS
from tests.cluster.shell import ClusterError, wait_for
from tests.cluster.upstream import EXTERNAL

UPSTREAM_ADDRESS = "10.96.0.200"


# Stands for node-cache, whose own work beyond this (link and rules) is done by hand here.
COREFILE = """\
{domain}:53 in-addr.arpa:53 ip6.arpa:53 {{
    errors
    cache {{
        success 9984 30
        denial 9984 5
    }}
    reload
    loop
    bind {address}
    forward . {upstream} {{
        force_tcp
    }}
    prometheus :9253
    health {address}:8080
}}
.:53 {{
    errors
    cache 30
    reload
    loop
    bind {address}
    forward . /etc/resolv.conf
    prometheus :9253
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """What the manifest calls its objects, the address it listens on, and what it answers.

    `upstream` is the Service that it asks; empty for a server that needs none.
    """

    address: str = "169.254.20.10"
    name: str = "node-local-dns"
    upstream: str = "kube-dns-upstream"
    corefile: str = COREFILE


# Kubernetes' own manifest, and the one of kubespray.
CACHE = Cache()
KUBESPRAY = Cache(address="169.254.25.10", name="nodelocaldns", upstream="coredns")
ADDRESS, NAME, UPSTREAM = CACHE.address, CACHE.name, CACHE.upstream


def _objects(setup: DnsSetup, cache: Cache) -> tuple[Object, ...]:
    metadata = {"name": cache.name, "namespace": "kube-system"}
    labels = {"k8s-app": cache.name}
    text = cache.corefile.format(
        domain=setup.domain, address=cache.address, upstream=UPSTREAM_ADDRESS
    )
    ports = [
        {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": setup.pod_port},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": setup.pod_port},
    ]
    upstream = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": cache.upstream, "namespace": "kube-system", "labels": labels},
        "spec": {
            "clusterIP": UPSTREAM_ADDRESS,
            "selector": dict(setup.labels),
            "ports": ports,
        },
    }
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    daemon_set = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {**metadata, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": _pod_spec(cache)},
        },
    }
    return (
        *([upstream] if cache.upstream else []),
        {**config, "data": {"Corefile": text}},
        daemon_set,
    )


def _pod_spec(cache: Cache) -> dict[str, Any]:
    container = {
        "name": "node-cache",
        "image": COREDNS,
        "args": ["-conf", "/etc/coredns/Corefile"],
        "ports": [
            {"containerPort": 53, "hostPort": 53, "name": "dns", "protocol": "UDP"},
            {"containerPort": 53, "hostPort": 53, "name": "dns-tcp", "protocol": "TCP"},
        ],
        "readinessProbe": {
            "httpGet": {"host": cache.address, "path": "/health", "port": 8080},
            "periodSeconds": 1,
        },
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns"}],
    }
    return {
        "hostNetwork": True,
        "serviceAccountName": "coredns",
        "dnsPolicy": "Default",
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": cache.name}}],
    }


@contextmanager
def node_cache(cluster: Cluster, cache: Cache = CACHE) -> Iterator[None]:
    """The caches, and kubelets that hand out their address."""
    try:
        for node in WORKERS:
            cluster.node(node).run("ip", "addr", "add", f"{cache.address}/32", "dev", "lo")
        with applied(cluster, *_objects(cluster.setup, cache)):
            where = (f"daemonset/{cache.name}", "-n", "kube-system")
            cluster.kubectl("rollout", "status", *where, timeout=60)
            with kubelets(cluster, *WORKERS, clusterDNS=[cache.address]):
                yield
    finally:
        for node in WORKERS:
            cluster.node(node).run(
                "ip", "addr", "del", f"{cache.address}/32", "dev", "lo", check=False
            )


@contextmanager
def healthy(cluster: Cluster, cache: Cache = CACHE) -> Iterator[None]:
    with node_cache(cluster, cache), victim(cluster) as pod:
        bites(cache.address in pod.resolv_conf(), f"the pod does not ask {cache.address}")
        for name in ("api.shop", EXTERNAL):
            if not pod.getent(name):
                raise ClusterError(f"{name} does not resolve through the node's cache")
        yield


@contextmanager
def down(cluster: Cluster) -> Iterator[None]:
    """The cache's pods are gone from the nodes; pods go on asking their address."""
    with node_cache(cluster), victim(cluster) as pod:
        pod.expect("NOERROR", API)
        nowhere = '{"spec":{"template":{"spec":{"nodeSelector":{"node-cache":"yes"}}}}}'
        cluster.kubectl("patch", f"daemonset/{NAME}", "-n", "kube-system", "-p", nowhere)
        wait_for(
            "does not bite: the node's cache is gone",
            lambda: pod.dig(KUBERNETES, seconds=1).status in NO_ANSWER,
            timeout=30,
        )
        pod.expect("NOERROR", KUBERNETES, server=cluster.setup.address)
        yield


@contextmanager
def address_missing(cluster: Cluster) -> Iterator[None]:
    """The node lost the address of its cache, whose pod does not notice."""
    node = cluster.node("w1")
    unprobed = {"name": "node-cache", "readinessProbe": None}
    patch = {"spec": {"template": {"spec": {"containers": [unprobed]}}}}
    with node_cache(cluster), victim(cluster) as pod:
        where = (f"daemonset/{NAME}", "-n", "kube-system")
        cluster.kubectl("patch", *where, "-p", json.dumps(patch))
        cluster.kubectl("rollout", "status", *where, timeout=60)
        node.run("ip", "addr", "del", f"{ADDRESS}/32", "dev", "lo")
        wait_for(
            "does not bite: the node's cache is out of reach",
            lambda: pod.dig(KUBERNETES, seconds=1).status in NO_ANSWER,
            timeout=10,
        )
        pod.expect("NOERROR", KUBERNETES, server=cluster.setup.address)
        yield


@contextmanager
def upstream_without_tcp(cluster: Cluster) -> Iterator[None]:
    """The cache asks the cluster's DNS over TCP only, and its Service knows UDP only."""

    def udp_only(found: Object) -> None:
        found["spec"]["ports"] = found["spec"]["ports"][:1]

    with (
        node_cache(cluster),
        victim(cluster) as pod,
        replaced(cluster, "service", UPSTREAM, "kube-system", udp_only),
    ):
        # Connections from before would be used on and on.
        for node in WORKERS:
            flows = ("conntrack", "-D", "-p", "tcp", "--orig-dst", UPSTREAM_ADDRESS)
            cluster.node(node).run(*flows, check=False)
        wait_for(
            "does not bite: cluster names fail",
            lambda: not pod.dig(fresh("svc.cluster.local"), seconds=1).status.startswith("N"),
            timeout=15,
        )
        pod.expect("NOERROR", f"{EXTERNAL}.")
        pod.expect("NOERROR", KUBERNETES, server=cluster.setup.address)
        yield


FAULTS = (
    Fault(
        name="nodelocal-down",
        slug="nodelocal-down",
        title="The node's DNS cache does not run, and pods ask it",
        apply=down,
        target="pod/victim",
    ),
    Fault(
        name="nodelocal-address-missing",
        slug="nodelocal-down",
        title="The node lost the address of its DNS cache, whose pod runs",
        apply=address_missing,
        target="pod/victim",
        args=("--deep",),
    ),
    Fault(
        name="nodelocal-misrouted",
        slug="nodelocal-misrouted",
        title="The node's DNS cache cannot reach the cluster's DNS over TCP",
        apply=upstream_without_tcp,
        target="pod/victim",
    ),
    Fault(
        name="healthy-nodelocal",
        slug=None,
        title="NodeLocal DNSCache that works",
        apply=healthy,
        target="pod/victim",
    ),
    Fault(
        name="healthy-kubespray",
        slug=None,
        title="kubespray: its node cache, and a second DNS Service behind it",
        apply=partial(healthy, cache=KUBESPRAY),
        target="pod/victim",
    ),
)
