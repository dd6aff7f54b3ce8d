"""What rules make of what a node shows: certain, likely, or turned down by a contradiction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kubectl_dnsdebug.anonymize import anonymize
from kubectl_dnsdebug.model import (
    Confidence,
    Evidence,
    Outcome,
    Role,
    Subject,
    Transcript,
    Vantage,
)
from kubectl_dnsdebug.model import node as on_node
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason import diagnose
from kubectl_dnsdebug.rules import RULES
from tests import rule_cases
from tests.test_host import BRIDGE_NF, PODS, SERVICE, text

RISING = "cpu=0 insert_failed=7\nagain\ncpu=0 insert_failed=8"


def table(count: int) -> str:
    """The kernel's settings of a node with that many flows of a thousand."""
    return f"net.netfilter.nf_conntrack_count = {count}\nnet.netfilter.nf_conntrack_max = 1000"


DEEP = [
    ("bridge-nf-off", "node/w1"),
    ("no-default-route", "node/w1"),
    ("kube-proxy-rules-missing", "node/w1"),
    ("conntrack-stale-udp", "pod/shop/victim"),
    ("host-loopback-nameserver", "node/w1"),
    ("runtime-fallback-8888", "node/w1"),
    ("conntrack-race", "pod/shop/web"),
    ("ipvs-stale", "pod/shop/victim"),
]


def verdict(seen: Observed, slug: str, subject: str) -> Any:
    rule = next(each for each in RULES if each.slug == slug)
    found = diagnose.diagnose(seen, [rule])
    return next(each for each in found if each.subject == Subject.parse(subject))


def deep(slug: str) -> Any:
    return rule_cases.load(rule_cases.CASES / slug / f"{slug}-deep" / "evidence.json")


@pytest.mark.parametrize(("slug", "subject"), DEEP)
def test_it_is_certain_where_the_node_was_looked_at(slug: str, subject: str) -> None:
    found = verdict(Observed(deep(slug)), slug, subject)
    assert [each.confidence for each in found.findings] == [Confidence.CERTAIN]
    assert any("#host." in id for id in found.findings[0].evidence)


@pytest.mark.parametrize("slug", ["bridge-nf-off", "kube-proxy-rules-missing"])
def test_it_is_likely_where_the_node_could_not_be_looked_at(slug: str) -> None:
    whole = deep(slug)
    refused = replace(
        whole,
        vantages=tuple(
            replace(each, failure="refused") if each.role is Role.HOST else each
            for each in whole.vantages
        ),
    )
    found = verdict(Observed(refused), slug, "node/w1")
    assert [each.confidence for each in found.findings] == [Confidence.LIKELY]
    assert "--deep" in found.findings[0].settles


def test_flows_that_took_too_long_to_read_are_unknown() -> None:
    """A flow of any port may be stuck: what the pod's own questions do is no answer then."""
    whole = rule_cases.load(
        rule_cases.CASES / "conntrack-stale-udp" / "conntrack-stale-restart" / "evidence.json"
    )
    cut = replace(
        whole,
        transcripts=tuple(
            replace(each, exit_code=124) if each.probe == f"host.flows.{SERVICE}" else each
            for each in whole.transcripts
        ),
    )
    told = verdict(Observed(cut), "conntrack-stale-udp", "pod/shop/victim")
    assert told.outcome is Outcome.UNKNOWN
    assert "took too long" in told.reason


@pytest.mark.parametrize(
    ("slug", "subject", "probe", "says"),
    [
        ("bridge-nf-off", "node/w1", "host.sysctl", f"{BRIDGE_NF} = 1\nbridge cni0"),
        ("bridge-nf-off", "node/w1", "host.sysctl", f"{BRIDGE_NF} absent"),
        (
            "no-default-route",
            "node/w1",
            f"host.route.{SERVICE}",
            "10.96.0.10 dev eth0 src 10.1.1.1",
        ),
        ("kube-proxy-rules-missing", "node/w1", "host.nat", "nat"),
        ("conntrack-stale-udp", "pod/shop/victim", f"host.flows.{SERVICE}", "flows 12 odd 0"),
        ("ipvs-stale", "pod/shop/victim", f"host.connections.{SERVICE}", "flows 12 odd 0"),
        (
            "runtime-fallback-8888",
            "node/w1",
            "host.file./etc/resolv.conf",
            "file /etc/resolv.conf\nline /etc/resolv.conf nameserver 8.8.8.8",
        ),
    ],
)
def test_what_the_node_shows_turns_a_likely_cause_down(
    slug: str, subject: str, probe: str, says: str
) -> None:
    whole = deep(slug)
    if says == "nat":
        pods = sorted(each.ip for each in Observed(whole).dns_endpoints)
        says = text("nat").replace(PODS[0], pods[0]).replace(PODS[1], pods[1])
    told = replace(
        whole,
        transcripts=tuple(
            replace(each, out=says, exit_code=0) if each.probe == probe else each
            for each in whole.transcripts
        ),
    )
    assert verdict(Observed(told), slug, subject).outcome is Outcome.CLEAR


@pytest.mark.parametrize("silent", ["host.counters", "host.log"])
def test_a_full_table_that_drops_is_certain_by_either_word(silent: str) -> None:
    whole = rule_cases.load(rule_cases.CASES / "conntrack-full/conntrack-full/evidence.json")
    told = without_probe(whole, silent)
    (finding,) = verdict(Observed(told), "conntrack-full", "node/w1").findings
    assert finding.confidence is Confidence.CERTAIN
    bare = without_probe(told, "host.log", "host.counters")
    assert all(
        each.confidence is Confidence.LIKELY
        for each in verdict(Observed(bare), "conntrack-full", "node/w1").findings
    )


def without_probe(evidence: Evidence, *probes: str) -> Evidence:
    kept = tuple(each for each in evidence.transcripts if each.probe not in probes)
    return replace(evidence, transcripts=kept)


@pytest.mark.parametrize(
    ("probe", "says", "words"),
    [
        (
            "host.counters",
            "rp_filtered=3\nagain\nrp_filtered=9",
            "dropped 6 packets by its reverse",
        ),
        ("host.counters", "rp_filtered=3\nagain\nrp_filtered=3", ""),
    ],
)
def test_answers_that_the_node_drops_itself(probe: str, says: str, words: str) -> None:
    recorded = rule_cases.read(rule_cases.CASES / "overlay-broken" / "overlay-broken")
    seen = Observed(looked_at(recorded.evidence, "w1", probe, says))
    (finding,) = verdict(seen, "overlay-broken", "node/w1").findings
    assert words in finding.message
    assert ("rp_filter" in finding.remedy) is bool(words)


def test_a_restart_of_dns_since_the_client_started_is_told() -> None:
    slug, subject = "conntrack-stale-udp", "pod/shop/victim"
    restarted = rule_cases.load(rule_cases.CASES / slug / "conntrack-stale-restart/evidence.json")
    (finding,) = verdict(Observed(restarted), slug, subject).findings
    assert "DNS was restarted since victim started" in finding.message
    assert any(id.startswith("dns-pods/") for id in finding.evidence)
    (finding,) = verdict(Observed(deep(slug)), slug, subject).findings
    assert "restarted" not in finding.message


def test_rules_that_name_a_pod_of_the_past() -> None:
    whole = deep("kube-proxy-rules-missing")
    told = replace(
        whole,
        transcripts=tuple(
            replace(each, out=text("nat").replace(PODS[0], "10.244.9.9"))
            if each.probe == "host.nat"
            else each
            for each in whole.transcripts
        ),
    )
    (finding,) = verdict(Observed(told), "kube-proxy-rules-missing", "node/w1").findings
    assert finding.confidence is Confidence.CERTAIN
    assert "10.244.9.9" in finding.message


@pytest.mark.parametrize(
    ("slug", "case", "subject"),
    [
        ("conntrack-full", "conntrack-full", "node/w1"),
        ("conntrack-race", "conntrack-race-deep", "pod/shop/web"),
        ("ip-forward-off", "ip-forward-off", "node/w1"),
        ("ipvs-stale", "ipvs-stale-deep", "pod/shop/victim"),
        ("nodelocal-down", "nodelocal-address-missing", "node/w1"),
        ("overlay-broken", "rp-filter-strict", "node/w1"),
    ],
)
def test_names_that_are_hidden_change_nothing(slug: str, case: str, subject: str) -> None:
    whole = rule_cases.load(rule_cases.CASES / slug / case / "evidence.json")
    (plain,) = verdict(Observed(whole), slug, subject).findings
    hidden = anonymize(whole, b"a key of some length" * 2)
    rule = next(each for each in RULES if each.slug == slug)
    (told,) = (f for v in diagnose.diagnose(Observed(hidden), [rule]) for f in v.findings)
    assert (told.confidence, len(told.evidence)) == (plain.confidence, len(plain.evidence))


def looked_at(evidence: Evidence, node: str, probe: str, says: str) -> Evidence:
    """The same, had --deep shown this of the node."""
    place = Vantage(
        id=f"host:kube-system@{node}", role=Role.HOST, node=node, stands_for=on_node(node)
    )
    told = Transcript(
        id=f"{place.id}#{probe}",
        vantage=place.id,
        probe=probe,
        argv=("witness",),
        out=says,
        exit_code=0,
    )
    return replace(
        evidence,
        vantages=(*evidence.vantages, place),
        transcripts=(*evidence.transcripts, told),
    )


@pytest.mark.parametrize("case", ["dns-service-local-policy", "dns-no-ready-endpoints"])
def test_rules_that_are_rightly_not_there(case: str) -> None:
    slug = "kube-proxy-rules-missing"
    recorded = rule_cases.read(rule_cases.CASES / slug / case)
    seen = Observed(looked_at(recorded.evidence, "w1", "host.nat", text("nat-flushed")))
    assert verdict(seen, slug, "node/w1").outcome is Outcome.CLEAR


@pytest.mark.parametrize(
    ("slug", "case", "probe", "says", "confidence"),
    [
        ("conntrack-full", "half-of-new-flows-lost", "host.sysctl", table(998), "likely"),
        ("conntrack-full", "half-of-new-flows-lost", "host.sysctl", table(900), "likely"),
        ("conntrack-full", "half-of-new-flows-lost", "host.sysctl", table(200), ""),
        ("conntrack-full", "half-of-new-flows-lost", "host.sysctl", "", ""),
        ("conntrack-race", "conntrack-race", "host.counters", "cpu=0 insert_failed=7", "likely"),
        ("conntrack-race", "conntrack-race", "host.counters", RISING, "certain"),
        ("conntrack-race", "conntrack-race", "host.counters", "cpu=0 insert_failed=0", ""),
    ],
)
def test_what_the_table_of_flows_says(
    slug: str, case: str, probe: str, says: str, confidence: str
) -> None:
    recorded = rule_cases.read(rule_cases.CASES / slug / case)
    (subject,) = recorded.subjects
    node = subject.removeprefix("node/") if subject.startswith("node/") else "w1"
    seen = Observed(looked_at(recorded.evidence, node, probe, says))
    found = verdict(seen, slug, subject).findings
    assert [each.confidence.value for each in found] == ([confidence] if confidence else [])
