"""Odd but healthy: DNS servers and Services set up as few do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from tests.cluster.apps import namespace
from tests.cluster.change import applied, replaced
from tests.cluster.cluster import Cluster
from tests.cluster.dns_change import (
    corefile,
    dns,
    dns_pods,
    wait_dns_pods,
    wait_log,
    with_lines,
)
from tests.cluster.faults.corefile import CORPORATE
from tests.cluster.faults.fault import Fault, bites, fresh
from tests.cluster.faults.odd import resolves
from tests.cluster.images import DNSUTILS
from tests.cluster.shell import wait_for
from tests.cluster.upstream import EXTERNAL, Rule, Zone


@contextmanager
def session_affinity(cluster: Cluster) -> Iterator[None]:
    setup = cluster.setup
    with replaced(
        cluster,
        "service",
        setup.service,
        setup.namespace,
        lambda found: found["spec"].update(sessionAffinity="ClientIP"),
    ):
        cluster.wait_dns()
        resolves(cluster.pod("web"))
        yield


@contextmanager
def autopath(cluster: Cluster) -> Iterator[None]:
    """The server walks the search list for its client, and answers for a name not asked for."""
    text = cluster.setup.corefile.replace("pods insecure", "pods verified")
    with corefile(cluster, with_lines(text, "autopath @kubernetes")):
        web = cluster.pod("web")
        resolves(web)
        walked = web.dig(f"{EXTERNAL}.shop.svc.cluster.local.")
        bites(walked.ok, "autopath does not walk the search list")
        yield


@contextmanager
def fresh_replica(cluster: Cluster) -> Iterator[None]:
    """Three replicas, one of which has just been replaced."""
    with dns(cluster, replace(cluster.setup, replicas=3)):
        first = dns_pods(cluster)[0]["metadata"]["name"]
        cluster.kubectl.delete("pod", first, "-n", cluster.setup.namespace, "--grace-period=1")
        wait_dns_pods(cluster)
        bites(len(dns_pods(cluster)) == 3, "there are not three DNS pods")
        resolves(cluster.pod("web"))
        yield


@contextmanager
def stub_domain(cluster: Cluster) -> Iterator[None]:
    """A zone of its own for the company, on a server that answers."""
    setup = cluster.setup
    server = cluster.layout.upstream_twin
    block = (
        f"corp.example:{setup.pod_port} {{\n    errors\n    cache 30\n    forward . {server}\n}}\n"
    )
    with corefile(cluster, setup.corefile + block):
        resolves(cluster.pod("web"), "api.shop", EXTERNAL, CORPORATE)
        yield


@contextmanager
def names_of_its_own(cluster: Cluster) -> Iterator[None]:
    """Host entries that fall through, a name that stands for another, and fixed upstreams."""
    layout = cluster.layout
    text = replace(cluster.setup, forward=f"{layout.upstream} {layout.upstream_twin}").corefile
    hosts = ("hosts {", "   203.0.113.50 intranet.example.com", "   fallthrough", "}")
    alias = "rewrite name exact shop.example.com api.shop.svc.cluster.local"
    with corefile(cluster, with_lines(text, *hosts, alias)):
        names = ("api.shop", EXTERNAL, "intranet.example.com", "shop.example.com")
        resolves(cluster.pod("web"), *names)
        yield


@contextmanager
def noisy_log(cluster: Cluster) -> Iterator[None]:
    """Every query logged, hundreds of them for names that are not."""
    with corefile(cluster, with_lines(cluster.setup.corefile, "log")):
        web = cluster.pod("web")
        names = [fresh() for _ in range(150)]
        web.run(("dig", "+tries=1", "+time=1", *names))
        wait_log(cluster, " NXDOMAIN ")
        resolves(web)
        yield


@contextmanager
def foreign_coredns(cluster: Cluster) -> Iterator[None]:
    """A team's own CoreDNS, by the labels that charts give it, which crashes: not the cluster's."""
    where = {"name": "coredns", "namespace": "a-team"}
    labels = {"app.kubernetes.io/name": "coredns"}
    container = {"name": "coredns", "image": DNSUTILS, "command": ["false"]}
    workload = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**where, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}]
    front = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {**where, "labels": labels},
        "spec": {"selector": labels, "ports": ports},
    }
    data = {"Corefile": "corp.test:53 {\n whoami\n}\n"}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": where, "data": data}
    with applied(cluster, namespace("a-team"), config, workload, front):
        listed = partial(cluster.kubectl.pods, "a-team")
        wait_for(
            "their DNS pod crashes",
            lambda: any(
                status["restartCount"]
                for pod in listed()["items"]
                for status in pod["status"].get("containerStatuses", [])
            ),
            timeout=60,
            interval=0.5,
        )
        resolves(cluster.pod("web"))
        yield


@contextmanager
def in_order(cluster: Cluster) -> Iterator[None]:
    """Upstreams that are asked one after the other, the second of which knows less."""
    layout = cluster.layout
    public = Zone(rules=(Rule(name="corp.example", do="nxdomain"),))
    both = f"forward . {layout.upstream} {layout.upstream_twin} {{\n       policy sequential"
    text = cluster.setup.corefile.replace("forward . /etc/resolv.conf {", both)
    with cluster.upstream.telling(Zone(), twin=public), corefile(cluster, text):
        bites("policy sequential" in text, "the Corefile is as ever")
        resolves(cluster.pod("web"), "api.shop", EXTERNAL, CORPORATE)
        yield


FAULTS = (
    Fault(
        name="healthy-foreign-coredns",
        slug=None,
        title="A CoreDNS of somebody else, which crashes",
        apply=foreign_coredns,
    ),
    Fault(
        name="healthy-upstreams-in-order",
        slug=None,
        title="Two upstreams asked in order, the second of which knows less",
        apply=in_order,
        args=("--name", CORPORATE),
    ),
    Fault(
        name="healthy-session-affinity",
        slug=None,
        title="A DNS Service that keeps each client with one DNS pod",
        apply=session_affinity,
    ),
    Fault(
        name="healthy-autopath",
        slug=None,
        title="autopath and verified pods in the Corefile",
        apply=autopath,
    ),
    Fault(
        name="healthy-fresh-replica",
        slug=None,
        title="Three DNS pods, one of them new",
        apply=fresh_replica,
    ),
    Fault(
        name="healthy-stub-domain",
        slug=None,
        title="A stub domain whose server answers",
        apply=stub_domain,
        args=("--name", CORPORATE),
    ),
    Fault(
        name="healthy-names-of-its-own",
        slug=None,
        title="Host entries that fall through, a rewritten name, two upstreams by address",
        apply=names_of_its_own,
        args=("--name", "shop.example.com"),
    ),
    Fault(
        name="healthy-noisy-log",
        slug=None,
        title="A log full of names that do not exist",
        apply=noisy_log,
    ),
)
