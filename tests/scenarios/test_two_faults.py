"""Two faults at once, a fault amid its consequences, one that is mended half-way.

Each cause is named, the more fundamental one first; what follows from it stands beneath it, and
nothing is invented. How many DNS pods there are varies where the fault comes and goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace

import pytest

from tests.cluster import dns_setup
from tests.cluster.apps import NAMESPACE
from tests.cluster.change import applied, iptables, kubelets, pod_iptables, replaced, sysctl, victim
from tests.cluster.cluster import Cluster
from tests.cluster.dns_change import corefile, dns, dns_pods, is_ready, restart_dns, wait_log
from tests.cluster.faults import FAULTS, Fault
from tests.cluster.faults.fault import KUBERNETES, bites
from tests.cluster.faults.policy import allowing_udp_alone
from tests.cluster.shell import wait_for
from tests.cluster.upstream import EXTERNAL
from tests.scenarios.conftest import Ask, Tool, broken

Break = Callable[[Cluster], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is broken, in this order, and the causes that must stand at the top, in theirs."""

    name: str
    breaks: tuple[str | Break, ...]
    causes: tuple[str, ...]
    beneath: tuple[str, ...] = ()  # what must be explained by one of them
    says: str = ""  # in the message of the first
    target: str = "pod/web"
    args: tuple[str, ...] = ()

    @property
    def fault(self) -> Fault:
        return Fault(
            name=self.name,
            slug=self.causes[0] if self.causes else None,
            title=" + ".join(each for each in self.breaks if isinstance(each, str)),
            apply=self.apply,
            target=self.target,
            args=self.args,
        )

    @contextmanager
    def apply(self, cluster: Cluster) -> Iterator[None]:
        with ExitStack() as stack:
            for each in self.breaks:
                break_ = FAULTS[each].apply if isinstance(each, str) else each
                stack.enter_context(break_(cluster))
            yield


def replicas(count: int) -> Break:
    """So many DNS pods."""
    return lambda cluster: dns(cluster, replace(cluster.setup, replicas=count))


@contextmanager
def one_pod_drops_all(cluster: Cluster) -> Iterator[None]:
    """The first of the DNS pods is Ready and drops every query."""
    bad = dns_pods(cluster)[0]
    drops = [f"INPUT -p {protocol} --dport 53 -j DROP" for protocol in ("udp", "tcp")]
    with pod_iptables(cluster, bad["metadata"]["name"], bad["metadata"]["namespace"], *drops):
        cluster.pod("web").expect("timeout", KUBERNETES, server=bad["status"]["podIP"])
        bites(is_ready(bad), "the bad replica is not ready")
        yield


@contextmanager
def one_pod_has_read_a_bad_corefile(cluster: Cluster) -> Iterator[None]:
    """An edit that the running servers refuse, and a new pod that cannot start on it."""
    setup = cluster.setup
    text = setup.corefile.replace("forward .", "proxy .")
    # Servers that look for edits would say so by themselves; these find out when they restart.
    quiet = setup.corefile.replace("    reload 2s 1s\n", "")
    with corefile(cluster, quiet):
        cluster.kubectl.replace(dns_setup.config_map(replace(setup, corefile_text=text)))
        first = dns_pods(cluster)[0]["metadata"]["name"]
        cluster.kubectl.delete("pod", first, "-n", setup.namespace, "--grace-period=1")
        wait_log(cluster, "Unknown directive 'proxy'")
        wait_for("one pod is left", lambda: _ready(cluster) == 1, timeout=20)
        cluster.wait_dns()
        yield


def _ready(cluster: Cluster) -> int:
    return sum(map(is_ready, dns_pods(cluster)))


@contextmanager
def bridge_off_elsewhere(cluster: Cluster) -> Iterator[None]:
    """A fault that was mended on this node and not on the other."""
    with sysctl(cluster, "w2", "net.bridge.bridge-nf-call-iptables", 0):
        bites(cluster.pod("web").getent("api.shop"), "this node has it too")
        yield


@contextmanager
def policy_that_forgets_tcp(cluster: Cluster) -> Iterator[None]:
    """A deny-all policy, then an exception for DNS that was thought of as UDP."""
    address = cluster.kubectl.pods(NAMESPACE, "web")["status"]["podIP"]
    rule = f"FORWARD -s {address} -p tcp --dport 53 -j DROP"
    with applied(cluster, *allowing_udp_alone(cluster)), iptables(cluster, ("w1", rule)):
        web = cluster.pod("web")
        web.expect("NOERROR", KUBERNETES)
        web.expect("timeout", KUBERNETES, tcp=True)
        yield


@contextmanager
def kubelet_mended_pod_not(cluster: Cluster) -> Iterator[None]:
    """The kubelet has its clusterDNS again; the pod from before has the host's file still."""
    with ExitStack() as stack:
        with kubelets(cluster, "w1", clusterDNS=None):
            pod = stack.enter_context(victim(cluster))
        bites(not pod.getent("api.shop"), "the pod resolves a Service")
        yield


@contextmanager
def corefile_mended_pods_not(cluster: Cluster) -> Iterator[None]:
    """The Corefile is right again, and the servers have not read it: nothing tells them to."""
    setup = cluster.setup
    broken = setup.corefile.replace("    reload 2s 1s\n", "").replace(
        f".:{setup.pod_port}", f"{setup.domain}:{setup.pod_port}"
    )
    with corefile(cluster, broken):
        cluster.kubectl.replace(dns_setup.config_map(setup))
        cluster.pod("web").expect("REFUSED", f"{EXTERNAL}.")
        yield


@contextmanager
def dns_came_back(cluster: Cluster) -> Iterator[None]:
    """DNS was gone for a while; all is well again."""
    setup = cluster.setup

    def gone(found: dict[str, dict[str, object]]) -> None:
        found["spec"]["replicas"] = 0

    with replaced(cluster, "deployment", "coredns", setup.namespace, gone):
        wait_for("no DNS pod is left", lambda: not dns_pods(cluster), timeout=30)
    restart_dns(cluster)
    cluster.wait_dns()
    yield


SCENARIOS = (
    Scenario(
        name="policy-and-silent-upstream",
        breaks=("upstream-timeout", "netpol-egress"),
        causes=("netpol-egress", "upstream-timeout"),
    ),
    Scenario(
        name="no-rules-and-silent-replica",
        breaks=("kube-proxy-rules-missing", "coredns-replica-silent"),
        causes=("kube-proxy-rules-missing", "coredns-replica-divergence"),
        args=("--deep",),
    ),
    Scenario(
        name="bridge-off-and-upstream-servfail",
        breaks=("upstream-servfail", "bridge-nf-off"),
        causes=("bridge-nf-off", "upstream-servfail-refused"),
        args=("--deep", "--name", EXTERNAL),
    ),
    Scenario(
        name="upstream-servfail-and-ndots",
        breaks=("upstream-servfail", "dnsconfig-ndots"),
        causes=("upstream-servfail-refused", "dnsconfig-bad"),
        target="pod/victim",
        args=("--name", EXTERNAL),
    ),
    Scenario(
        name="no-clusterdns-and-no-dns",
        breaks=("clusterdns-missing", "coredns-scaled-to-zero"),
        causes=("clusterdns-missing", "coredns-not-running"),
        target="pod/victim",
    ),
    Scenario(
        name="replica-without-upstream-and-wrong-name",
        breaks=("coredns-replica-without-upstream", "wrong-name"),
        causes=("coredns-replica-divergence", "wrong-name"),
        args=("--name", "payments"),
    ),
    Scenario(
        name="service-without-tcp-and-upstream-refuses",
        breaks=("upstream-refused", "dns-service-without-tcp"),
        causes=("dns-service-misbuilt", "upstream-servfail-refused"),
        args=("--name", EXTERNAL),
    ),
    Scenario(
        name="aaaa-denied-and-upstream-servfail",
        breaks=("template-aaaa-nxdomain", "upstream-servfail"),
        causes=("template-aaaa-nxdomain", "upstream-servfail-refused"),
        target="pod/alpine",
        args=("--name", EXTERNAL),
    ),
    Scenario(
        name="overlay-and-silent-upstream",
        breaks=("upstream-timeout", "overlay-broken"),
        # The second is likely: with no answer from outside, forwarding could be off as well.
        causes=("upstream-timeout", "overlay-broken"),
    ),
    Scenario(
        name="wrong-clusterdns-and-rbac",
        breaks=("clusterdns-ip-mismatch", "coredns-rbac"),
        causes=("coredns-rbac", "clusterdns-ip-mismatch"),  # the second without proof but likely
        beneath=("dns-no-ready-endpoints",),
        target="pod/victim",
    ),
    Scenario(
        name="mixed-nameservers-and-stub-domain",
        breaks=("stubdomain-dead", "mixed-nameservers-glibc"),
        causes=("stubdomain-broken", "mixed-nameservers"),
        target="pod/victim",
        args=("--name", "registry.corp.example"),
    ),
    Scenario(
        name="one-of-three-silent",
        breaks=(replicas(3), one_pod_drops_all),
        causes=("coredns-replica-divergence",),
        says="one lookup in 3 fails",
    ),
    Scenario(
        name="the-only-one-silent",
        breaks=(replicas(1), one_pod_drops_all),
        causes=("dns-ingress-blocked",),
    ),
    Scenario(
        name="one-of-two-crashes-on-its-corefile",
        breaks=(one_pod_has_read_a_bad_corefile,),
        causes=("corefile-invalid",),
    ),
    Scenario(
        name="bridge-off-on-another-node",
        breaks=(bridge_off_elsewhere,),
        causes=(),
    ),
    Scenario(
        name="policy-mended-half-way",
        breaks=(policy_that_forgets_tcp,),
        causes=("netpol-egress",),
        beneath=("tcp-fallback-broken",),
    ),
    Scenario(
        name="kubelet-mended-pod-not",
        breaks=(kubelet_mended_pod_not,),
        causes=("resolvconf-overwritten-or-stale",),
        target="pod/victim",
    ),
    Scenario(
        name="corefile-mended-pods-not",
        breaks=(corefile_mended_pods_not,),
        causes=("corefile-zone-missing",),
        args=("--name", EXTERNAL),
    ),
    Scenario(
        name="dns-came-back",
        breaks=(dns_came_back,),
        causes=(),
    ),
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_each_cause_is_named(cluster: Cluster, tool: Tool, ask: Ask, scenario: Scenario) -> None:
    with broken(cluster, scenario.fault):
        ran = ask(scenario.fault)
    causes = ran.report["causes"]
    assert tuple(each["rule"] for each in causes) == scenario.causes, ran.story()
    explained = {below["rule"] for cause in causes for below in cause["explains"]}
    assert set(scenario.beneath) <= explained, ran.story()
    assert scenario.says in "".join(each["message"] for each in causes[:1]), ran.story()
    errors = [cause for cause in causes if cause["severity"] == "error"]
    assert ran.code == (4 if errors else 0), ran.story()
    assert not tool.leftovers()
