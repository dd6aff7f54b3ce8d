"""Faults in the Corefile: the servers run as they were told, and were told wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from tests.cluster import dns_setup
from tests.cluster.cluster import Cluster
from tests.cluster.dns_change import corefile, wait_log, with_lines
from tests.cluster.faults.fault import API, KUBERNETES, NO_ANSWER, Fault, bites, fresh
from tests.cluster.faults.pod import NOWHERE
from tests.cluster.upstream import EXTERNAL, Rule, Zone

CORPORATE = "registry.corp.example"


@contextmanager
def fatal(cluster: Cluster) -> Iterator[None]:
    """A directive that CoreDNS has long dropped: it does not start."""
    text = cluster.setup.corefile.replace("forward .", "proxy .")
    with corefile(cluster, text, ready=False):
        wait_log(cluster, "Unknown directive 'proxy'")
        cluster.pod("web").expect(NO_ANSWER, KUBERNETES)
        yield


@contextmanager
def refused_at_reload(cluster: Cluster) -> Iterator[None]:
    """The same edit while the servers run: they go on with the old text, until a restart."""
    setup = cluster.setup
    broken = replace(setup, corefile_text=setup.corefile.replace("forward .", "proxy ."))
    try:
        cluster.kubectl.replace(dns_setup.config_map(broken))
        wait_log(cluster, "plugin/reload: Corefile changed but reload failed", timeout=90)
        cluster.pod("web").expect("NOERROR", KUBERNETES)
        yield
    finally:
        with corefile(cluster, setup.corefile):
            pass


@contextmanager
def only_cluster_zone(cluster: Cluster) -> Iterator[None]:
    """One server block for the cluster's domain: every other name is refused."""
    setup = cluster.setup
    text = setup.corefile.replace(f".:{setup.pod_port}", f"{setup.domain}:{setup.pod_port}")
    with corefile(cluster, text):
        web = cluster.pod("web")
        web.expect("REFUSED", f"{EXTERNAL}.")
        web.expect("NOERROR", KUBERNETES)
        yield


@contextmanager
def without_kubernetes(cluster: Cluster) -> Iterator[None]:
    """No kubernetes line: cluster names go to the upstream, which knows none."""
    text = cluster.setup.corefile
    start = text.index("    kubernetes ")
    end = text.index("    }\n", start) + len("    }\n")
    with corefile(cluster, text[:start] + text[end:]):
        web = cluster.pod("web")
        web.expect("NXDOMAIN", KUBERNETES)
        web.expect("NOERROR", f"{EXTERNAL}.")
        yield


@contextmanager
def aaaa_nxdomain(cluster: Cluster) -> Iterator[None]:
    """AAAA "switched off" by denying the name itself, which musl takes at its word."""
    block = ("template ANY AAAA {", "   rcode NXDOMAIN", "}")
    with corefile(cluster, with_lines(cluster.setup.corefile, *block)):
        web = cluster.pod("web")
        web.expect("NOERROR", API)
        web.expect("NXDOMAIN", API, kind="AAAA")
        bites(not cluster.pod("alpine").getent(API), "musl resolves it all the same")
        yield


@contextmanager
def hosts_without_fallthrough(cluster: Cluster) -> Iterator[None]:
    """One host entry that makes the plugin answer for every name there is."""
    block = ("hosts {", "   203.0.113.50 shop.example.com", "}")
    with corefile(cluster, with_lines(cluster.setup.corefile, *block)):
        web = cluster.pod("web")
        web.expect({"SERVFAIL", "NXDOMAIN"}, KUBERNETES)
        web.expect("NOERROR", "shop.example.com.")
        yield


@contextmanager
def acl_blocks(cluster: Cluster) -> Iterator[None]:
    """An access list that does not know the pods' addresses."""
    block = ("acl {", "   allow net 192.168.0.0/16", "   block", "}")
    with corefile(cluster, with_lines(cluster.setup.corefile, *block)):
        cluster.pod("web").expect("REFUSED", KUBERNETES)
        yield


@contextmanager
def binds_loopback(cluster: Cluster) -> Iterator[None]:
    """Servers that are ready and listen where nobody but themselves can ask."""
    with corefile(cluster, with_lines(cluster.setup.corefile, "bind 127.0.0.1")):
        cluster.pod("web").expect(NO_ANSWER, KUBERNETES)
        yield


@contextmanager
def some_namespaces(cluster: Cluster) -> Iterator[None]:
    """Only the Services of some namespaces have names."""
    limited = "pods insecure\n       namespaces default kube-system"
    with corefile(cluster, cluster.setup.corefile.replace("pods insecure", limited)):
        web = cluster.pod("web")
        web.expect("NOERROR", KUBERNETES)
        web.expect("NXDOMAIN", API)
        yield


@contextmanager
def stub_domain_dead(cluster: Cluster) -> Iterator[None]:
    setup = cluster.setup
    block = f"corp.example:{setup.pod_port} {{\n    errors\n    forward . {NOWHERE}\n}}\n"
    with corefile(cluster, setup.corefile + block):
        web = cluster.pod("web")
        web.expect({"SERVFAIL", "timeout"}, f"{CORPORATE}.", seconds=8)
        web.expect("NOERROR", f"{EXTERNAL}.")
        yield


@contextmanager
def upstreams_disagree(cluster: Cluster) -> Iterator[None]:
    """A public resolver beside the corporate one, and forward picks either."""
    layout = cluster.layout
    public = Zone(rules=(Rule(name="corp.example", do="nxdomain"),))
    both = f"{layout.upstream} {layout.upstream_twin}"
    text = replace(cluster.setup, forward=both).corefile.replace("    cache 30\n", "")
    with cluster.upstream.telling(Zone(), twin=public), corefile(cluster, text):
        web = cluster.pod("web")
        web.expect("NOERROR", f"{CORPORATE}.", server=layout.upstream)
        web.expect("NXDOMAIN", f"{CORPORATE}.", server=layout.upstream_twin)
        got = {web.dig(f"{CORPORATE}.").status for _ in range(16)}
        bites(got == {"NOERROR", "NXDOMAIN"}, f"CoreDNS always answers {got}")
        yield


@contextmanager
def too_few_at_once(cluster: Cluster) -> Iterator[None]:
    """A slow upstream fills the number of queries that forward keeps open."""
    text = cluster.setup.corefile.replace("max_concurrent 1000", "max_concurrent 1")
    slow = Zone(rules=(Rule(name="example.com", delay=1.5),))
    with cluster.upstream.telling(slow), corefile(cluster, text):
        web = cluster.pod("web")
        ask = " ".join(f"dig +tries=1 +time=4 {fresh()} &" for _ in range(8))
        said = web.run(("sh", "-c", f"{ask} wait"))
        bites("status: REFUSED" in said, "no query is refused")
        wait_log(cluster, "concurrent queries exceeded maximum 1")
        yield


FAULTS = (
    Fault(
        name="corefile-invalid",
        slug="corefile-invalid",
        title="A Corefile with a directive that CoreDNS does not know",
        apply=fatal,
    ),
    Fault(
        name="corefile-reload-refused",
        slug="corefile-invalid",
        title="An edit of the Corefile that the running servers refuse",
        apply=refused_at_reload,
    ),
    Fault(
        name="corefile-only-cluster-zone",
        slug="corefile-zone-missing",
        title="No server block for external names",
        apply=only_cluster_zone,
        args=("--name", EXTERNAL),
    ),
    Fault(
        name="corefile-without-kubernetes",
        slug="corefile-zone-missing",
        title="No kubernetes plugin for the cluster's domain",
        apply=without_kubernetes,
    ),
    Fault(
        name="template-aaaa-nxdomain",
        slug="template-aaaa-nxdomain",
        title="A template that answers every AAAA with NXDOMAIN",
        apply=aaaa_nxdomain,
        target="pod/alpine",
    ),
    Fault(
        name="hosts-without-fallthrough",
        slug="plugin-swallows-names",
        title="A hosts plugin without fallthrough",
        apply=hosts_without_fallthrough,
    ),
    Fault(
        name="acl-blocks-pods",
        slug="plugin-swallows-names",
        title="An acl plugin that refuses the pods",
        apply=acl_blocks,
    ),
    Fault(
        name="coredns-binds-loopback",
        slug="coredns-bind-failed",
        title="A bind line in the Corefile that names a loopback address",
        apply=binds_loopback,
    ),
    Fault(
        name="corefile-some-namespaces",
        slug="plugin-swallows-names",
        title="The kubernetes plugin serves some namespaces only",
        apply=some_namespaces,
        args=("--name", "api"),
    ),
    Fault(
        name="stubdomain-dead",
        slug="stubdomain-broken",
        title="A stub domain whose server does not answer",
        apply=stub_domain_dead,
        args=("--name", CORPORATE),
    ),
    Fault(
        name="forward-max-concurrent",
        slug="forward-max-concurrent",
        title="A slow upstream and a low limit of queries at once",
        apply=too_few_at_once,
    ),
    Fault(
        name="upstreams-disagree",
        slug="upstreams-disagree",
        title="Two upstreams, one of which does not know the corporate zone",
        apply=upstreams_disagree,
        args=("--name", CORPORATE),
    ),
)
