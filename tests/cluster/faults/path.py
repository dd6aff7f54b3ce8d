"""Faults between the pod and the DNS servers: translation, policies, routes of packets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from tests.cluster.change import Object, iptables, paused, replaced, victim
from tests.cluster.cluster import Cluster
from tests.cluster.dns_change import deployment, dns_pod_on, dns_pods
from tests.cluster.dns_setup import service
from tests.cluster.faults.fault import KUBERNETES, NO_ANSWER, Fault, bites
from tests.cluster.layout import WORKERS
from tests.cluster.probe import Vantage
from tests.cluster.shell import wait_for

CLIENT_PORT = 40053


def replicas_answer(cluster: Cluster, place: Vantage) -> None:
    """Prove that every DNS pod, asked directly, is fine."""
    for pod in dns_pods(cluster):
        place.expect("NOERROR", KUBERNETES, server=pod["status"]["podIP"])


def service_is_refused(cluster: Cluster) -> None:
    """Prove that the Service has nothing behind it: some refusals, as the kernel limits them."""
    web, server = cluster.pod("web"), cluster.setup.address

    def refused() -> bool:
        return web.dig(KUBERNETES, server=server, seconds=1).status == "refused"

    wait_for("does not bite: the DNS Service refuses", refused, timeout=15)


@contextmanager
def kube_proxy_rules_missing(cluster: Cluster) -> Iterator[None]:
    agents = cluster.agents("w1")
    cluster.daemons.stop(agents.kube_proxy)
    try:
        cluster.node("w1").shell(
            "iptables -w -t nat -F KUBE-SERVICES",
            "iptables -w -t filter -F KUBE-SERVICES || true",
        )
        web = cluster.pod("web")
        web.expect("timeout", KUBERNETES)
        web.expect("timeout", KUBERNETES, tcp=True)
        replicas_answer(cluster, web)
        cluster.pod("api").expect("NOERROR", KUBERNETES)
        yield
    finally:
        agents.start_kube_proxy()


@contextmanager
def no_ready_endpoints(cluster: Cluster) -> Iterator[None]:
    """DNS pods that serve, behind a readiness probe that asks the wrong port."""

    def ask_wrongly(found: Object) -> None:
        container = found["spec"]["template"]["spec"]["containers"][0]
        container["readinessProbe"]["httpGet"]["port"] = 8182

    with deployment(cluster, ask_wrongly):
        service_is_refused(cluster)
        wait_for("every DNS pod runs", partial(_serving, cluster), timeout=30)
        yield


def _serving(cluster: Cluster) -> bool:
    web, pods = cluster.pod("web"), dns_pods(cluster)
    addresses = [pod["status"].get("podIP") for pod in pods]
    return len(pods) == cluster.setup.replicas and all(
        address and web.dig(KUBERNETES, server=address, seconds=1).ok for address in addresses
    )


def _dns_service(cluster: Cluster, **spec: Any) -> Any:
    setup = cluster.setup
    return replaced(
        cluster, "service", setup.service, setup.namespace, lambda found: found["spec"].update(spec)
    )


@contextmanager
def service_selector(cluster: Cluster) -> Iterator[None]:
    with _dns_service(cluster, selector={"k8s-app": "coredns"}):
        service_is_refused(cluster)
        replicas_answer(cluster, cluster.pod("web"))
        yield


@contextmanager
def service_target_port(cluster: Cluster) -> Iterator[None]:
    """A Service that leads to a port on which no DNS pod takes questions."""
    wrong = cluster.setup.pod_port + 1000
    ports = [
        {"name": f"dns-{word.lower()}", "port": 53, "protocol": word, "targetPort": wrong}
        for word in ("UDP", "TCP")
    ]
    with _dns_service(cluster, ports=ports):
        web, server = cluster.pod("web"), cluster.setup.address

        def refused() -> bool:
            return web.dig(KUBERNETES, server=server, tcp=True, seconds=1).status == "refused"

        wait_for("does not bite: the Service refuses", refused, timeout=10)
        replicas_answer(cluster, web)
        yield


@contextmanager
def service_gone(cluster: Cluster) -> Iterator[None]:
    setup = cluster.setup
    cluster.kubectl.delete("service", setup.service, "-n", setup.namespace)
    try:
        web = cluster.pod("web")

        def silent() -> bool:
            return web.dig(KUBERNETES, seconds=1).status in NO_ANSWER

        wait_for("does not bite: nobody answers", silent, timeout=10)
        yield
    finally:
        cluster.kubectl.apply(service(setup))


@contextmanager
def service_without_tcp(cluster: Cluster) -> Iterator[None]:
    udp_only = {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": cluster.setup.pod_port}
    with _dns_service(cluster, ports=[udp_only]):
        web, server = cluster.pod("web"), cluster.setup.address

        def tcp_fails() -> bool:
            return not web.dig(KUBERNETES, server=server, tcp=True, seconds=1).ok

        wait_for("does not bite: TCP fails", tcp_fails, timeout=10)
        web.expect("NOERROR", KUBERNETES, server=server)
        for pod in dns_pods(cluster):
            web.expect("NOERROR", KUBERNETES, server=pod["status"]["podIP"], tcp=True)
        yield


@contextmanager
def service_local_policy(cluster: Cluster) -> Iterator[None]:
    """internalTrafficPolicy Local, and no DNS pod on w1: its packets are dropped in silence."""

    def only_w2(found: Object) -> None:
        spec = found["spec"]["template"]["spec"]
        spec["nodeSelector"] = {"kubernetes.io/hostname": "w2"}

    with (
        deployment(cluster, only_w2, ready=True),
        _dns_service(cluster, internalTrafficPolicy="Local"),
    ):
        web, server = cluster.pod("web"), cluster.setup.address

        def silent() -> bool:
            return web.dig(KUBERNETES, server=server, seconds=1).status == "timeout"

        wait_for("does not bite: w1 gets no answer", silent, timeout=10)
        replicas_answer(cluster, web)
        cluster.pod("api").expect("NOERROR", KUBERNETES, server=server)
        yield


@contextmanager
def tcp_blocked(cluster: Cluster) -> Iterator[None]:
    """Only UDP 53 passes: what does not fit a datagram cannot be resolved."""
    with iptables(cluster, ("w1", "FORWARD -p tcp --dport 53 -j DROP")):
        web = cluster.pod("web")
        web.expect("NOERROR", KUBERNETES)
        web.expect("timeout", KUBERNETES, tcp=True)
        # glibc waits for the connection longer than anybody: two minutes.
        big = web.run(("timeout", "5", "getent", "ahosts", "big.example.com."))
        bites(not big, "an answer of 120 addresses resolves")
        yield


@contextmanager
def overlay_broken(cluster: Cluster) -> Iterator[None]:
    """No pod traffic between the workers: each reaches only its own DNS pod."""
    ranges = {node: cluster.layout.pod_cidr(node) for node in WORKERS}
    rules = [(at, f"FORWARD -s {ranges['w1']} -d {ranges['w2']} -j DROP") for at in WORKERS]
    rules += [(at, f"FORWARD -s {ranges['w2']} -d {ranges['w1']} -j DROP") for at in WORKERS]
    with iptables(cluster, *rules):
        web = cluster.pod("web")
        web.expect("NOERROR", KUBERNETES, server=dns_pod_on(cluster, "w1")["status"]["podIP"])
        web.expect("timeout", KUBERNETES, server=dns_pod_on(cluster, "w2")["status"]["podIP"])
        yield


@contextmanager
def conntrack_stale(cluster: Cluster) -> Iterator[None]:
    """A client of one source port whose entry dates from a moment without a translation rule.

    kube-proxy would remove such an entry within seconds, so it is stuck.
    """
    node, server = cluster.node("w1"), cluster.setup.address
    saved = node.folder / "nat.rules"
    loop = " ".join(
        ["while :; do dig +tries=1 +time=1 -b", f"0.0.0.0#{CLIENT_PORT}", KUBERNETES, "; done"]
    )
    with paused(cluster, cluster.agents("w1").kube_proxy):
        try:
            node.shell(
                f"iptables-save -t nat > {saved}",
                "iptables -w -t nat -F KUBE-SERVICES",
            )
            with victim(cluster, command=("sh", "-c", loop)) as pod:
                entry = ("conntrack", "-L", "-p", "udp", "--orig-dst", server)
                seen = f"src={server} "

                def stale() -> bool:
                    flows = node.run(*entry, check=False).splitlines()
                    return any(f"sport={CLIENT_PORT}" in flow and seen in flow for flow in flows)

                wait_for("the client makes its entry", stale, timeout=10)
                node.shell(f"iptables-restore -w -T nat < {saved}")
                pod.expect("NOERROR", KUBERNETES)
                bites(stale(), "the entry is gone")
                yield
        finally:
            node.shell(f"[ ! -s {saved} ] || iptables-restore -w -T nat < {saved}")
            node.run("conntrack", "-D", "-p", "udp", "--orig-dst", server, check=False)


@contextmanager
def rp_filter_strict(cluster: Cluster) -> Iterator[None]:
    """A node with two ways into the LAN: questions to the other worker's pods leave by the second,
    their answers come in by the first, whose strict filter drops them."""
    node, layout, second = cluster.node("w1"), cluster.layout, "second0"
    remote = layout.pod_cidr("w2")
    before = node.run("ip", "route", "show", remote).strip()
    key = "net.ipv4.conf.eth0.rp_filter"
    link = cluster.node("w2").run("ip", "-o", "link", "show", "eth0").split()
    neighbour = f"{layout.node_address('w2')} lladdr {link[link.index('link/ether') + 1]}"
    try:
        node.shell(
            f"ip link add {second} link eth0 type macvlan mode bridge",
            # No neighbour may learn the second device as the way back.
            f"sysctl -qw net.ipv4.conf.{second}.arp_ignore=8",
            f"ip link set {second} up",
            f"ip neigh replace {neighbour} dev {second}",
            f"ip route replace {remote} via {layout.node_address('w2')} dev {second} onlink",
            f"sysctl -qw {key}=1",
        )
        web = cluster.pod("web")
        web.expect("NOERROR", KUBERNETES, server=dns_pod_on(cluster, "w1")["status"]["podIP"])
        web.expect("timeout", KUBERNETES, server=dns_pod_on(cluster, "w2")["status"]["podIP"])
        yield
    finally:
        node.run("ip", "route", "replace", *before.split(), check=False)
        node.run("ip", "link", "del", second, check=False)
        node.shell(f"sysctl -qw {key}=0")


FAULTS = (
    Fault(
        name="kube-proxy-rules-missing",
        slug="kube-proxy-rules-missing",
        title="kube-proxy is down on a node and its rules are flushed",
        apply=kube_proxy_rules_missing,
    ),
    Fault(
        name="dns-no-ready-endpoints",
        slug="dns-no-ready-endpoints",
        title="DNS pods serve, but a wrong readiness probe keeps them out of the Service",
        apply=no_ready_endpoints,
    ),
    Fault(
        name="dns-service-selector",
        slug="dns-service-misbuilt",
        title="The DNS Service selects labels that no pod has",
        apply=service_selector,
    ),
    Fault(
        name="dns-service-target-port",
        slug="dns-service-misbuilt",
        title="The DNS Service leads to a port that nobody listens on",
        apply=service_target_port,
    ),
    Fault(
        name="dns-service-gone",
        slug="dns-service-misbuilt",
        title="The DNS Service was deleted",
        apply=service_gone,
    ),
    Fault(
        name="dns-service-without-tcp",
        slug="dns-service-misbuilt",
        title="The DNS Service has no TCP port",
        apply=service_without_tcp,
    ),
    Fault(
        name="dns-service-local-policy",
        slug="dns-service-misbuilt",
        title="internalTrafficPolicy Local, and no DNS pod on the node",
        apply=service_local_policy,
    ),
    Fault(
        name="tcp-fallback-broken",
        slug="tcp-fallback-broken",
        title="TCP 53 is dropped on the pod's node",
        apply=tcp_blocked,
    ),
    Fault(
        name="overlay-broken",
        slug="overlay-broken",
        title="Pod traffic between the two workers is dropped",
        apply=overlay_broken,
    ),
    Fault(
        name="rp-filter-strict",
        slug="overlay-broken",
        title="Answers of the other node's pods come in by another device, which filters strictly",
        apply=rp_filter_strict,
        args=("--deep",),
    ),
    Fault(
        name="conntrack-stale-udp",
        slug="conntrack-stale-udp",
        title="A fixed source port whose conntrack entry leads nowhere",
        apply=conntrack_stale,
        target="pod/victim",
        args=("--deep",),
    ),
)
