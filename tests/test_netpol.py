"""NetworkPolicies: the API's own rules as a table, and what must hold for any of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_dnsdebug.model import Json
from kubectl_dnsdebug.parse.netpol import Decision, NamedPort, Peer, egress_verdict, ingress_verdict

POD = {"app": "web", "tier": "front"}
DNS = Peer(
    ip="10.244.1.5",
    namespace="kube-system",
    labels={"k8s-app": "kube-dns"},
    namespace_labels={"kubernetes.io/metadata.name": "kube-system", "team": "platform"},
    ports=(NamedPort(name="dns", port=53, protocol="UDP"), NamedPort(name="dns-tcp", port=53)),
)
UPSTREAM = Peer(ip="192.0.2.53")
DNS_PORTS = [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]


def policy(spec: Json, *, name: str = "p", namespace: str = "shop") -> Json:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def egress(*rules: Json, **spec: Any) -> Json:
    return policy({"podSelector": {}, "policyTypes": ["Egress"], "egress": list(rules)} | spec)


def judge(*policies: Json, peer: Peer = DNS, port: int = 53, protocol: str = "UDP") -> bool | None:
    return egress_verdict(policies, POD, "shop", peer, port, protocol).allowed


@pytest.mark.parametrize(
    ("spec", "allowed"),
    [
        ({"podSelector": {}, "policyTypes": ["Egress"]}, False),
        ({"podSelector": {}, "policyTypes": ["Egress"], "egress": []}, False),
        ({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]}, True),
        ({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}, False),
        ({"podSelector": {}, "policyTypes": ["Ingress"]}, True),
        ({"podSelector": {}}, True),
        ({"podSelector": {}, "policyTypes": ["Ingress"], "egress": [{"ports": []}]}, True),
        ({"podSelector": {}, "egress": [{"ports": [{"port": 80}]}]}, False),
        ({"policyTypes": ["Egress"]}, False),
        ({}, True),
    ],
)
def test_which_policies_are_about_egress(spec: Json, allowed: bool) -> None:
    assert judge(policy(spec)) is allowed


def test_a_policy_without_types_isolates_for_ingress() -> None:
    found = ingress_verdict([policy({"podSelector": {}})], POD, "shop", DNS, 80, "TCP")
    assert found.allowed is False


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ({}, True),
        (None, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "web", "tier": "front"}}, True),
        ({"matchLabels": {"app": "db"}}, False),
        ({"matchLabels": {"app": "web", "zone": "a"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "db"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["db"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "zone", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "zone", "operator": "DoesNotExist"}]}, True),
        (
            {
                "matchLabels": {"app": "web"},
                "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["front"]}],
            },
            False,
        ),
    ],
)
def test_which_pods_are_selected(selector: Json | None, selected: bool) -> None:
    assert judge(egress(podSelector=selector)) is not selected


def test_policies_of_other_namespaces_do_not_count() -> None:
    deny = policy({"podSelector": {}, "policyTypes": ["Egress"]}, namespace="other")
    assert judge(deny) is True


@pytest.mark.parametrize(
    ("port", "number", "protocol", "allowed"),
    [
        ({"protocol": "UDP", "port": 53}, 53, "UDP", True),
        ({"protocol": "UDP", "port": 53}, 53, "TCP", False),
        ({"port": 53}, 53, "TCP", True),
        ({"port": 53}, 53, "UDP", False),
        ({"protocol": "UDP"}, 5353, "UDP", True),
        ({"protocol": "UDP", "port": 53}, 5353, "UDP", False),
        ({"protocol": "UDP", "port": 50, "endPort": 60}, 53, "UDP", True),
        ({"protocol": "UDP", "port": 50, "endPort": 60}, 60, "UDP", True),
        ({"protocol": "UDP", "port": 50, "endPort": 60}, 61, "UDP", False),
        ({"protocol": "UDP", "port": "dns"}, 53, "UDP", True),
        ({"protocol": "TCP", "port": "dns"}, 53, "TCP", False),
        ({"protocol": "TCP", "port": "dns-tcp"}, 53, "TCP", True),
        ({"protocol": "UDP", "port": "other"}, 53, "UDP", False),
    ],
)
def test_ports(port: Json, number: int, protocol: str, allowed: bool) -> None:
    rule = egress({"ports": [port]})
    assert judge(rule, port=number, protocol=protocol) is allowed


def test_named_ports_that_are_not_known() -> None:
    rule = egress({"ports": [{"protocol": "UDP", "port": "dns"}]})
    blind = Peer(ip=DNS.ip, namespace=DNS.namespace, labels=DNS.labels)
    assert judge(rule, peer=blind) is None
    assert judge(rule, peer=UPSTREAM) is False
    incoming = policy({"policyTypes": ["Ingress"], "ingress": [{"ports": [{"port": "http"}]}]})
    assert ingress_verdict([incoming], POD, "shop", DNS, 80, "TCP").allowed is None
    named = (NamedPort(name="http", port=80),)
    assert ingress_verdict([incoming], POD, "shop", DNS, 80, "TCP", named).allowed is True
    assert ingress_verdict([incoming], POD, "shop", DNS, 80, "TCP", ()).allowed is False


SYSTEM = {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}
KUBE_DNS = {"matchLabels": {"k8s-app": "kube-dns"}}


@pytest.mark.parametrize(
    ("to", "allowed"),
    [
        ({"namespaceSelector": {}}, True),
        ({"namespaceSelector": SYSTEM}, True),
        ({"namespaceSelector": SYSTEM, "podSelector": KUBE_DNS}, True),
        ({"namespaceSelector": {}, "podSelector": KUBE_DNS}, True),
        ({"namespaceSelector": SYSTEM, "podSelector": {"matchLabels": {"a": "b"}}}, False),
        ({"namespaceSelector": {"matchLabels": {"team": "shop"}}}, False),
        ({"podSelector": KUBE_DNS}, False),
        ({"podSelector": {}}, False),
        ({"ipBlock": {"cidr": "0.0.0.0/0"}}, True),
        ({"ipBlock": {"cidr": "10.244.0.0/16"}}, True),
        ({"ipBlock": {"cidr": "10.244.0.0/16", "except": ["10.244.1.0/24"]}}, False),
        ({"ipBlock": {"cidr": "10.96.0.10/32"}}, False),
        ({"ipBlock": {"cidr": "::/0"}}, False),
        ({"ipBlock": {"cidr": "nonsense"}}, None),
    ],
)
def test_peers(to: Json, allowed: bool | None) -> None:
    assert judge(egress({"to": [to], "ports": DNS_PORTS})) is allowed


def test_a_pod_selector_alone_means_the_policy_s_own_namespace() -> None:
    neighbour = Peer(ip="10.244.1.9", namespace="shop", labels={"k8s-app": "kube-dns"})
    assert judge(egress({"to": [{"podSelector": KUBE_DNS}]}), peer=neighbour) is True


def test_selectors_match_neither_addresses_outside_nor_the_host_network() -> None:
    everyone = egress({"to": [{"namespaceSelector": {}}]})
    assert judge(everyone, peer=UPSTREAM) is False
    on_host = Peer(ip="192.0.2.7", namespace="kube-system", namespace_labels={}, host_network=True)
    assert judge(everyone, peer=on_host) is False
    assert judge(egress({"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}), peer=on_host) is True


@pytest.mark.parametrize(
    ("selector", "allowed"),
    [
        ({}, True),
        (SYSTEM, True),
        ({"matchLabels": {"kubernetes.io/metadata.name": "other"}}, False),
        ({"matchLabels": {"team": "platform"}}, None),
        ({"matchLabels": {"team": "x", "kubernetes.io/metadata.name": "other"}}, False),
        ({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}, None),
        ({"matchExpressions": [{"key": "team", "operator": "New"}]}, None),
    ],
)
def test_namespace_labels_that_could_not_be_read(selector: Json, allowed: bool | None) -> None:
    blind = Peer(ip=DNS.ip, namespace=DNS.namespace, labels=DNS.labels)
    assert judge(egress({"to": [{"namespaceSelector": selector}]}), peer=blind) is allowed


def test_ingress_uses_from_and_policies_of_the_receiver() -> None:
    friends = {"namespaceSelector": {"matchLabels": {"dns": "yes"}}}
    spec = {
        "podSelector": KUBE_DNS,
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [friends], "ports": DNS_PORTS}],
    }
    rule = policy(spec, namespace="kube-system")
    client = Peer(ip="10.244.2.2", namespace="shop", labels=POD, namespace_labels={"dns": "yes"})
    other = Peer(ip="10.244.2.2", namespace="shop", labels=POD, namespace_labels={})
    assert ingress_verdict([rule], DNS.labels, "kube-system", client, 53).allowed is True
    assert ingress_verdict([rule], DNS.labels, "kube-system", other, 53).allowed is False
    assert ingress_verdict([rule], {"app": "x"}, "kube-system", other, 53).allowed is True


def test_reasons_name_the_policies() -> None:
    deny = policy({"podSelector": {}, "policyTypes": ["Egress"]}, name="deny")
    web = egress({"ports": [{"port": 80}]})
    assert egress_verdict([deny, web], POD, "shop", DNS, 53) == Decision(
        allowed=False,
        selecting=("deny", "p"),
        reason="deny, p select the pod for egress and no rule allows UDP 53 to 10.244.1.5.",
    )
    assert egress_verdict([deny, egress({})], POD, "shop", DNS, 53).reason == (
        "p allows UDP 53 to 10.244.1.5."
    )
    assert (
        egress_verdict([], POD, "shop", DNS, 53).reason == "No policy selects the pod for egress."
    )
    unsure = egress({"to": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]})
    blind = Peer(ip=DNS.ip, namespace="kube-system")
    assert egress_verdict([deny, unsure], POD, "shop", blind, 53).reason == (
        "p may allow UDP 53 to 10.244.1.5: a label or port it names is not known."
    )


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


LABELS = st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"), max_size=2)
EXPRESSIONS = st.fixed_dictionaries(
    {
        "key": st.sampled_from("ab"),
        "operator": st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]),
        "values": st.lists(st.sampled_from("xy"), max_size=2),
    }
)
SELECTORS = optional(matchLabels=LABELS, matchExpressions=st.lists(EXPRESSIONS, max_size=2))
BLOCKS = st.sampled_from(["0.0.0.0/0", "10.0.0.0/8", "10.244.1.0/24", "::/0"])
PEERS = optional(podSelector=SELECTORS, namespaceSelector=SELECTORS) | st.fixed_dictionaries(
    {"ipBlock": st.fixed_dictionaries({"cidr": BLOCKS}, optional={"except": st.lists(BLOCKS)})}
)
PORTS = optional(
    protocol=st.sampled_from(["UDP", "TCP"]),
    port=st.sampled_from([53, 80, "dns"]),
)
RULES = optional(ports=st.lists(PORTS, max_size=2), to=st.lists(PEERS, max_size=2))
POLICIES = st.lists(
    optional(
        podSelector=SELECTORS,
        policyTypes=st.lists(st.sampled_from(["Ingress", "Egress"]), unique=True),
        egress=st.lists(RULES, max_size=2),
    ).map(policy),
    max_size=3,
)
DESTINATIONS = st.builds(
    Peer,
    ip=st.sampled_from(["10.244.1.5", "192.0.2.1", "2001:db8::1"]),
    namespace=st.sampled_from(["", "shop", "kube-system"]),
    labels=LABELS,
    namespace_labels=st.none() | LABELS,
    ports=st.sampled_from([None, (), DNS.ports]),
)
RANK = {False: 0, None: 1, True: 2}


@given(POLICIES, RULES, LABELS, DESTINATIONS)
def test_another_rule_never_forbids(
    policies: Sequence[Json], rule: Json, labels: dict[str, str], peer: Peer
) -> None:
    before = egress_verdict(policies, labels, "shop", peer, 53)
    for i, changed in enumerate(policies):
        if "egress" not in [each.lower() for each in changed["spec"].get("policyTypes", [])]:
            continue  # a first egress rule would make it isolate
        spec = {**changed["spec"], "egress": [*changed["spec"].get("egress", []), rule]}
        more = [*policies[:i], policy(spec), *policies[i + 1 :]]
        after = egress_verdict(more, labels, "shop", peer, 53)
        assert RANK[after.allowed] >= RANK[before.allowed]
        assert after.selecting == before.selecting


@given(POLICIES, LABELS, DESTINATIONS)
def test_only_a_selecting_policy_can_forbid(
    policies: Sequence[Json], labels: dict[str, str], peer: Peer
) -> None:
    found = egress_verdict(policies, labels, "shop", peer, 53)
    assert found.reason.endswith(".")
    if not found.selecting:
        assert found.allowed is True
    backwards = egress_verdict(policies[::-1], labels, "shop", peer, 53)
    assert backwards.allowed is found.allowed
    allow_all = policy({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]})
    assert egress_verdict([*policies, allow_all], labels, "shop", peer, 53).allowed is True


@given(POLICIES, LABELS, DESTINATIONS, LABELS)
def test_what_is_certain_without_a_label_stays_so_with_it(
    policies: Sequence[Json], labels: dict[str, str], peer: Peer, learnt: dict[str, str]
) -> None:
    def with_labels(namespace_labels: dict[str, str] | None) -> bool | None:
        known = Peer(
            ip=peer.ip,
            namespace=peer.namespace,
            labels=peer.labels,
            ports=peer.ports,
            namespace_labels=namespace_labels,
        )
        return egress_verdict(policies, labels, "shop", known, 53).allowed

    blind = with_labels(None)
    if blind is not None:
        assert with_labels(learnt) is blind
