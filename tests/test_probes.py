"""The battery: from what the API knows to the words that the runner gets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_dnsdebug.model import Evidence, Fact, Request, Role, State
from kubectl_dnsdebug.observe.objects import Pod, plain_pod, read_pod
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.plan.probe import Plan, Probe
from kubectl_dnsdebug.plan.probes import plan
from tests import reports
from tests.reports import got

COREFILE = """\
.:53 {
    kubernetes cluster.local in-addr.arpa ip6.arpa
    forward . 192.0.2.53 192.0.2.54:5353
}
corp.example:53 {
    forward . 192.0.2.99
}
"""


def service(
    namespace: str, name: str, ip: str, port: int = 80, selector: str = "", **spec: Any
) -> dict[str, Any]:
    ports = [{"name": f"p{p}", "port": port, "protocol": p} for p in ("UDP", "TCP")]
    chosen = {"app": selector or name}
    return {
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"clusterIPs": [ip], "selector": chosen, "ports": ports, **spec},
    }


API = service("default", "kubernetes", "10.96.0.1", 443)
DNS = service("kube-system", "kube-dns", "10.96.0.10", 53)


def slices(ips: Sequence[str], port: int = 53) -> dict[str, Any]:
    ports = [{"name": f"p{p}", "port": port, "protocol": p} for p in ("UDP", "TCP")]
    endpoints = [{"addresses": [ip], "nodeName": "w1"} for ip in ips]
    return {"items": [{"ports": ports, "endpoints": endpoints}]}


def evidence(
    services: Sequence[dict[str, Any]] = (API, DNS),
    replicas: Sequence[str] = ("10.244.0.7", "10.244.1.3"),
    port: int = 53,
    corefile: str = COREFILE,
    image: str = "registry.example.com/shop:1",
    names: tuple[str, ...] = (),
) -> tuple[Observed, Pod]:
    data = reports.pod_data("shop", "web-1", "w1", "10.244.1.20")
    data["spec"]["containers"][0]["image"] = image
    facts = [got("pod/shop/web-1", data), got("services", {"items": list(services)})]
    for each in services:
        id = f"{each['metadata']['namespace']}/{each['metadata']['name']}"
        facts.append(got(f"endpointslices/{id}", slices(replicas, port)))
    facts.append(got("dns-pods/kube-system/app=kube-dns", {"items": []}))
    if corefile:
        facts.append(got("configmap/kube-system/coredns", {"data": {"Corefile": corefile}}))
    held = Evidence(
        tool="t",
        collected_at="",
        context="",
        request=Request(targets=("pod/shop/web-1",), names=names),
        facts=tuple(facts),
    )
    return Observed(held), read_pod(data)


def target(**given: Any) -> Plan:
    return plan(*_with(Role.TARGET, evidence(**given)))


def _with(role: Role, given: tuple[Observed, Pod]) -> tuple[Observed, Role, Pod]:
    return given[0], role, given[1]


def by_id(made: Plan) -> dict[str, Probe]:
    return {probe.id: probe for probe in made.probes}


def test_whole_words() -> None:
    """What the runner gets, to the letter, for one of each kind."""
    items = {probe.id: probe.item for probe in target(names=("db.example.com",)).probes}
    rest = "+tries=1 +time=2"
    api = "kubernetes.default.svc.cluster.local."
    expected = [
        "conf -/conf file /etc/resolv.conf",
        "app -/app app",
        f"reach.udp.10.96.0.10*8 10.96.0.10#53+udp/gate dig @10.96.0.10 -p 53 -q {api} -t A {rest}",
        f"reach.tcp.10.96.0.10*3 10.96.0.10#53+tcp/gate dig @10.96.0.10 -p 53 -q {api} -t A {rest}"
        " +tcp",
        f"reach.udp.10.244.0.7*3 10.244.0.7#53+udp/gate dig @10.244.0.7 -p 53 -q {api} -t A {rest}",
        "reach.udp.{ns}*3 {ns}#53+udp/gate dig @{ns} -p 53 -q " + f"{api} -t A {rest}",
        "ext.10.96.0.10 10.96.0.10#53+udp/ext.10.96.0.10 dig @10.96.0.10 -p 53 -q db.example.com. "
        "-t A " + rest,
        "up.udp.192.0.2.54*2 192.0.2.54#5353+udp/gate dig @192.0.2.54 -p 5353 -q db.example.com. "
        "-t A " + rest,
        "stub.corp.example..192.0.2.99 192.0.2.99#53+udp/gate dig @192.0.2.99 -p 53 "
        "-q corp.example. -t SOA " + rest,
        "other.10.96.0.1.10.96.0.10 10.96.0.10#53+udp/else dig @10.96.0.1 -p 443 -q . -t NS +tcp "
        + rest,
        "form.kubernetes.default {ns1}#53+udp/form.kubernetes.default dig -q kubernetes.default "
        "-t A +search " + rest,
        "libc.db.example.com {ns1}#53+udp/libc.db.example.com getent ahosts db.example.com",
    ]
    for item in expected:
        assert items[item.split(" ")[0].split("*")[0]] == item
    fixed = items["fixed.10.96.0.10"].split(" ")
    assert fixed[-2] == "-b"
    assert re.fullmatch(r"0\.0\.0\.0#4[0-8]\d{3}", fixed[-1])


MANY = [f"10.244.{n}.2" for n in range(100)]


def sent(made: Plan, nameservers: int, searches: int, known: int) -> int:
    """DNS queries that a plan may send, with its holes filled by a file of that size."""
    return sum(
        probe.cost
        * probe.times
        * (nameservers - known if "{ns}" in probe.item else 1)
        * (searches if "{search}" in probe.item else 1)
        for probe in made.probes
    )


@pytest.mark.parametrize("replicas", [["10.244.0.7", "10.244.1.3"], MANY], ids=["two", "many"])
def test_the_budget_of_a_pod(replicas: list[str]) -> None:
    made = target(
        replicas=replicas,
        services=[API, DNS, service("shop", "web", "10.96.7.7"), service("shop", "x", "None")],
    )
    asked = {probe.argv[1] for probe in made.probes if probe.id.startswith("reach.udp.10.244.")}
    assert len(asked) == min(6, len(replicas))
    assert sent(made, nameservers=1, searches=6, known=1) <= 150


def test_the_runner_is_told_which_nameservers_have_probes() -> None:
    assert target().known == ("10.96.0.10",)
    assert target(services=[API]).known == ()


def test_ports_of_the_pods_behind_the_service() -> None:
    made = by_id(target(port=5353))
    assert made["reach.udp.10.244.0.7"].argv[1:4] == ("@10.244.0.7", "-p", "5353")
    assert made["reach.udp.10.244.0.7"].lane == "10.244.0.7#5353+udp/gate"
    assert made["reach.udp.10.96.0.10"].argv[3] == "53"


def test_two_dns_services_are_both_asked() -> None:
    """And whether another ClusterIP works is asked when either is dead."""
    second = service("kube-system", "coredns", "10.96.0.3", 53)
    made = by_id(target(services=[API, DNS, second]))
    for ip in ("10.96.0.10", "10.96.0.3"):
        assert made[f"reach.udp.{ip}"].times == 8
        assert made[f"other.10.96.0.1.{ip}"].lane == f"{ip}#53+udp/else"
        assert f"fixed.{ip}" in made


def test_ipv6() -> None:
    dns = service("kube-system", "kube-dns", "fd00::a", 53)
    web = service("shop", "web", "fd00::7")
    made = by_id(target(services=[API, dns, web], replicas=["fd01::2"]))
    assert made["reach.udp.fd00::a"].argv[1] == "@fd00::a"
    assert made["fixed.fd00::a"].argv[-1].startswith("::#4")
    assert made["ptr.fd00::a"].argv[5].endswith("0.0.d.f.ip6.arpa.")
    assert "reach.udp.fd01::2" in made


def test_without_a_name_outside() -> None:
    made = by_id(target(image="shop:1"))
    assert not [id for id in made if id.startswith(("ext", "up6"))]
    assert made["up.udp.192.0.2.53"].argv[5:8] == (".", "-t", "NS")


def test_without_a_corefile_the_pod_s_own_file_tells_the_domain() -> None:
    made = by_id(target(corefile=""))
    assert made["reach.udp.10.96.0.10"].argv[5] == "kubernetes.default.svc.{domain}."
    assert not [id for id in made if id.startswith(("up", "stub"))]


def test_nothing_known_is_still_something_to_ask() -> None:
    """Without a single permission: the file, its nameservers, the forms."""
    seen, pod = evidence()
    gaps = tuple(
        Fact(id=fact.id, state=State.UNKNOWN, reason="not allowed")
        if "/shop/" not in fact.id
        else fact
        for fact in seen.evidence.facts
    )
    made = plan(Observed(replace(seen.evidence, facts=gaps)), Role.TARGET, pod)
    assert made.known == ()
    assert {"conf", "app", "reach.udp.{ns}", "reach.tcp.{ns}", "form.kubernetes.default"} <= set(
        by_id(made)
    )


@pytest.mark.parametrize(
    ("role", "starts", "never"),
    [
        (Role.SIBLING, {"conf", "reach", "form", "libc", "walk", "fixed", "up", "ext"}, {"app"}),
        (Role.CONTROL, {"conf", "reach", "other", "ext"}, {"app", "form", "up", "walk", "fixed"}),
        (Role.DEFAULT, {"conf", "reach", "up"}, {"app", "form", "ext", "walk", "other", "svc"}),
    ],
)
def test_what_each_place_is_for(role: Role, starts: set[str], never: set[str]) -> None:
    made = plan(*_with(role, evidence()))
    purposes = {probe.id.split(".")[0] for probe in made.probes}
    assert starts <= purposes
    assert not never & purposes
    assert made.cost < target().cost or role is Role.SIBLING


def test_where_no_target_asks_beside_it_a_place_asks_more() -> None:
    """Where half are lost, of few questions chance spares too many to tell."""
    seen, pod = evidence()
    service = "reach.udp.10.96.0.10"
    for role, beside_a_target, of_a_node in ((Role.CONTROL, 6, 8), (Role.DEFAULT, 4, 6)):
        places = (pod, plain_pod(pod.namespace, pod.node))
        times = [by_id(plan(seen, role, each))[service].times for each in places]
        assert times == [beside_a_target, of_a_node]


def test_a_plan_has_no_dice() -> None:
    assert target() == target()


def test_an_id_is_asked_once() -> None:
    made = target(names=("kubernetes.default", "kubernetes.default", "db.example.com"))
    ids = [id for probe in made.probes for id in probe.ids]
    assert len(ids) == len(set(ids))


PRINTABLE = st.text(st.characters(min_codepoint=0, max_codepoint=0x2FFF), max_size=20)
HOSTILE = st.one_of(
    PRINTABLE,
    st.sampled_from(
        [
            "$(id)",
            "`id`",
            "a b",
            "a\nb",
            "-x",
            "-x.y",
            "y.*99",
            "@evil",
            "x;id",
            "{ns}",
            "*9",
            "a.*99",
            "é.example",
        ]
    ),
)


@given(image=HOSTILE, zone=HOSTILE, upstream=HOSTILE, external=HOSTILE)
def test_hostile_names_stay_words(image: str, zone: str, upstream: str, external: str) -> None:
    """Each item is as many words as were meant, and no name is taken for an option or a repeat."""
    corefile = f"{zone}:53 {{\n forward . {upstream}\n}}\n.:53 {{\n forward . {upstream}\n}}\n"
    odd = service("shop", "odd", "None", externalName=external, clusterIPs=[])
    seen, pod = evidence([API, DNS, odd], corefile=corefile, image=f"{image}.x/y")
    for role in Role:
        for probe in plan(seen, role, pod).probes:
            assert probe.item.split() == probe.item.split(" ")
            assert probe.item.isascii()
            assert probe.item.isprintable()
            command, *words = probe.argv
            assert command in ("dig", "nslookup", "getent", "file", "app", "witness")
            if command == "getent":
                assert re.fullmatch(r"[A-Za-z0-9][\w.-]*|kubernetes\.default\.svc.*", words[1])
            if command == "dig":
                options = [w for w in words if w.startswith("-")]
                follow = {"-p", "-q", "-t", "-b"}
                values = [words[at + 1] for at, w in enumerate(words[:-1]) if w in follow]
                assert set(options) <= follow | set(values)
            if probe.times == 1:
                assert not re.search(r"\*\d+$", probe.id)


@pytest.mark.parametrize(
    ("api", "names", "other"),
    [(API, "A", "AAAA"), (service("default", "kubernetes", "fd00::1", 443), "AAAA", "A")],
    ids=["IPv4", "IPv6"],
)
def test_names_of_the_cluster_are_asked_for_what_they_have(
    api: dict[str, Any], names: str, other: str
) -> None:
    """With IPv6 alone no Service has an A record, and a right answer would look like none."""
    seen, pod = evidence(services=(api, DNS))
    types = {
        probe.id.partition(".")[0]: probe.argv[probe.argv.index("-t") + 1]
        for probe in plan(seen, Role.TARGET, pod).probes
        if "-t" in probe.argv
    }
    asked = {key: types[key] for key in ("reach", "dom", "form", "fixed", "reach6")}
    assert asked == {**dict.fromkeys(asked, names), "reach6": other}
