"""Which Services, pods and ConfigMaps are the cluster's DNS, and which are somebody else's."""

from __future__ import annotations

from typing import Any

import pytest

from kubectl_dnsdebug.model import Missing
from kubectl_dnsdebug.observe import discovery
from kubectl_dnsdebug.observe.objects import Service, read_service
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.report import report
from kubectl_dnsdebug.rules import RULES
from tests.dns_cases import case, changed, fact, with_corefile, with_facts
from tests.rule_cases import without

COREDNS = {"app.kubernetes.io/name": "coredns"}


def dns_service(id: str, address: str, labels: dict[str, str], **selector: str) -> dict[str, Any]:
    namespace, _, name = id.partition("/")
    return {
        "metadata": {"namespace": namespace, "name": name, "labels": labels},
        "spec": {
            "clusterIP": address,
            "selector": selector or labels,
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP"},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
            ],
        },
    }


KUBE_DNS = dns_service("kube-system/kube-dns", "10.96.0.10", {"k8s-app": "kube-dns"})
PRIVATE = dns_service("a-team/coredns", "10.96.7.7", COREDNS)
# kubespray has two on the same pods, and NodeLocal DNSCache adds one.
SECOND = dns_service("kube-system/coredns", "10.96.0.3", {"k8s-app": "kube-dns"})
UPSTREAM = dns_service("kube-system/kube-dns-upstream", "10.96.9.9", {"k8s-app": "kube-dns"})
OWN_NAME = dns_service("dns/cluster-dns", "10.96.0.53", COREDNS)


def chosen(services: list[dict[str, Any]], *addresses: str) -> list[str]:
    read: list[Service] = [read_service(each) for each in services]
    return [service.id for service in discovery.chosen(read, addresses)]


def test_a_coredns_of_somebody_else_is_not_the_clusters() -> None:
    both = [PRIVATE, KUBE_DNS]
    assert chosen(both) == ["kube-system/kube-dns"]
    assert chosen(both, "10.96.0.10") == ["kube-system/kube-dns"]
    assert chosen(both, "169.254.20.10") == ["kube-system/kube-dns"]
    assert chosen([PRIVATE, OWN_NAME], "10.96.0.53") == ["dns/cluster-dns"]


def test_one_that_pods_use_counts_whosever_it_is() -> None:
    assert chosen([PRIVATE, KUBE_DNS], "10.96.7.7") == ["a-team/coredns", "kube-system/kube-dns"]
    assert chosen([PRIVATE]) == ["a-team/coredns"]


def test_services_of_the_same_pods_belong_together() -> None:
    several = [PRIVATE, SECOND, UPSTREAM, KUBE_DNS]
    assert chosen(several, "10.96.0.10") == [
        "kube-system/kube-dns",
        "kube-system/coredns",
        "kube-system/kube-dns-upstream",
    ]


def test_what_somebody_elses_dns_does_is_no_fault_of_the_cluster() -> None:
    """It crashes, and forwards all names to a server of its own."""
    healthy = case("healthy/healthy")
    listed = changed(healthy, "services", lambda data: {"items": [PRIVATE, *data["items"]]})
    pod = {
        "metadata": {"namespace": "a-team", "name": "coredns-0", "labels": COREDNS},
        "spec": {
            "nodeName": "w1",
            "containers": [{"name": "coredns", "image": "coredns"}],
            "volumes": [{"name": "config", "configMap": {"name": "private"}}],
        },
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "False"}],
            "containerStatuses": [
                {
                    "name": "coredns",
                    "restartCount": 7,
                    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                }
            ],
        },
    }
    said = f"{healthy.collected_at} /etc/coredns/Corefile:2 - Error during parsing: x"
    evidence = with_facts(
        listed,
        fact("endpointslices/a-team/coredns", {"items": []}),
        fact("dns-pods/a-team/app.kubernetes.io/name=coredns", {"items": [pod]}),
        fact("configmap/a-team/private", {"data": {"Corefile": "corp.test {\n whoami\n}\n"}}),
        fact("log/a-team/coredns-0", {"lines": [said]}),
    )
    before, after = Observed(healthy), Observed(evidence)
    assert after.corefile == before.corefile
    assert after.dns_pods == before.dns_pods
    assert report.build(evidence, RULES).causes == ()


def test_a_domain_that_only_the_servers_know_is_taken_from_the_search_list() -> None:
    text = "{$ZONE}:53 {\n kubernetes {$DOMAIN} in-addr.arpa\n forward . 192.0.2.1\n}\n"
    assert Observed(with_corefile(case("healthy/healthy"), text)).domain == "cluster.local"


def test_the_corefile_is_the_text_that_is_mounted_as_such() -> None:
    """Others of the ConfigMap are kept for later, or from before."""
    data = {"Corefile": ".:53 {\n whoami\n}\n", "of-today": ".:5353 {\n whoami\n}\n"}
    items = [{"key": "of-today", "path": "Corefile"}]

    def mounting(data: Any) -> Any:
        volume = {"name": "c", "configMap": {"name": "coredns", "items": items}}
        return {"items": [{**p, "spec": {**p["spec"], "volumes": [volume]}} for p in data["items"]]}

    config = changed(case("healthy/healthy"), "configmap", lambda old: {**old, "data": data})
    assert [block.port for block in Observed(config).corefile.blocks] == [53]
    mounted = changed(config, "dns-pods", mounting)
    assert [block.port for block in Observed(mounted).corefile.blocks] == [5353]


def test_pods_that_may_not_be_listed_are_not_replaced_by_somebody_elses() -> None:
    healthy = case("healthy/healthy")
    listed = changed(healthy, "services", lambda data: {"items": [PRIVATE, *data["items"]]})
    with_others = with_facts(listed, fact("dns-pods/a-team/app.kubernetes.io/name=coredns", {}))
    unread = without(with_others, "dns-pods/kube-system/k8s-app=kube-dns")
    with pytest.raises(Missing):
        _ = Observed(unread).dns_pods
