"""Odd but healthy: other ways from pods to DNS servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.cluster.cluster import Cluster
from tests.cluster.dns_change import dns_pods
from tests.cluster.faults.fault import Fault
from tests.cluster.faults.odd import resolves
from tests.cluster.layout import CONTROL_PLANE, WORKERS

_CHAIN = "OTHER-LB"


@contextmanager
def kube_proxy_replaced(cluster: Cluster) -> Iterator[None]:
    """No kube-proxy and none of its chains: something else translates Service addresses, as the
    programs of some network plugins do in the kernel."""
    rules = [f"-N {_CHAIN}", *(f"-A {_CHAIN} {rule}" for rule in _translations(cluster))]
    hooks = [f"{hook} -j {_CHAIN}" for hook in ("PREROUTING", "OUTPUT")]
    with ExitStack() as stack:
        for name in WORKERS:
            node, agents = cluster.node(name), cluster.agents(name)
            cluster.daemons.stop(agents.kube_proxy)
            stack.callback(agents.start_kube_proxy)
            node.shell(
                "iptables-save -t nat | grep -v KUBE- | iptables-restore -w -T nat",
                *(f"iptables -w -t nat {rule}" for rule in rules),
                *(f"iptables -w -t nat -I {hook}" for hook in hooks),
            )
            undo = [*(f"-D {hook}" for hook in hooks), f"-F {_CHAIN}", f"-X {_CHAIN}"]
            stack.callback(node.shell, *(f"iptables -w -t nat {each}" for each in undo))
        cluster.wait_dns()
        resolves(cluster.pod("web"))
        yield


def _translations(cluster: Cluster) -> Iterator[str]:
    """The DNS Service to each DNS pod alike, and the API server's."""
    setup, pods = cluster.setup, [pod["status"]["podIP"] for pod in dns_pods(cluster)]
    for protocol in ("udp", "tcp"):
        for place, ip in enumerate(pods):
            share = f"-m statistic --mode random --probability {1 / (len(pods) - place):.5f}"
            yield (
                f"-d {setup.address} -p {protocol} --dport 53 {share} "
                f"-j DNAT --to {ip}:{setup.pod_port}"
            )
    api = cluster.layout.node_address(CONTROL_PLANE)
    yield f"-d {setup.first_service_ip} -p tcp --dport 443 -j DNAT --to {api}:6443"


FAULTS = (
    Fault(
        name="healthy-kube-proxy-replaced",
        slug=None,
        title="No kube-proxy: another program translates the addresses of Services",
        apply=kube_proxy_replaced,
        args=("--deep",),
    ),
)
