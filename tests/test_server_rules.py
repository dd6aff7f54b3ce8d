"""What rules of DNS servers make of clusters that were not recorded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kubectl_dnsdebug.model import Confidence, Evidence, Outcome, Severity
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason import diagnose
from tests.dns_cases import BY_SLUG, answered, case, changed, found, logged, with_corefile
from tests.test_pod_rules import lose, retold

TEMPLATE = ".:53 {{\n template ANY AAAA{zone} {{\n  rcode NXDOMAIN\n }}\n forward . 192.0.2.1\n}}\n"


@pytest.mark.parametrize(("zone", "fires"), [("", True), (" cluster.local", True), (" lan", False)])
def test_a_template_for_another_zone_denies_no_ipv6_here(zone: str, fires: bool) -> None:
    """Then the denial is the upstream's doing."""
    evidence = case("template-aaaa-nxdomain/template-aaaa-nxdomain")
    text = TEMPLATE.format(zone=zone)
    assert bool(found("template-aaaa-nxdomain", with_corefile(evidence, text))) is fires


def test_a_slow_upstream_is_no_lack_of_cpu() -> None:
    line = (
        '[WARNING] plugin/health: Local health request to "http://:8080/health" took more than 1s'
    )
    evidence = logged(case("healthy/healthy"), line)
    (finding,) = found("coredns-cpu-starved", evidence)
    assert finding.confidence is Confidence.LIKELY
    slow = answered(evidence, r"ext\.", "NOERROR", "192.0.2.1")
    late = (
        replace(each, out=each.out.replace("time: 1 msec", "time: 1900 msec"))
        if each.probe.startswith("ext.")
        else each
        for each in slow.transcripts
    )
    slow = replace(slow, transcripts=tuple(late))
    (finding,) = found("coredns-cpu-starved", slow)
    assert finding.confidence is Confidence.LIKELY


@pytest.mark.parametrize(
    ("said", "host_network", "cure"),
    [
        ("Listen: listen tcp :53: bind: address already in use", True, "Free the port on w"),
        ("listen tcp :8080: bind: address already in use", False, "within the pod"),
        ("Listen: listen tcp 10.9.9.9:53: bind: cannot assign requested address", False, "bind pl"),
        ("Listen: listen tcp :53: bind: permission denied", False, "NET_BIND_SERVICE"),
    ],
)
def test_why_a_port_cannot_be_bound(said: str, host_network: bool, cure: str) -> None:
    evidence = logged(case("coredns-bind-failed/coredns-bind-failed"), said)
    evidence = changed(
        evidence,
        "dns-pods",
        lambda data: {
            "items": [
                {**pod, "spec": {**pod["spec"], "hostNetwork": host_network}}
                for pod in data["items"]
            ]
        },
    )
    (finding,) = found("coredns-bind-failed", evidence)
    assert cure in finding.remedy


def test_an_evicted_pod_on_record_is_not_why_the_others_are_stuck() -> None:
    def with_evicted(data: Any) -> Any:
        first = data["items"][0]
        status = {"phase": "Failed", "reason": "Evicted", "message": "low on resource: memory"}
        meta = {**first["metadata"], "name": "coredns-0-evicted"}
        return {"items": [{**first, "metadata": meta, "status": status}, *data["items"]]}

    evidence = changed(case("coredns-not-running/coredns-pending"), "dns-pods", with_evicted)
    (finding,) = found("coredns-not-running", evidence)
    assert "is Pending" in finding.message


def test_one_pod_that_cannot_bind_while_others_serve_is_a_warning() -> None:
    line = "Listen: listen tcp :53: bind: address already in use"
    evidence = logged(case("corefile-invalid/one-of-two-crashes"), line)
    assert [f.severity for f in found("coredns-bind-failed", evidence)] == [Severity.WARNING]


def test_a_zone_whose_names_resolve_is_not_broken() -> None:
    """Its servers answer for names, and have no SOA for the zone that the Corefile says."""
    evidence = case("stubdomain-broken/stubdomain-dead")
    assert found("stubdomain-broken", evidence)
    well = answered(evidence, r"user\.A\.", "NOERROR", "192.0.2.7")
    assert not found("stubdomain-broken", well)


@pytest.mark.parametrize(
    ("to", "says"),
    [
        ("10.96.0.10", "their own Service"),
        ("10.96.0.10:53", "their own Service"),
        ("dns://10.96.0.10:53", "their own Service"),
        ("127.0.0.1", "the pod itself"),
        ("127.0.0.53", "the pod itself"),
        ("127.0.0.1:5353", ""),  # a resolver beside it
        ("tls://127.0.0.1", ""),
        ("192.0.2.53", ""),
    ],
)
def test_a_forward_to_itself_without_the_loop_plugin(to: str, says: str) -> None:
    text = f".:53 {{\n kubernetes cluster.local\n forward . {to}\n}}\n"
    evidence = answered(with_corefile(case("healthy/healthy"), text), r"ext", "SERVFAIL")
    said = found("coredns-loop", evidence)
    assert len(said) == bool(says)
    assert all(says in finding.message for finding in said)


REFUSED = ";; communications error to {server}#53: connection refused"


def refused(evidence: Evidence) -> Evidence:
    """With every question to the cluster's DNS refused at once."""
    told = tuple(
        replace(each, out=REFUSED.format(server=each.argv[1][1:]), exit_code=9)
        if each.probe.startswith("reach.")
        else each
        for each in evidence.transcripts
    )
    return replace(evidence, transcripts=told)


def test_a_corefile_on_another_port_than_the_service_leads_to() -> None:
    text = ".:1053 {\n kubernetes cluster.local\n forward . /etc/resolv.conf\n}\n"
    evidence = refused(with_corefile(case("healthy/healthy"), text))
    (finding,) = found("dns-service-misbuilt", evidence)
    assert "leads to 53/UDP of the DNS pods, which take DNS on 1053" in finding.message
    assert "or the port in the Corefile to 53" in finding.remedy
    assert not found("dns-service-misbuilt", refused(case("healthy/healthy")))


def test_a_target_port_by_a_name_that_no_pod_has() -> None:
    def nameless(data: Any) -> Any:
        return {"items": [{**each, "ports": []} for each in data["items"]]}

    evidence = refused(changed(case("healthy/healthy"), "endpointslices", nameless))
    (finding,) = found("dns-service-misbuilt", evidence)
    assert "is a name that no port of the DNS pods has" in finding.message


def test_a_service_without_selector_is_there() -> None:
    def without_selector(data: Any) -> Any:
        return {
            "items": [
                {**each, "spec": {k: v for k, v in each["spec"].items() if k != "selector"}}
                for each in data["items"]
            ]
        }

    evidence = refused(changed(case("healthy/healthy"), "services", without_selector))
    (finding,) = found("dns-service-misbuilt", evidence)
    assert "kube-system/kube-dns is wrong: it has no selector" in finding.message


@pytest.mark.parametrize(
    ("times", "lossy", "outcome"),
    [
        (2, False, Outcome.FOUND),
        (2, True, Outcome.UNKNOWN),
        (1, False, Outcome.UNKNOWN),  # any way loses a single one now and then
    ],
)
def test_a_lossy_way_is_no_bad_dns_pod(times: int, lossy: bool, outcome: Outcome) -> None:
    """A name outside that is lost at one DNS pod, on a way that loses others too or does not."""
    evidence = case("healthy/healthy")
    one = next(e for e in Observed(evidence).dns_endpoints if e.node == "w2").ip
    silence = f";; communications error to {one}#53: timed out\n;; no servers could be reached"
    lost = retold(evidence, lambda t: t.probe == f"ext.{one}", silence, 9)
    again = [t for t in lost.transcripts if t.probe == f"ext.{one}"] * (times - 1)
    more = (replace(t, id=f"{t.id}~{n}", probe=f"{t.probe}~{n}") for n, t in enumerate(again, 2))
    lost = replace(lost, transcripts=(*lost.transcripts, *more))
    if lossy:
        lost = lose(lost, "reach.udp.10.96.0.10~2")
    (verdict,) = diagnose.diagnose(Observed(lost), [BY_SLUG["coredns-replica-divergence"]])
    assert verdict.outcome is outcome
