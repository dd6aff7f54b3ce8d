"""What the pictures make of answers: nothing lost in a cell, no station that is not there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kubectl_dnsdebug.model import Fact, Role, State, Status, Subject, Transcript, Transport, pod
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.report import pictures
from kubectl_dnsdebug.report.pictures import Form, HopState, Matrix
from tests.reports import (
    API,
    CONF,
    COREDNS_A,
    COREDNS_B,
    DEAD,
    OUTSIDE,
    SERVICE,
    UPSTREAM,
    Place,
    cluster,
    evidence,
    got,
    in_pod,
    pod_data,
    surroundings,
)

WEB = pod("shop", "web-1")


def observed(*places: Place, facts: tuple[Fact, ...] = ()) -> Observed:
    return Observed(evidence(*places, *surroundings(), facts=facts))


def matrix(*places: Place, facts: tuple[Fact, ...] = ()) -> Matrix:
    (made,) = pictures.matrices(observed(*places, facts=facts))
    return made


def changed(facts: tuple[Fact, ...], id: str, **spec: Any) -> tuple[Fact, ...]:
    """The facts with fields of one pod's spec set."""
    return tuple(
        got(id, {**fact.data, "spec": {**fact.data["spec"], **spec}}) if fact.id == id else fact
        for fact in facts
    )


@pytest.mark.parametrize(
    ("said", "worst", "count"),
    [
        ("10.96.0.1 10.96.0.1 10.96.0.1", Status.NOERROR, 3),
        ("10.96.0.1 10.96.0.1 SERVFAIL", Status.SERVFAIL, 1),
        ("SERVFAIL SERVFAIL dead", Status.TIMEOUT, 1),
        ("NXDOMAIN NXDOMAIN REFUSED", Status.NXDOMAIN, 2),
    ],
)
def test_a_cell_hides_no_failure(said: str, worst: Status, count: int) -> None:
    place = in_pod()
    for n, each in enumerate(said.split(), 1):
        place.ask(f"reach.udp~{n}", SERVICE, API, each)
    (row,) = matrix(place).rows
    cell = row.cells[SERVICE, Transport.UDP]
    assert (cell.status, cell.count, cell.asked) == (worst, count, 3)


def test_rows_stand_by_what_their_names_are() -> None:
    place = in_pod()
    place.ask("ext", SERVICE, OUTSIDE, "198.51.100.1")
    place.ask("walk.A.x.lan", SERVICE, "x.lan.", "NXDOMAIN")
    place.ask("other.10.96.0.1", "10.96.0.1", ".", "REFUSED", "NS", tcp=True)
    place.say("form.web", ("dig", "-q", "web", "-t", "A", "+search"), "")
    place.say("libc.web", ("getent", "ahosts", "web"), "10.96.7.7  STREAM web")
    place.ask("reach.udp~1", SERVICE, API, "10.96.0.1")
    made = matrix(place)
    assert [(row.form, row.name, row.tool) for row in made.rows] == [
        (Form.KUBERNETES, API, "dig"),
        (Form.RELATIVE, "web", "dig"),
        (Form.RELATIVE, "web", "getent"),
        (Form.EXTERNAL, OUTSIDE, "dig"),
    ]
    assert made.servers == {SERVICE: "Service kube-dns"}


def test_names_that_must_resolve_and_do_not_are_a_symptom() -> None:
    ((subject, text),) = pictures.failures([matrix(in_pod().battery({COREDNS_A: DEAD}))])
    assert subject == WEB
    assert f"{API} A of {COREDNS_A} over UDP: timeout" in text


def test_a_server_that_need_not_know_cluster_names_is_no_symptom() -> None:
    # A pod of the host's DNS, a nameserver of dnsConfig, a DNS pod that takes no traffic.
    other = "198.51.100.9"
    place = in_pod(conf=f"nameserver {SERVICE}\nnameserver {other}\n")
    place.ask("reach.udp~1", other, API, "NXDOMAIN")
    for spec in ({"dnsPolicy": "Default"}, {"dnsConfig": {"nameservers": [other]}}):
        facts = changed(cluster("web-1"), "pod/shop/web-1", **spec)
        assert pictures.failures([matrix(place, facts=facts)]) == []
    assert pictures.failures([matrix(place)])


def test_the_path_says_where_it_breaks() -> None:
    seen = observed(in_pod().battery({SERVICE: DEAD, COREDNS_B: "SERVFAIL"}))
    (path,) = pictures.paths(seen)
    assert [(hop.stage, hop.label, hop.state, hop.detail) for hop in path] == [
        (0, "web-1", HopState.OK, "musl 1.2.5"),
        (1, f"{SERVICE} kube-dns", HopState.BROKEN, "timeout"),
        (2, "coredns-a@w1", HopState.OK, ""),
        (2, "coredns-b@cp", HopState.BROKEN, "servfail"),
        (3, f"upstream {UPSTREAM}", HopState.OK, ""),
    ]


def dns_pods(*pods: dict[str, Any]) -> tuple[Fact, ...]:
    facts = [fact for fact in cluster("web-1") if not fact.id.startswith("dns-pods/")]
    return (*facts, got("dns-pods/kube-system/app=kube-dns", {"items": list(pods)}))


def test_a_dns_pod_that_cannot_be_asked_says_what_it_waits_for() -> None:
    waits = {"waiting": {"reason": "CrashLoopBackOff"}}
    ill = pod_data("kube-system", "coredns-c", "w2", "", ready="False", state=waits)
    (path,) = pictures.paths(observed(in_pod(), facts=dns_pods(ill)))
    hop = next(hop for hop in path if hop.stage == 2)
    assert (hop.state, hop.detail) == (HopState.BROKEN, "CrashLoopBackOff")


def test_no_dns_pods_is_a_station_too() -> None:
    (path,) = pictures.paths(observed(in_pod(), facts=dns_pods()))
    assert [hop.label for hop in path if hop.stage == 2] == ["no DNS pods"]


def test_dns_pods_that_could_not_be_read_are_unknown() -> None:
    gap = Fact(id="dns-pods/kube-system/x", state=State.UNKNOWN, reason="not allowed to list pods")
    facts = tuple(fact for fact in cluster("web-1") if not fact.id.startswith("dns-pods/"))
    (path,) = pictures.paths(observed(in_pod(), facts=(*facts, gap)))
    assert [hop.state for hop in path if hop.stage == 2] == [HopState.UNKNOWN]


def test_a_node_cache_that_kubelet_gives_is_expected() -> None:
    conf = CONF.replace(SERVICE, "169.254.20.10")
    default = Place(Role.DEFAULT).file("nameserver 192.0.2.53\nsearch lan\n")
    seen = Observed(evidence(in_pod(conf=conf), Place(Role.CONTROL).file(conf), default))
    (files,) = pictures.resolv_confs(seen)
    assert files.differences == ()


def test_a_policy_of_the_host_needs_no_dns_service() -> None:
    facts = changed(cluster("web-1"), "pod/shop/web-1", dnsPolicy="Default")
    facts = tuple(fact for fact in facts if fact.id != "services")
    place = in_pod(conf="nameserver 192.0.2.53\nsearch lan\n")
    (files,) = pictures.resolv_confs(observed(place, facts=facts))
    assert files.gaps == ()
    assert files.differences == ()


LOG = ("2025-01-01T00:00:00Z [FATAL] plugin/loop: Loop detected", "2025-01-01T00:00:01Z bye")


@pytest.mark.parametrize(
    ("fact", "line"),
    [
        (
            got("log/kube-system/coredns-a", {"lines": LOG}),
            "log/kube-system/coredns-a: [FATAL] plugin/loop: Loop detected",
        ),
        (got("log/kube-system/coredns-a", {"lines": []}), "log/kube-system/coredns-a: empty"),
        (
            got("pod/kube-system/c", pod_data("kube-system", "c", "w1", "", ready="False")),
            "pod/kube-system/c: Running, not ready",
        ),
        (
            got("endpointslices/kube-system/d", {"items": []}),
            "endpointslices/kube-system/d: no endpoints",
        ),
        (
            got("configz/w1", {"clusterDNS": ["10.96.0.99"], "resolvConf": "/etc/resolv.conf"}),
            "kubelet of w1: clusterDNS 10.96.0.99, resolvConf /etc/resolv.conf",
        ),
        (
            Fact(id="services", state=State.UNKNOWN, reason="not allowed to list services"),
            "services: not allowed to list services",
        ),
        (
            got("configmap/x/y", {"data": {"Corefile": ".:53 {\n  loop\n}"}}),
            "configmap/x/y: Corefile .:53 { loop }",
        ),
    ],
)
def test_a_fact_proves_in_one_line(fact: Fact, line: str) -> None:
    seen = Observed(evidence(facts=(fact,)))
    assert pictures.proofs(seen, {fact.id: "", "nothing": ""}) == {fact.id: line}


def test_an_answer_proves_in_one_line() -> None:
    place = in_pod()
    lost = place.ask("reach.udp~1", SERVICE, API, DEAD)
    came = place.ask("reach.udp~2", SERVICE, API, "10.96.0.1", ms=3)
    conf = f"{place.vantage.id}#conf"
    lines = pictures.proofs(observed(place), dict.fromkeys([lost, came, conf], ""))
    assert lines[lost] == f"dig {API} A @{SERVICE} over UDP: timeout"
    assert lines[came] == f"dig {API} A @{SERVICE} over UDP: noerror 10.96.0.1 in 3 ms"
    assert lines[conf].startswith("/etc/resolv.conf at target:shop/web-1: ")


def test_of_many_lines_those_that_speak_of_the_finding_prove() -> None:
    flows = [
        f"flow udp 17 src=10.244.1.{n} dst=10.96.0.10 sport=4000{n} dport=53" for n in range(9)
    ]
    long = Transcript(
        id="host#flows", vantage="host", probe="host.flows", argv=(), out="\n".join(flows)
    )
    log = got(
        "log/kube-system/dns", {"lines": ["[ERROR] a.test. failed", "[ERROR] b.test. failed"]}
    )
    seen = Observed(replace(evidence(facts=(log,)), transcripts=(long,)))
    lines = pictures.proofs(
        seen,
        {long.id: "Port 40007 of 10.244.1.7 is stuck.", log.id: "a.test. does not resolve."},
    )
    assert lines[long.id].startswith(f"host.flows at host: {flows[7]}; ")
    assert lines[log.id].endswith(": [ERROR] a.test. failed")


def test_a_target_that_is_gone_leaves_empty_pictures() -> None:
    seen = Observed(evidence(facts=(got("services", {"items": []}),)))
    assert pictures.target(seen)["pods"] == []
    assert pictures.matrices(seen) == ()
    assert pictures.paths(seen) == ()
    assert pictures.resolv_confs(seen) == ()
    assert Subject.parse("pod/shop/web-1") == WEB
