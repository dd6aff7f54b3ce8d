"""Policies of network plugins and of administrators, each kind by its own documentation."""

from __future__ import annotations

from typing import Any

import pytest

from kubectl_dnsdebug.model import Json
from kubectl_dnsdebug.parse.netpol import Decision, NamedPort, Peer
from kubectl_dnsdebug.parse.policies import admin, calico, calico_selector, cilium
from kubectl_dnsdebug.parse.policies.terms import Direction, Policy, Traffic

WEB = Peer(
    ip="10.244.1.9",
    namespace="shop",
    labels={"app": "web"},
    namespace_labels={"kubernetes.io/metadata.name": "shop", "team": "front"},
)
DNS = Peer(
    ip="10.244.1.5",
    namespace="kube-system",
    labels={"k8s-app": "kube-dns"},
    namespace_labels={"kubernetes.io/metadata.name": "kube-system"},
    ports=(NamedPort(name="dns", port=53, protocol="UDP"),),
)
NODE_CACHE = Peer(ip="10.0.0.7", namespace="kube-system", host_network=True)
NOTHING = Decision(allowed=True, selecting=(), reason="")
PLAIN_ALLOWS = Decision(allowed=True, selecting=("plain",), reason="")
PLAIN_FORBIDS = Decision(allowed=False, selecting=("plain",), reason="")


def traffic(peer: Peer = DNS, protocol: str = "UDP", port: int = 53, **more: Any) -> Traffic:
    given: dict[str, Any] = {"direction": Direction.EGRESS, "pod": WEB, **more}
    return Traffic(peer=peer, port=port, protocol=protocol, **given)


def policy(spec: Json, title: str = "Kind p", namespace: str = "") -> Policy:
    return Policy(title=title, namespace=namespace, spec=spec)


# Cilium

WEB_PODS: dict[str, Any] = {"endpointSelector": {"matchLabels": {"k8s:app": "web"}}}
TO_DNS: dict[str, Any] = {
    "toEndpoints": [
        {"matchLabels": {"k8s:io.kubernetes.pod.namespace": "kube-system", "k8s-app": "kube-dns"}}
    ],
    "toPorts": [{"ports": [{"port": "53", "protocol": "ANY"}]}],
}


def only(names: list[Json], **more: Any) -> dict[str, Any]:
    port = {"ports": [{"port": "53", "protocol": "UDP"}], "rules": {"dns": names}}
    return {**TO_DNS, "toPorts": [port], **more}


@pytest.mark.parametrize(
    ("spec", "allowed"),
    [
        ({"egress": [{}]}, False),
        ({"egress": []}, True),
        ({"ingress": [{}]}, True),
        ({"egress": [TO_DNS]}, True),
        ({"egress": [{"toEndpoints": [{}]}]}, False),  # those of its own namespace
        ({"egress": [{"toEndpoints": []}]}, False),
        ({"egress": [{"toEntities": ["world"]}]}, False),
        ({"egress": [{"toEntities": ["cluster"]}]}, True),
        ({"egress": [{"toCIDR": ["10.0.0.0/8"]}]}, False),  # blocks mean no pods
        ({"egress": [{"toFQDNs": [{"matchName": "example.com"}]}]}, False),
        ({"egress": [{"toServices": [{"k8sService": {"serviceName": "kube-dns"}}]}]}, None),
        ({"egress": [{"toPorts": [{"ports": [{"port": "53", "protocol": "UDP"}]}]}]}, True),
        ({"egress": [{"toPorts": [{"ports": [{"port": "dns", "protocol": "UDP"}]}]}]}, True),
        ({"egress": [{"toPorts": [{"ports": [{"port": "53", "protocol": "TCP"}]}]}]}, False),
        ({"egress": [{"toPorts": [{"ports": [{"port": "1", "endPort": 99}]}]}]}, True),
        ({"egress": [{"icmps": [{"fields": [{"type": 8}]}]}]}, False),
        ({"egress": [TO_DNS], "egressDeny": [{"toEntities": ["cluster"]}]}, False),
        ({"egressDeny": [{"toPorts": [{"ports": [{"port": "80"}]}]}]}, False),
        ({"egress": [{}], "enableDefaultDeny": {"egress": False}}, True),
        ({"endpointSelector": {"matchLabels": {"app": "api"}}, "egress": [{}]}, True),
        ({"endpointSelector": None, "nodeSelector": {}, "egress": [{}]}, True),
    ],
)
def test_cilium(spec: dict[str, Any], allowed: bool | None) -> None:
    rules = [policy(WEB_PODS | spec, namespace="shop")]
    assert cilium.judge(rules, traffic(), NOTHING).allowed is allowed


def test_cilium_joins_all_that_allow() -> None:
    deny = policy(WEB_PODS | {"egress": [{}]}, "CiliumNetworkPolicy deny", "shop")
    allow = policy({"endpointSelector": {}, "egress": [TO_DNS]}, "CiliumClusterwideNetworkPolicy a")
    assert cilium.judge([deny, allow], traffic(), NOTHING).allowed is True
    assert cilium.judge([deny], traffic(), PLAIN_ALLOWS).allowed is True
    assert cilium.judge([deny], traffic(), None).allowed is None
    found = cilium.judge([deny], traffic(), PLAIN_FORBIDS)
    assert (found.allowed, found.selecting) == (False, ("CiliumNetworkPolicy deny",))


def test_cilium_in_front_of_the_dns_pods() -> None:
    words = {"fromEndpoints": [{"matchLabels": {"k8s:io.kubernetes.pod.namespace": "kube-system"}}]}
    front = policy({"endpointSelector": {}, "ingress": [words]}, namespace="kube-system")
    asked = traffic(direction=Direction.INGRESS, pod=DNS, peer=WEB)
    assert cilium.judge([front], asked, NOTHING).allowed is False
    everybody = policy({"endpointSelector": {}, "ingress": [{"fromEntities": ["cluster"]}]})
    assert cilium.judge([front, everybody], asked, NOTHING).allowed is True


@pytest.mark.parametrize(
    ("names", "name", "refused"),
    [
        ([{"matchPattern": "*"}], "example.com.", False),
        ([{"matchName": "example.com"}], "example.com.", False),
        ([{"matchPattern": "*.cluster.local"}], "a.cluster.local.", False),
        ([{"matchPattern": "*.cluster.local"}], "a.b.cluster.local.", True),
        ([{"matchPattern": "**.cluster.local"}], "a.b.cluster.local.", False),
        ([{"matchPattern": "*.cluster.local"}, {"matchName": "x.y"}], "example.com.", True),
    ],
)
def test_cilium_refuses_names(names: list[Json], name: str, refused: bool) -> None:
    rules = [policy(WEB_PODS | {"egress": [only(names)]}, "CiliumNetworkPolicy l7", "shop")]
    assert bool(cilium.refusing(rules, traffic(), name)) is refused
    freely = [*rules, policy({"endpointSelector": {}, "egress": [TO_DNS]})]
    assert not cilium.refusing(freely, traffic(), name)


# Calico

KUBE_DNS: dict[str, Any] = {"selector": "k8s-app == 'kube-dns'", "ports": [53]}
ALLOW_DNS: dict[str, Any] = {
    "action": "Allow",
    "protocol": "UDP",
    "destination": KUBE_DNS | {"namespaceSelector": "all()"},
}


@pytest.mark.parametrize(
    ("spec", "allowed"),
    [
        ({"selector": "app == 'web'", "types": ["Egress"]}, False),
        ({"selector": "app == 'api'", "types": ["Egress"]}, True),
        ({"types": ["Egress"], "egress": [ALLOW_DNS]}, True),
        ({"types": ["Egress"], "egress": [{"action": "Log"}, ALLOW_DNS]}, True),
        ({"types": ["Egress"], "egress": [ALLOW_DNS | {"destination": KUBE_DNS}]}, False),
        ({"egress": [{"action": "Allow", "destination": {"nets": ["10.244.0.0/16"]}}]}, True),
        ({"egress": [{"action": "Allow", "destination": {"notNets": ["10.0.0.0/8"]}}]}, False),
        ({"egress": [{"action": "Deny", "protocol": 17}]}, False),
        ({"egress": [{"action": "Allow", "protocol": "TCP"}]}, False),
        ({"egress": [{"action": "Allow", "protocol": "UDP", "destination": {"ports": ["50:60"]}}]},
         True),
        ({"egress": [{"action": "Allow", "destination": {"services": {"name": "dns"}}}]}, None),
        ({"serviceAccountSelector": "x == 'y'", "types": ["Egress"]}, None),
        ({"selector": "app ==", "types": ["Egress"]}, None),
        ({"types": ["Ingress"]}, True),
        ({}, True),
    ],
)  # fmt: skip
def test_calico(spec: Json, allowed: bool | None) -> None:
    rules = [policy(spec, namespace="shop")]
    assert calico.judge(rules, traffic(), NOTHING).allowed is allowed


def test_calico_goes_by_order_and_tier() -> None:
    deny = policy({"order": 2000, "types": ["Egress"]}, "GlobalNetworkPolicy deny")
    allow = policy({"order": 10, "egress": [ALLOW_DNS]}, "GlobalNetworkPolicy allow")
    first = policy({"order": 1, "egress": [{"action": "Deny"}]}, "GlobalNetworkPolicy first")
    assert calico.judge([deny, allow], traffic(), NOTHING).allowed is True
    found = calico.judge([deny, allow, first], traffic(), NOTHING)
    assert (found.allowed, found.selecting) == (False, ("GlobalNetworkPolicy first",))
    # A plain policy that allows comes at 1000.
    assert calico.judge([deny], traffic(), PLAIN_ALLOWS).allowed is True
    assert calico.judge([first], traffic(), PLAIN_ALLOWS).allowed is False
    assert calico.judge([deny], traffic(), None).allowed is None
    passing = {"tier": "security", "egress": [{"action": "Pass"}]}
    assert calico.judge([policy(passing), deny], traffic(), NOTHING).allowed is False
    silent = {"tier": "security", "egress": [{"action": "Allow", "protocol": "TCP"}]}
    assert calico.judge([policy(silent)], traffic(), NOTHING).allowed is None
    quarrel = policy({"tier": "other", "egress": [{"action": "Allow"}]})
    denial = policy({"tier": "security", "egress": [{"action": "Deny"}]})
    assert calico.judge([denial], traffic(), NOTHING).allowed is False
    assert calico.judge([denial, quarrel], traffic(), NOTHING).allowed is None


@pytest.mark.parametrize(
    ("expression", "matches"),
    [
        ("", True),
        ("all()", True),
        ("global()", False),
        ("a == 'x'", True),
        ("a == \"x\" && b == 'z'", False),
        ("b == 'z' || a == 'x'", True),
        ("!(a == 'x')", False),
        ("!has(c)", True),
        ("has(a) && !has(c) && a in {'x', 'y'}", True),
        ("a not in {'x'}", False),
        ("c != 'x'", True),
        ("k8s.io/name starts with 'ku' && k8s.io/name ends with 'ns'", True),
        ("a contains 'y'", False),
        ("a = 'x'", None),
        ("a == x", None),
        ("(a == 'x'", None),
        ("some()", None),
        ("(" * 99 + "all()" + ")" * 99, None),
    ],
)
def test_calico_selectors(expression: str, matches: bool | None) -> None:
    assert calico_selector.selects(expression, {"a": "x", "k8s.io/name": "kube-dns"}) is matches


# Administrators'

SHOP = {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}
TO_SYSTEM = {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
UDP_53 = {"portNumber": {"protocol": "UDP", "port": 53}}


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        ({"action": "Deny", "to": [TO_SYSTEM]}, False),
        ({"action": "Allow", "to": [TO_SYSTEM]}, True),
        ({"action": "Pass", "to": [TO_SYSTEM]}, True),
        ({"action": "Deny", "to": [{"namespaces": {}}], "ports": [UDP_53]}, False),
        ({"action": "Deny", "to": [{"namespaces": {}}], "ports": [{"namedPort": "dns"}]}, False),
        ({"action": "Deny", "to": [{"namespaces": {}}], "protocols": [{"tcp": {}}]}, True),
        ({"action": "Deny", "to": [{"namespaces": {}}],
          "protocols": [{"udp": {"destinationPort": {"range": {"start": 1, "end": 99}}}}]}, False),
        ({"action": "Deny", "to": [{"pods": {"podSelector": {"matchLabels": {"a": "b"}}}}]}, True),
        ({"action": "Deny", "to": [{"networks": ["0.0.0.0/0"]}]}, None),
        ({"action": "Deny", "to": [{"nodes": {}}]}, True),
        ({"action": "Deny", "to": [{"domainNames": ["*.example.com"]}]}, True),
        ({"action": "Deny", "to": [{"namespaces": {"sameLabels": ["team"]}}]}, None),
    ],
)  # fmt: skip
def test_administrators(rule: Json, allowed: bool | None) -> None:
    rules = [policy({"priority": 5, "subject": SHOP, "egress": [rule]}, "AdminNetworkPolicy p")]
    assert admin.judge(rules, traffic(), NOTHING).allowed is allowed


def test_the_first_priority_decides_and_the_baseline_comes_last() -> None:
    def of(priority: int, action: str, title: str = "AdminNetworkPolicy p") -> Policy:
        rule = {"action": action, "to": [{"namespaces": {}}]}
        return policy({"priority": priority, "subject": SHOP, "egress": [rule]}, title)

    assert admin.judge([of(9, "Deny"), of(1, "Allow")], traffic(), NOTHING).allowed is True
    baseline = of(0, "Deny", "BaselineAdminNetworkPolicy default")
    assert admin.judge([baseline], traffic(), NOTHING).allowed is False
    assert admin.judge([baseline], traffic(), PLAIN_ALLOWS).allowed is True
    assert admin.judge([baseline], traffic(), None).allowed is None
    assert admin.judge([baseline, of(1, "Accept")], traffic(), NOTHING).allowed is True
    assert admin.judge([of(1, "Deny")], traffic(), PLAIN_ALLOWS).allowed is False


@pytest.mark.parametrize("judge", [cilium.judge, calico.judge, admin.judge])
def test_the_network_of_a_node_is_not_theirs(judge: Any) -> None:
    for spec in (WEB_PODS | {"egress": [{}]}, {"types": ["Egress"]}):
        assert judge([policy(spec)], traffic(pod=NODE_CACHE), NOTHING).allowed is True
        assert judge([policy(spec)], traffic(peer=NODE_CACHE), NOTHING).allowed is not None
