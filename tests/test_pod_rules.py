"""What rules of the pod, its kubelet and its names make of variants of recorded runs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from kubectl_dnsdebug.model import Confidence, Evidence, Outcome, Transcript, Verdict
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason import diagnose
from kubectl_dnsdebug.rules import RULES
from tests import rule_cases

LOST = ";; communications error to 10.96.0.10#53: timed out\n;; no servers could be reached"


def recorded(case: str) -> Evidence:
    return rule_cases.load(rule_cases.CASES / case / "evidence.json")


def verdict(evidence: Evidence, slug: str) -> Verdict:
    """That of the rule on the only subject of its scope."""
    (found,) = diagnose.diagnose(Observed(evidence), [r for r in RULES if r.slug == slug])
    assert not found.crashed, found.reason
    return found


def retold(
    evidence: Evidence, which: Callable[[Transcript], bool], out: str, code: int = 0
) -> Evidence:
    """The same run, had those commands printed this."""
    assert any(map(which, evidence.transcripts))
    return replace(
        evidence,
        transcripts=tuple(
            replace(t, out=out, exit_code=code, failure="") if which(t) else t
            for t in evidence.transcripts
        ),
    )


def lose(evidence: Evidence, *probes: str) -> Evidence:
    """The same run, had the questions of these probes got lost."""
    return retold(evidence, lambda t: t.probe.startswith(probes), LOST, 9)


def renamed(evidence: Evidence, old: str, new: str) -> Evidence:
    """The same run, had kubelet given that search list."""
    told = tuple(
        replace(t, out=t.out.replace(old, new)) if t.probe == "conf" else t
        for t in evidence.transcripts
    )
    assert told != evidence.transcripts
    return replace(evidence, transcripts=told)


UNDER_LAN = "walk.{}.kubernetes.default.svc.cluster.local.lan.example."


@pytest.mark.parametrize(
    ("slug", "probe"),
    [
        ("host-search-inherited", UNDER_LAN.format("AAAA")),
        ("musl-search-abort", UNDER_LAN.format("A")),
        ("aaaa-delay", "reach6.10.96.0.10"),
    ],
)
def test_one_lost_question_is_chance(slug: str, probe: str) -> None:
    evidence = recorded("healthy/healthy-musl")
    assert verdict(lose(evidence, probe), slug).outcome is Outcome.CLEAR


@pytest.mark.parametrize(
    ("slug", "probes"),
    [
        ("host-search-inherited", (UNDER_LAN.format("A"), UNDER_LAN.format("AAAA"))),
        ("aaaa-delay", ("reach6.",)),
    ],
)
def test_more_than_one_is_not(slug: str, probes: tuple[str, ...]) -> None:
    evidence = recorded("healthy/healthy-musl")
    assert verdict(lose(evidence, *probes), slug).outcome is Outcome.FOUND


DOMAIN = "shop.svc.cluster.local svc.cluster.local cluster.local"
NXDOMAIN = """\
;; ->>HEADER<<- opcode: QUERY, status: NXDOMAIN, id: 1
;; flags: qr aa rd; QUERY: 1, ANSWER: 0, AUTHORITY: 0, ADDITIONAL: 0
;; Query time: 0 msec
;; SERVER: 10.96.0.10#53(10.96.0.10) (UDP)"""


@pytest.mark.parametrize(
    "wrong",
    ["prod.cluster.local", "k8s.example.com"],
    ids=["below the zone", "elsewhere"],
)
@pytest.mark.parametrize(("out", "code"), [(NXDOMAIN, 0), (LOST, 9)], ids=["denied", "silent"])
def test_a_domain_that_the_server_does_not_own(wrong: str, out: str, code: int) -> None:
    """Whatever an upstream says of it, were it nothing."""
    given = DOMAIN.replace("cluster.local", wrong)
    evidence = renamed(recorded("healthy/healthy"), DOMAIN, given)
    evidence = retold(evidence, lambda t: t.probe.startswith("dom."), out, code)
    (found,) = verdict(evidence, "clusterdomain-mismatch").findings
    assert f"the cluster domain {wrong}" in found.message
    assert found.confidence is Confidence.CERTAIN


def test_a_kubelet_without_a_cluster_domain() -> None:
    evidence = renamed(recorded("healthy/healthy"), f"{DOMAIN} ", "")
    evidence = replace(
        evidence,
        transcripts=tuple(t for t in evidence.transcripts if not t.probe.startswith("dom.")),
    )
    (found,) = verdict(evidence, "clusterdomain-mismatch").findings
    assert "no cluster domain" in found.message
    assert found.verify.startswith("dig kubernetes.default.svc. @10.96.0.10 ")


def test_the_host_s_file_says_nothing_of_a_cluster_domain() -> None:
    evidence = renamed(recorded("healthy/healthy"), f"{DOMAIN} ", "")
    evidence = renamed(evidence, "nameserver 10.96.0.10", "nameserver 192.168.100.53")
    assert verdict(evidence, "clusterdomain-mismatch").outcome is Outcome.CLEAR


MEMBER = "db-0.peers"
SERVFAIL = NXDOMAIN.replace("NXDOMAIN", "SERVFAIL")


def asked_for(name: str, beyond: str) -> Evidence:
    """A healthy run with a name that the cluster denies, and an upstream that says that of it."""
    evidence = recorded("wrong-name/wrong-name")
    told = tuple(
        replace(
            t,
            id=t.id.replace("payments", name),
            probe=t.probe.replace("payments", name),
            argv=tuple(word.replace("payments", name) for word in t.argv),
            out=t.out.replace("payments", name)
            if t.argv[0] != "dig" or "cluster.local" in " ".join(t.argv)
            else beyond,
        )
        if any("payments" in word for word in t.argv)
        else t
        for t in evidence.transcripts
    )
    return replace(evidence, request=replace(evidence.request, names=(name,)), transcripts=told)


@pytest.mark.parametrize("name", [MEMBER, f"{MEMBER}.shop", f"{MEMBER}.shop.svc"])
@pytest.mark.parametrize("beyond", [NXDOMAIN, SERVFAIL], ids=["denied", "failed"])
def test_the_name_of_a_pod_is_not_misspelt(name: str, beyond: str) -> None:
    """However short it is typed, its headless Service is there."""
    evidence = asked_for(name, beyond)
    (found,) = verdict(evidence, "headless-or-pod-record-missing").findings
    assert f"{MEMBER}.shop.svc.cluster.local. is NXDOMAIN" in found.message
    assert verdict(evidence, "wrong-name").outcome is Outcome.CLEAR


def test_a_pod_of_a_service_that_is_not_there() -> None:
    evidence = asked_for("db-0.database", NXDOMAIN)
    assert verdict(evidence, "headless-or-pod-record-missing").outcome is Outcome.CLEAR
    assert verdict(evidence, "wrong-name").outcome is Outcome.FOUND


IPV6_ALONE = """\
;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1
;; flags: qr aa rd; QUERY: 1, ANSWER: 2, AUTHORITY: 0, ADDITIONAL: 0
;; ANSWER SECTION:
{name} 5 IN CNAME v6.example.com.
v6.example.com. 5 IN AAAA 2001:db8::1
;; Query time: 0 msec"""
NODATA = NXDOMAIN.replace("NXDOMAIN", "NOERROR")


def test_an_alias_of_a_host_with_ipv6_alone() -> None:
    name = "bank.shop.svc.cluster.local."
    evidence = recorded("externalname-bad/externalname-address")
    asked = [t for t in evidence.transcripts if name in t.argv]
    evidence = retold(evidence, lambda t: t in asked and "AAAA" not in t.argv, NODATA)
    evidence = retold(
        evidence, lambda t: name in t.argv and "AAAA" in t.argv, IPV6_ALONE.format(name=name)
    )
    assert verdict(evidence, "externalname-bad").outcome is Outcome.CLEAR


def test_two_addresses_of_the_dns_service_are_one_server() -> None:
    """That they disagree is by the pod that chance picks, not for the file."""
    evidence = recorded("mixed-nameservers/mixed-nameservers-glibc")
    assert verdict(evidence, "mixed-nameservers").outcome is Outcome.FOUND
    other = next(
        ip
        for t in evidence.transcripts
        if t.probe == "conf" and t.vantage.startswith("target:")
        for ip in re.findall(r"^nameserver (\S+)", t.out, re.MULTILINE)
        if ip != "10.96.0.10"
    )
    both = json.dumps(["10.96.0.10", other])
    facts = tuple(
        replace(f, data=json.loads(json.dumps(f.data).replace('["10.96.0.10"]', both)))
        if f.id == "services"
        else f
        for f in evidence.facts
    )
    assert verdict(replace(evidence, facts=facts), "mixed-nameservers").outcome is Outcome.CLEAR


@pytest.mark.parametrize(
    ("release", "outcome"),
    [
        ("", Outcome.FOUND),
        ("1.2.3-r4", Outcome.FOUND),
        ("1.2.4-r0", Outcome.CLEAR),
        ("1.2.5-r10", Outcome.CLEAR),
    ],
)
def test_newer_musl_passes_over_a_dot(release: str, outcome: Outcome) -> None:
    evidence = recorded("search-line-bad/search-dot")
    told = f"loader /lib/ld-musl-x86_64.so.1\nmusl {release}" if release else "loader /lib/ld-musl"
    evidence = retold(evidence, lambda t: t.probe == "app", told)
    found = verdict(evidence, "search-line-bad")
    assert found.outcome is outcome
    sure = {f.confidence for f in found.findings}
    assert sure <= {Confidence.CERTAIN if release else Confidence.LIKELY}


def test_a_search_list_by_hand_without_the_pods_own_namespace() -> None:
    """Names of other namespaces resolve; the one that was asked for is in the pod's own."""
    evidence = asked_for("api", NXDOMAIN)
    assert verdict(evidence, "dnspolicy-not-cluster").outcome is Outcome.CLEAR
    evidence = renamed(evidence, "shop.svc.cluster.local ", "")
    evidence = retold(evidence, lambda t: t.probe == "form.api", NXDOMAIN)
    facts = tuple(
        replace(f, data={**f.data, "spec": {**f.data["spec"], "dnsPolicy": "None"}})
        if f.id == "pod/shop/web"
        else f
        for f in evidence.facts
    )
    (found,) = verdict(replace(evidence, facts=facts), "dnspolicy-not-cluster").findings
    assert "no search suffix shop.svc.cluster.local, where api is" in found.message
