"""Faults between the pod's C library and its file: what dig never sees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster import apps
from tests.cluster.change import applied, pod_iptables, victim
from tests.cluster.cluster import Cluster
from tests.cluster.faults.fault import API, KUBERNETES, Fault, bites
from tests.cluster.images import MUSL
from tests.cluster.shell import wait_for
from tests.cluster.upstream import EXTERNAL, Rule, Zone


@contextmanager
def search_dot(cluster: Cluster) -> Iterator[None]:
    """`search .` makes musl build a malformed name when it comes to it."""
    with victim(cluster, image=MUSL, dnsConfig={"searches": ["."]}) as pod:
        bites(pod.getent("api.shop"), "api.shop does not resolve")
        bites(not pod.getent(EXTERNAL), f"{EXTERNAL} resolves")
        yield


@contextmanager
def host_alias(cluster: Cluster) -> Iterator[None]:
    """An entry in the pod's own /etc/hosts goes before DNS, and is out of date."""
    old = "192.0.2.80"
    with victim(cluster, hostAliases=[{"ip": old, "hostnames": ["api.shop"]}]) as pod:
        bites(old in pod.getent("api.shop"), "api.shop is not taken from /etc/hosts")
        pod.expect("NOERROR", API)
        yield


@contextmanager
def musl_stops_at_nodata(cluster: Cluster) -> Iterator[None]:
    """A wildcard without addresses in a search suffix: the name is there, and it is nothing."""
    with cluster.upstream.telling(Zone(rules=(Rule(name="lan.example", do="empty"),))):
        alpine = cluster.pod("alpine")
        wait_for(
            f"does not bite: musl fails at {EXTERNAL}",
            lambda: not alpine.getent(EXTERNAL),
            timeout=10,
        )
        bites(alpine.getent(f"{EXTERNAL}."), f"{EXTERNAL}. does not resolve")
        bites(cluster.pod("web").getent(EXTERNAL), f"glibc does not resolve {EXTERNAL}")
        yield


@contextmanager
def sidecar_capture(cluster: Cluster) -> Iterator[None]:
    """A mesh sidecar that redirects port 53 to itself, and listens there no more."""
    manifest = apps.pod("victim", node="w1")
    proxy = {
        "name": "istio-proxy",
        "image": manifest["spec"]["containers"][0]["image"],
        "command": ["sleep", "infinity"],
        "env": [{"name": "ISTIO_META_DNS_CAPTURE", "value": "true"}],
    }
    manifest["spec"]["containers"].append(proxy)
    redirect = "OUTPUT -t nat -p {} --dport 53 -j REDIRECT --to-ports 15053"
    rules = [redirect.format(protocol) for protocol in ("udp", "tcp")]
    with applied(cluster, manifest):
        cluster.kubectl.wait("condition=Ready", "pod", "victim", "-n", apps.NAMESPACE)
        with pod_iptables(cluster, "victim", apps.NAMESPACE, *rules):
            cluster.pod("victim").expect("refused", KUBERNETES)
            yield


FAULTS = (
    Fault(
        name="search-dot",
        slug="search-line-bad",
        title="A dot in the search list of a musl pod",
        apply=search_dot,
        target="pod/victim",
        args=("--name", EXTERNAL),
    ),
    Fault(
        name="host-alias",
        slug="image-resolver-config",
        title="A hostAliases entry hides the Service",
        apply=host_alias,
        target="pod/victim",
        args=("--name", "api.shop"),
    ),
    Fault(
        name="musl-search-abort",
        slug="musl-search-abort",
        title="musl stops at a suffix that answers without addresses",
        apply=musl_stops_at_nodata,
        target="pod/alpine",
        args=("--name", EXTERNAL),
    ),
    Fault(
        name="sidecar-dns-capture",
        slug="sidecar-dns-capture",
        title="A mesh sidecar captures DNS and does not answer",
        apply=sidecar_capture,
        target="pod/victim",
    ),
)
