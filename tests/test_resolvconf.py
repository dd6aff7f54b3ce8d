"""resolv.conf: what is read, what kubelet would write, and how a difference is told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_dnsdebug.model import Json, Missing
from kubectl_dnsdebug.parse.resolvconf import (
    Difference,
    Kind,
    Policy,
    ResolvConf,
    compare,
    effective_policy,
    expected,
    read,
    read_as_kubelet,
)

POD_FILE = """\
search shop.svc.cluster.local svc.cluster.local cluster.local lan
nameserver 10.96.0.10
options ndots:5
"""


def test_a_pod_file() -> None:
    conf = read(POD_FILE)
    assert conf.nameservers == ("10.96.0.10",)
    assert conf.search == ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "lan")
    assert conf.options == {"ndots": "5"}
    assert conf.ndots == 5
    assert conf.text == POD_FILE


@pytest.mark.parametrize(
    ("text", "nameservers", "search", "options"),
    [
        ("", "", "", {}),
        ("# nameserver 192.0.2.1\n; search a.test\n", "", "", {}),
        ("nameserver 192.0.2.1\nnameserver 192.0.2.2\n", "192.0.2.1 192.0.2.2", "", {}),
        ("nameserver 192.0.2.1 # comment\r\n", "192.0.2.1", "", {}),
        ("nameserver\t2001:DB8:0::1\n", "2001:db8::1", "", {}),
        ("nameserver fe80::1%eth0\n", "fe80::1%eth0", "", {}),
        ("nameserver ns.example.\n", "ns.example.", "", {}),
        ("nameserver\nsearch\noptions\n", "", "", {}),
        (" nameserver 192.0.2.1\n", "", "", {}),
        ("search a.test b.test\nsearch C.test.\n", "", "c.test", {}),
        ("search a.test\ndomain b.test\n", "", "b.test", {}),
        ("domain b.test\nsearch a.test .\n", "", "a.test .", {}),
        ("options ndots:2 rotate\noptions ndots:3\n", "", "", {"ndots": "3", "rotate": None}),
        ("sortlist 1.2.3.4\nnonsense\nnameservers 1.2.3.4\n", "", "", {}),
        ("nameserver 192.0.2.1", "192.0.2.1", "", {}),
    ],
)
def test_as_libc_reads(text: str, nameservers: str, search: str, options: dict[str, Any]) -> None:
    conf = read(text)
    assert conf.nameservers == tuple(nameservers.split())
    assert conf.search == tuple(search.split())
    assert conf.options == options


@pytest.mark.parametrize(
    ("options", "ndots"),
    [("", 1), ("ndots:0", 0), ("ndots:99", 15), ("ndots:x", 1), ("ndots", 1), ("ndots:²", 1)],
)
def test_ndots(options: str, ndots: int) -> None:
    assert read(f"options {options}\n").ndots == ndots


@pytest.mark.parametrize(
    ("text", "search"),
    [
        ("domain b.test\n", ""),
        ("search a.test. b.test\n", "a.test b.test"),
        ("search a.test\nsearch\n", ""),
        ("search .\n", ""),
        ("  search a.test\n", "a.test"),
        ("# search a.test\n", ""),
    ],
)
def test_as_kubelet_reads(text: str, search: str) -> None:
    assert read_as_kubelet(text).search == tuple(search.split())


@pytest.mark.parametrize(
    ("dns_policy", "host_network", "policy"),
    [
        ("ClusterFirst", False, Policy.CLUSTER),
        ("", False, Policy.CLUSTER),
        ("ClusterFirst", True, Policy.HOST),
        ("", True, Policy.HOST),
        ("ClusterFirstWithHostNet", True, Policy.CLUSTER),
        ("ClusterFirstWithHostNet", False, Policy.CLUSTER),
        ("Default", False, Policy.HOST),
        ("None", False, Policy.NONE),
        ("None", True, Policy.NONE),
    ],
)
def test_effective_policy(dns_policy: str, host_network: bool, policy: Policy) -> None:
    assert effective_policy(dns_policy, host_network) is policy


HOST = read_as_kubelet("nameserver 192.0.2.53\nsearch lan cluster.local\noptions edns0 trust-ad\n")


def build(
    dns_policy: str = "ClusterFirst",
    *,
    host: ResolvConf | None = HOST,
    dns_config: Json | None = None,
    **changes: Any,
) -> ResolvConf:
    given_values: dict[str, Any] = {
        "host_network": False,
        "namespace": "shop",
        "cluster_dns": ["10.96.0.10"],
        "cluster_domain": "cluster.local",
    }
    return expected(
        dns_policy=dns_policy, host=host, dns_config=dns_config, **(given_values | changes)
    )


OWN = ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local")


def test_cluster_first_takes_only_the_search_list_of_the_host() -> None:
    conf = build()
    assert conf.nameservers == ("10.96.0.10",)
    assert conf.search == (*OWN, "lan")
    assert conf.options == {"ndots": "5"}
    assert not conf.partial


def test_without_the_host_a_cluster_policy_is_partly_known() -> None:
    conf = build(host=None)
    assert conf.search == OWN
    assert conf.partial


@pytest.mark.parametrize("dns_policy", ["Default", "ClusterFirst"])
def test_on_the_host_network_it_is_the_host_file(dns_policy: str) -> None:
    conf = build(dns_policy, host_network=True)
    assert (conf.nameservers, conf.search, dict(conf.options)) == (
        HOST.nameservers,
        HOST.search,
        dict(HOST.options),
    )


def test_a_host_policy_without_the_host_is_missing() -> None:
    with pytest.raises(Missing, match="not known"):
        build("Default", host=None)
    with pytest.raises(Missing):
        build(cluster_dns=[], host=None)


def test_without_cluster_dns_kubelet_falls_back_to_the_host() -> None:
    assert build(cluster_dns=[]).nameservers == HOST.nameservers


def test_without_cluster_domain_only_the_host_list_is_searched() -> None:
    assert build(cluster_domain="").search == HOST.search


def test_dns_config_is_merged_and_its_options_win() -> None:
    config = {
        "nameservers": ["10.96.0.10", "192.0.2.9"],
        "searches": ["svc.cluster.local", "Corp.example"],
        "options": [{"name": "ndots", "value": "2"}, {"name": "rotate"}],
    }
    conf = build(dns_config=config)
    assert conf.nameservers == ("10.96.0.10", "192.0.2.9")
    assert conf.search == (*OWN, "lan", "corp.example")
    assert conf.options == {"ndots": "2", "rotate": None}


def test_policy_none_is_dns_config_alone() -> None:
    conf = build("None", host=None, dns_config={"nameservers": ["192.0.2.9"]})
    assert conf == ResolvConf(nameservers=("192.0.2.9",))


def test_limits_cut_from_the_end() -> None:
    host = ResolvConf(
        nameservers=("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"),
        search=tuple(f"s{i}.test" for i in range(40)),
    )
    conf = build("Default", host=host)
    assert conf.nameservers == host.nameservers[:3]
    assert conf.search == host.search[:32]
    long = ResolvConf(search=tuple(f"{i:03}{'a' * 100}.test" for i in range(20)))
    assert build("Default", host=long).search == long.search[:18]
    endless = ResolvConf(search=("a" * 254, "b.test"))
    assert build("Default", host=endless).search == ("b.test",)


def differences(pod: str, *, host: ResolvConf | None = HOST, **build_args: Any) -> list[Difference]:
    return list(compare(read(pod), build(host=host, **build_args), host))


def test_the_expected_file_does_not_differ() -> None:
    assert differences(POD_FILE) == []


def test_a_host_file_where_the_cluster_one_should_be() -> None:
    found = differences("nameserver 192.0.2.53\nsearch lan cluster.local\noptions edns0 trust-ad\n")
    assert [(d.kind, d.value, d.in_pod, d.in_expected, d.in_host) for d in found] == [
        (Kind.NAMESERVER, "192.0.2.53", True, False, True),
        (Kind.NAMESERVER, "10.96.0.10", False, True, False),
        (Kind.SEARCH, "shop.svc.cluster.local", False, True, False),
        (Kind.SEARCH, "svc.cluster.local", False, True, False),
        (Kind.SEARCH, "lan cluster.local", True, True, None),
        (Kind.OPTION, "edns0", True, False, True),
        (Kind.OPTION, "trust-ad", True, False, True),
        (Kind.OPTION, "ndots:5", False, True, False),
    ]
    assert found[0].why.startswith("It is the host's nameserver")
    assert found[-1].why == (
        "Kubelet would add it today; the file lacks it, "
        "so a name with a dot is tried as it is first."
    )


def test_another_value_of_an_option_names_both() -> None:
    found = differences(POD_FILE.replace("ndots:5", "ndots:2"))
    assert [(d.value, d.why) for d in found] == [
        ("ndots:2", "Kubelet would write ndots:5 today."),
        ("ndots:5", "Kubelet would write it today; the file has ndots:2."),
    ]


def test_another_cluster_domain_is_named_as_such() -> None:
    found = differences(POD_FILE.replace("cluster.local", "old.example"))
    why = {d.value: d.why for d in found}
    assert "another cluster domain or namespace" in why["shop.svc.old.example"]
    assert "another cluster domain or namespace" in why["svc.old.example"]
    assert "written into the file since" in why["old.example"]


def test_options_are_a_set_and_order_of_nameservers_counts() -> None:
    one = read("nameserver 192.0.2.1\nnameserver 192.0.2.2\noptions a b:1\n")
    other = read("nameserver 192.0.2.2\nnameserver 192.0.2.1\noptions b:1 a\n")
    (found,) = compare(one, other, None)
    assert (found.kind, found.value) == (Kind.NAMESERVER, "192.0.2.1 192.0.2.2")
    assert found.in_pod
    assert found.in_expected


def test_an_unknown_host_is_given_the_benefit_of_the_doubt() -> None:
    assert differences(POD_FILE, host=None) == []
    extra = POD_FILE.replace(" lan", " lan svc.other.example")
    (found,) = differences(extra, host=None)
    assert found.value == "svc.other.example"
    assert found.in_host is None


WORDS = st.text(max_size=12)
LINES = st.lists(
    st.tuples(
        st.sampled_from(["nameserver ", "search ", "domain ", "options ", "#", "", " "]), WORDS
    ).map("".join)
    | WORDS
).map("\n".join)
CONFIGS = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "nameservers": st.lists(st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1"])),
        "searches": st.lists(st.text("ab.", max_size=300), max_size=40),
        "options": st.lists(
            st.fixed_dictionaries(
                {"name": st.sampled_from(["ndots", "rotate"])},
                optional={"value": st.sampled_from(["", "1", "9"])},
            )
        ),
    },
)


@given(LINES)
def test_reading_never_fails_and_reads_its_own_writing(text: str) -> None:
    for conf in (read(text), read_as_kubelet(text)):
        assert 0 <= conf.ndots <= 15
        options = [f"{name}:{value}" if value else name for name, value in conf.options.items()]
        written = "".join(f"nameserver {each}\n" for each in conf.nameservers)
        written += f"search {' '.join(conf.search)}\noptions {' '.join(options)}\n"
        again = read(written)
        assert (again.nameservers, again.search) == (conf.nameservers, conf.search)
        assert again.options == conf.options


@given(
    LINES,
    CONFIGS,
    st.sampled_from(["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None", ""]),
    st.booleans(),
)
def test_kubelet_limits_always_hold(
    text: str, config: Json | None, dns_policy: str, host_network: bool
) -> None:
    host = read_as_kubelet(text)
    conf = build(dns_policy, host=host, dns_config=config, host_network=host_network)
    assert len(conf.nameservers) <= 3
    assert len(conf.search) <= 32
    assert len(" ".join(conf.search)) <= 2048
    assert all(len(domain) <= 253 for domain in conf.search)
    assert compare(conf, conf, host) == ()
    assert all(found.why.endswith(".") for found in compare(host, conf, host))
    blind = build("ClusterFirst", host=None, dns_config=config)
    seen = build("ClusterFirst", host=host, dns_config=config)
    if not config:
        assert compare(seen, blind, None) == ()
