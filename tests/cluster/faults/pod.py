"""Faults in the pod's own specification: the cluster is fine, this pod asks wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from time import sleep

from tests.cluster import apps
from tests.cluster.change import VICTIM, applied, kubelets, victim
from tests.cluster.cluster import Cluster
from tests.cluster.faults.fault import API, KUBERNETES, Fault, bites
from tests.cluster.images import MUSL

# Documentation address: nothing answers, and no route leads to it.
NOWHERE = "192.0.2.53"
SEARCHES = ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local"]


@contextmanager
def hostnetwork_clusterfirst(cluster: Cluster) -> Iterator[None]:
    with victim(cluster, hostNetwork=True) as pod:
        bites(cluster.layout.upstream in pod.resolv_conf(), "the pod has not the host's file")
        bites(not pod.getent("api.shop"), "the pod resolves a Service")
        pod.expect("NOERROR", KUBERNETES, server=cluster.setup.address)
        yield


@contextmanager
def dnspolicy_default(cluster: Cluster) -> Iterator[None]:
    with victim(cluster, dnsPolicy="Default") as pod:
        bites(not pod.getent("api.shop"), "the pod resolves a Service")
        pod.expect("NOERROR", KUBERNETES, server=cluster.setup.address)
        yield


@contextmanager
def dnspolicy_none_wrong_server(cluster: Cluster) -> Iterator[None]:
    config = {"nameservers": [NOWHERE], "searches": SEARCHES}
    with victim(cluster, dnsPolicy="None", dnsConfig=config) as pod:
        pod.expect("timeout", KUBERNETES)
        pod.expect("NOERROR", KUBERNETES, server=cluster.setup.address)
        yield


@contextmanager
def dnsconfig_ndots(cluster: Cluster) -> Iterator[None]:
    """musl takes a name with `ndots` dots as it stands; glibc would come back to the list."""
    config = {"options": [{"name": "ndots", "value": "1"}]}
    with victim(cluster, image=MUSL, dnsConfig=config) as pod:
        bites(not pod.getent("api.shop"), "api.shop resolves")
        bites(pod.getent(API), f"{API} does not resolve")
        yield


@contextmanager
def mixed_nameservers_musl(cluster: Cluster) -> Iterator[None]:
    """A corporate server beside the cluster's: musl asks both and believes the faster."""
    config = {"nameservers": [cluster.layout.upstream]}
    with victim(cluster, image=MUSL, dnsConfig=config) as pod:
        bites(pod.resolv_conf().count("nameserver") == 2, "the pod has not two nameservers")
        _servers_disagree(cluster)
        yield


@contextmanager
def mixed_nameservers_glibc(cluster: Cluster) -> Iterator[None]:
    """The corporate server first: glibc takes its NXDOMAIN as the last word."""
    servers = [cluster.layout.upstream, cluster.setup.address]
    options = [{"name": "ndots", "value": "5"}]
    config = {"nameservers": servers, "searches": SEARCHES, "options": options}
    with victim(cluster, dnsPolicy="None", dnsConfig=config) as pod:
        bites(not pod.getent("api.shop"), "api.shop resolves")
        _servers_disagree(cluster)
        yield


def _servers_disagree(cluster: Cluster) -> None:
    web = cluster.pod("web")
    web.expect("NOERROR", API, server=cluster.setup.address)
    web.expect("NXDOMAIN", API, server=cluster.layout.upstream)


@contextmanager
def resolvconf_stale(cluster: Cluster) -> Iterator[None]:
    """A pod from before the kubelet was put right keeps the file that it began with."""
    with ExitStack() as stack:
        with kubelets(cluster, "w1", clusterDNS=[NOWHERE]):
            pod = stack.enter_context(victim(cluster))
        pod.expect("timeout", KUBERNETES)
        with victim(cluster, name="fresh") as fresh:
            fresh.expect("NOERROR", KUBERNETES)
        yield


@contextmanager
def resolvconf_mounted(cluster: Cluster) -> Iterator[None]:
    """A volume over the file: only this container has it."""
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "resolv", "namespace": apps.NAMESPACE},
        "data": {"resolv.conf": f"nameserver {NOWHERE}\n"},
    }
    volume = {"name": "resolv", "configMap": {"name": "resolv"}}
    mount = {"name": "resolv", "mountPath": "/etc/resolv.conf", "subPath": "resolv.conf"}
    manifest = apps.pod(VICTIM, node="w1", volumes=[volume])
    manifest["spec"]["containers"][0]["volumeMounts"] = [mount]
    with applied(cluster, config, manifest):
        cluster.kubectl.wait("condition=Ready", "pod", VICTIM, "-n", apps.NAMESPACE)
        cluster.pod(VICTIM).expect("timeout", KUBERNETES)
        yield


@contextmanager
def search_line_too_long(cluster: Cluster) -> Iterator[None]:
    """More search suffixes than musl reads: it skips the whole line."""
    suffixes = [f"department-{number}.of.some.large.corp.example" for number in range(7)]
    # The probing container may look into a process of its own user only.
    user = {"runAsUser": 65532, "runAsGroup": 65532}
    config = {"searches": suffixes}
    with victim(cluster, image=MUSL, dnsConfig=config, securityContext=user) as pod:
        bites(not pod.getent("api.shop"), "api.shop resolves")
        bites(pod.getent(API), f"{API} does not resolve")
        yield


@contextmanager
def wrong_name(cluster: Cluster) -> Iterator[None]:
    """The Service is there, in another namespace than the short name looks in."""
    payments = apps.service("payments", selects="payments")
    payments["metadata"]["namespace"] = "billing"
    with applied(cluster, apps.namespace("billing"), payments):
        web = cluster.pod("web")
        sleep(2)  # for the DNS pods to hear of it: what they deny they deny for a while
        bites(not web.getent("payments"), "payments resolves")
        bites(web.getent("payments.billing"), "payments.billing does not resolve")
        yield


FAULTS = (
    Fault(
        name="hostnetwork-clusterfirst",
        slug="hostnetwork-clusterfirst",
        title="A hostNetwork pod left at the default dnsPolicy",
        apply=hostnetwork_clusterfirst,
        target="pod/victim",
    ),
    Fault(
        name="dnspolicy-default",
        slug="dnspolicy-not-cluster",
        title="dnsPolicy Default, though the pod needs Services",
        apply=dnspolicy_default,
        target="pod/victim",
    ),
    Fault(
        name="dnspolicy-none-wrong-server",
        slug="dnspolicy-not-cluster",
        title="dnsPolicy None with a nameserver that does not answer",
        apply=dnspolicy_none_wrong_server,
        target="pod/victim",
    ),
    Fault(
        name="dnsconfig-ndots",
        slug="dnsconfig-bad",
        title="dnsConfig sets ndots:1 in a musl image",
        apply=dnsconfig_ndots,
        target="pod/victim",
    ),
    Fault(
        name="mixed-nameservers-musl",
        slug="mixed-nameservers",
        title="dnsConfig adds a corporate nameserver to a musl pod",
        apply=mixed_nameservers_musl,
        target="pod/victim",
    ),
    Fault(
        name="mixed-nameservers-glibc",
        slug="mixed-nameservers",
        title="dnsPolicy None puts a corporate nameserver before the cluster's",
        apply=mixed_nameservers_glibc,
        target="pod/victim",
    ),
    Fault(
        name="resolvconf-stale",
        slug="resolvconf-overwritten-or-stale",
        title="The pod is older than the repair of its node's kubelet",
        apply=resolvconf_stale,
        target="pod/victim",
    ),
    Fault(
        name="resolvconf-mounted",
        slug="resolvconf-overwritten-or-stale",
        title="A volume covers the container's resolv.conf",
        apply=resolvconf_mounted,
        target="pod/victim",
    ),
    Fault(
        name="search-line-too-long",
        slug="search-line-bad",
        title="dnsConfig adds so many suffixes that musl skips the search line",
        apply=search_line_too_long,
        target="pod/victim",
    ),
    Fault(
        name="wrong-name",
        slug="wrong-name",
        title="A short name whose Service is in another namespace",
        apply=wrong_name,
        args=("--name", "payments"),
    ),
)
