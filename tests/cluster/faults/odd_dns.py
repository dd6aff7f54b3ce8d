"""Odd but healthy: DNS servers and Services set up as few do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from tests.cluster.change import replaced
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
from tests.cluster.upstream import EXTERNAL


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


FAULTS = (
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
