"""Faults of a node and its kubelet."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from tests.cluster import apps, dns_change, upstream
from tests.cluster.change import VICTIM, applied, host_resolv_conf, kubelets, sysctl, victim
from tests.cluster.cluster import Cluster
from tests.cluster.faults.fault import API, KUBERNETES, NO_ANSWER, Fault, bites, fresh
from tests.cluster.images import MUSL
from tests.cluster.layout import NODES, WORKERS
from tests.cluster.probe import Vantage
from tests.cluster.shell import wait_for
from tests.cluster.upstream import EXTERNAL, Rule, Zone

GOOGLE = "8.8.8.8"
# A container of the probing container's user: its files may be read.
SAME_USER = {"runAsUser": 65532, "runAsGroup": 65532}


@contextmanager
def local_resolver(cluster: Cluster, *nodes: str, address: str = "127.0.0.1") -> Iterator[None]:
    """A caching resolver on each node, as dnsmasq or systemd-resolved: the node itself is fine."""
    program = Path(upstream.__file__).with_name("upstream_server.py")
    try:
        for node in nodes:
            inside = cluster.node(node).inside()
            resolver = (sys.executable, program, cluster.upstream.script, address)
            cluster.daemons.start(f"resolver-{node}", [*inside, *resolver])
        with host_resolv_conf(cluster, f"nameserver {address}\nsearch lan.example\n", *nodes):
            for node in nodes:
                host = cluster.host(node)
                wait_for(f"the resolver of {node} answers", partial(_resolves, host), timeout=10)
            yield
    finally:
        for node in nodes:
            cluster.daemons.stop(f"resolver-{node}")


def _resolves(place: Vantage) -> bool:
    return place.dig(f"{EXTERNAL}.").ok


@contextmanager
def runtime_fallback(cluster: Cluster) -> Iterator[None]:
    """What k3s does: the host's file names a loopback, so the kubelet gets one with 8.8.8.8."""
    generated = cluster.layout.state / "generated-resolv.conf"
    generated.write_text(f"nameserver {GOOGLE}\n")
    with ExitStack() as stack:
        stack.callback(dns_change.restart_dns, cluster)
        stack.enter_context(local_resolver(cluster, *NODES))
        stack.enter_context(kubelets(cluster, *NODES, resolvConf=str(generated)))
        dns_change.restart_dns(cluster)
        server = cluster.setup.address
        web = cluster.pod("web")
        web.expect({"SERVFAIL", "timeout"}, fresh(), server=server, seconds=8)
        web.expect("NOERROR", KUBERNETES, server=server)
        dns_change.wait_log(cluster, f"->{GOOGLE}:53: i/o timeout")
        yield


@contextmanager
def host_loopback_nameserver(cluster: Cluster) -> Iterator[None]:
    """The node's own resolver, handed to a pod in whose namespace nothing listens there."""
    loopback = "127.0.0.53"
    with (
        local_resolver(cluster, "w1", address=loopback),
        victim(cluster, dnsPolicy="Default") as pod,
    ):
        pod.expect("refused", f"{EXTERNAL}.")
        cluster.host("w1").expect("NOERROR", f"{EXTERNAL}.")
        yield


@contextmanager
def coredns_loop(cluster: Cluster) -> Iterator[None]:
    """DNS pods that forward to the loopback of the host's file, which is themselves."""
    with ExitStack() as stack:
        stack.callback(dns_change.restart_dns, cluster)
        stack.enter_context(local_resolver(cluster, *WORKERS))
        dns_change.restart_dns(cluster, ready=False)
        dns_change.wait_log(cluster, "plugin/loop: Loop (127.0.0.1:")
        wait_for(
            "the DNS pods crash",
            lambda: not any(map(_runs, dns_change.dns_pods(cluster))),
            timeout=60,
        )
        cluster.pod("web").expect(NO_ANSWER, KUBERNETES)
        yield


@contextmanager
def coredns_asks_itself(cluster: Cluster) -> Iterator[None]:
    """DNS pods under ClusterFirst: their own Service is what they forward to."""

    def change(deployment: dns_change.Object) -> None:
        deployment["spec"]["template"]["spec"]["dnsPolicy"] = "ClusterFirst"

    with dns_change.deployment(cluster, change, ready=True):
        web = cluster.pod("web")
        web.expect("NOERROR", KUBERNETES)
        web.expect({"SERVFAIL", "REFUSED", "timeout"}, f"{EXTERNAL}.", seconds=8)
        yield


def _runs(pod: dns_change.Object) -> bool:
    states = pod["status"].get("containerStatuses", [])
    return any("running" in state["state"] for state in states)


@contextmanager
def host_search_inherited(cluster: Cluster) -> Iterator[None]:
    """A suffix of the host's file whose queries the upstream drops: musl gives up on it."""
    suffix = "openstacklocal"
    file = f"nameserver {cluster.layout.upstream}\nsearch {suffix}\n"
    with (
        cluster.upstream.telling(Zone(rules=(Rule(name=suffix, do="drop"),))),
        host_resolv_conf(cluster, file, "w1"),
        victim(cluster, image=MUSL, securityContext=SAME_USER) as pod,
    ):
        bites(pod.getent("api.shop"), "api.shop does not resolve")
        bites(not pod.getent(API.rstrip(".")), f"{API} without its dot resolves")
        web = cluster.pod("web")
        web.expect({"SERVFAIL", "timeout"}, fresh(suffix), seconds=8)
        yield


@contextmanager
def clusterdns_ip_mismatch(cluster: Cluster) -> Iterator[None]:
    wrong = cluster.setup.address.rpartition(".")[0] + ".99"
    with kubelets(cluster, "w1", clusterDNS=[wrong]), victim(cluster) as pod:
        pod.expect("timeout", KUBERNETES)
        pod.expect("NOERROR", KUBERNETES, server=cluster.setup.address)
        yield


@contextmanager
def clusterdns_missing(cluster: Cluster) -> Iterator[None]:
    with kubelets(cluster, "w1", clusterDNS=None), victim(cluster) as pod:
        bites(not pod.getent("api.shop"), "the pod resolves a Service")
        events = cluster.kubectl("get", "events", "-n", "shop", "-o", "name", "--field-selector",
                                 "reason=MissingClusterDNS,involvedObject.name=victim")  # fmt: skip
        bites(events, "no event MissingClusterDNS")
        yield


@contextmanager
def clusterdomain_mismatch(cluster: Cluster) -> Iterator[None]:
    with kubelets(cluster, "w1", clusterDomain="k8s.corp.example"), victim(cluster) as pod:
        bites(not pod.getent("api.shop"), "api.shop resolves")
        pod.expect("NXDOMAIN", "api.shop.svc.k8s.corp.example.")
        pod.expect("NOERROR", API)
        yield


@contextmanager
def host_resolvconf_missing(cluster: Cluster) -> Iterator[None]:
    """The file that kubeadm names for systemd-resolved, on a node without it: no pod starts."""
    absent = "/run/systemd/resolve/resolv.conf"
    manifest = apps.pod(VICTIM, node="w1")
    with kubelets(cluster, "w1", resolvConf=absent), applied(cluster, manifest):
        query = ("get", "events", "-n", "shop", "--field-selector", f"involvedObject.name={VICTIM}")
        wait_for(
            "the pod gets no sandbox",
            lambda: absent in cluster.kubectl(*query),
            timeout=30,
            interval=0.5,
        )
        yield


@contextmanager
def host_resolvconf_none(cluster: Cluster) -> Iterator[None]:
    """A kubelet that is told to read no file: it makes one up with a loopback."""
    with kubelets(cluster, "w1", resolvConf=""), victim(cluster, dnsPolicy="Default") as pod:
        bites("127.0.0.1" in pod.resolv_conf(), "the pod has another file")
        pod.expect("refused", f"{EXTERNAL}.")
        yield


@contextmanager
def bridge_nf_off(cluster: Cluster) -> Iterator[None]:
    """A reply between two pods of one bridge skips conntrack and keeps the DNS pod's address."""
    with sysctl(cluster, "w1", "net.bridge.bridge-nf-call-iptables", 0):
        web = cluster.pod("web")
        got = {web.dig(KUBERNETES, server=cluster.setup.address, seconds=1).ok for _ in range(16)}
        bites(got == {True, False}, "not some lookups fail and some work")
        for pod in dns_change.dns_pods(cluster):
            web.expect("NOERROR", KUBERNETES, server=pod["status"]["podIP"])
        yield


@contextmanager
def ip_forward_off(cluster: Cluster) -> Iterator[None]:
    """Set to 0 and kept so, as by a hardening agent: the bridge plugin, which sets it for each pod,
    writes into a file that lies over it."""
    node = cluster.node("w1")
    path, lid = "/proc/sys/net/ipv4/ip_forward", node.folder / "ip_forward"
    lid.write_text("1\n")
    node.shell(f"echo 0 > {path}", f"mount --bind {lid} {path}")
    try:
        web = cluster.pod("web")
        local, remote = (dns_change.dns_pod_on(cluster, n)["status"]["podIP"] for n in WORKERS)
        wait_for(
            "does not bite: the other node's DNS pod is silent",
            lambda: web.dig(KUBERNETES, server=remote, seconds=1).status == "timeout",
            timeout=10,
        )
        web.expect("NOERROR", KUBERNETES, server=local)
        cluster.host("w1").expect("NOERROR", KUBERNETES, server=remote)
        yield
    finally:
        node.shell(f"umount {path}", f"echo 1 > {path}")


@contextmanager
def no_default_route(cluster: Cluster) -> Iterator[None]:
    """The node's own packets to a Service address die before they would be translated."""
    node = cluster.node("w1")
    with victim(cluster, hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet") as pod:
        try:
            node.run("ip", "route", "del", "default")
            pod.expect("unreachable", KUBERNETES)
            cluster.pod("web").expect("NOERROR", KUBERNETES)
            yield
        finally:
            node.run("ip", "route", "replace", "default", "via", cluster.layout.gateway)


@contextmanager
def wildcard_capture(cluster: Cluster) -> Iterator[None]:
    """A wildcard in the host's search suffix answers for every external name first."""
    parked = "198.51.100.1"
    with cluster.upstream.telling(Zone(rules=(Rule(name="lan.example", do=parked),))):
        web = cluster.pod("web")
        # The servers may remember for a while that a name does not exist: each pod for itself.
        names = (EXTERNAL, f"{KUBERNETES}lan.example.") * 3
        wait_for(
            f"does not bite: {EXTERNAL} is captured",
            lambda: all(parked in web.getent(name) for name in names),
            timeout=40,
        )
        bites(parked not in web.getent(f"{EXTERNAL}."), f"{EXTERNAL}. is captured too")
        yield


FAULTS = (
    Fault(
        name="runtime-fallback-8888",
        slug="runtime-fallback-8888",
        title="A loopback in the hosts' files makes the runtime hand out 8.8.8.8, which is blocked",
        apply=runtime_fallback,
    ),
    Fault(
        name="host-loopback-nameserver",
        slug="host-loopback-nameserver",
        title="The node's file names a loopback, and a Default pod gets it",
        apply=host_loopback_nameserver,
        target="pod/victim",
    ),
    Fault(
        name="coredns-loop",
        slug="host-loopback-nameserver",
        title="DNS pods forward to the loopback of the hosts' files and crash",
        apply=coredns_loop,
    ),
    Fault(
        name="coredns-asks-itself",
        slug="coredns-loop",
        title="DNS pods under ClusterFirst forward to their own Service",
        apply=coredns_asks_itself,
        args=("--name", EXTERNAL),
    ),
    Fault(
        name="host-search-inherited",
        slug="host-search-inherited",
        title="The upstream drops queries in a search suffix inherited from the host",
        apply=host_search_inherited,
        target="pod/victim",
    ),
    Fault(
        name="clusterdns-ip-mismatch",
        slug="clusterdns-ip-mismatch",
        title="A kubelet's clusterDNS is not the address of the DNS Service",
        apply=clusterdns_ip_mismatch,
        target="pod/victim",
    ),
    Fault(
        name="clusterdns-missing",
        slug="clusterdns-missing",
        title="A kubelet has no clusterDNS",
        apply=clusterdns_missing,
        target="pod/victim",
    ),
    Fault(
        name="clusterdomain-mismatch",
        slug="clusterdomain-mismatch",
        title="A kubelet's clusterDomain is not the zone that CoreDNS serves",
        apply=clusterdomain_mismatch,
        target="pod/victim",
    ),
    Fault(
        name="host-resolvconf-missing",
        slug="host-resolvconf-missing-or-empty",
        title="A kubelet's resolvConf names a file that is not on its node",
        apply=host_resolvconf_missing,
        target="pod/victim",
    ),
    Fault(
        name="host-resolvconf-none",
        slug="host-resolvconf-missing-or-empty",
        title="A kubelet is told to read no resolv.conf, and a Default pod asks itself",
        apply=host_resolvconf_none,
        target="pod/victim",
    ),
    Fault(
        name="bridge-nf-off",
        slug="bridge-nf-off",
        title="bridge-nf-call-iptables is off on a node that hosts a DNS pod",
        apply=bridge_nf_off,
    ),
    Fault(
        name="ip-forward-off",
        slug="ip-forward-off",
        title="A node that passes on no packets of its pods: net.ipv4.ip_forward is 0",
        apply=ip_forward_off,
        args=("--deep",),
    ),
    Fault(
        name="no-default-route",
        slug="no-default-route",
        title="A node without a default route",
        apply=no_default_route,
        target="pod/victim",
    ),
    Fault(
        name="wildcard-capture",
        slug="wildcard-capture",
        title="A wildcard record in the inherited search suffix",
        apply=wildcard_capture,
        args=("--name", EXTERNAL),
    ),
)
