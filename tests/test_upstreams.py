"""Which servers are upstreams of the cluster's DNS, and what they may be blamed for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kubectl_dnsdebug.model import Confidence, Evidence, Severity
from kubectl_dnsdebug.observe import outside
from tests.dns_cases import answered, case, found, with_corefile
from tests.rule_cases import without

DISAGREE = "upstreams-disagree/upstreams-disagree"
# Of the recorded cluster: the one that knows the corporate zone, and the one that does not.
KNOWING, DENYING = "192.168.102.53", "192.168.102.54"


def forwarding(to: str, more: str = "") -> Evidence:
    text = f".:53 {{\n kubernetes cluster.local\n forward . {to} {{\n max_fails 2\n{more}}}\n}}\n"
    return with_corefile(case(DISAGREE), text)


@pytest.mark.parametrize(
    ("to", "more", "says"),
    [
        (f"{KNOWING} {DENYING}", "", "asks either"),
        (f"{DENYING} {KNOWING}", " policy sequential\n", "asks 192.168.102.54 first"),
        (f"{KNOWING} {DENYING}", " policy sequential\n", ""),
        (f"{KNOWING} {DENYING}", " policy round_robin\n", "asks either"),
        (f"dns://{KNOWING} {DENYING}:53", "", "asks either"),
        (KNOWING, "", ""),  # the other stands in the node's file alone
        ("203.0.113.53", "", ""),
    ],
)
def test_upstreams_that_disagree(to: str, more: str, says: str) -> None:
    said = [finding.message for finding in found("upstreams-disagree", forwarding(to, more))]
    assert len(said) == bool(says)
    assert all(says in message for message in said)


@pytest.mark.parametrize("asked", [True, False])
def test_what_only_the_nodes_server_knows_matters_if_it_was_asked_for(asked: bool) -> None:
    evidence = answered(forwarding(DENYING), r"ext\.", "NXDOMAIN")
    if not asked:
        evidence = replace(evidence, request=replace(evidence.request, names=()))
    said = found("upstreams-disagree", evidence)
    assert [(f.confidence, "asks only" in f.message) for f in said] == [
        (Confidence.LIKELY, True)
    ] * asked


def test_without_the_corefile_a_denial_by_the_cluster_is_needed() -> None:
    config = "configmap/kube-system/coredns"
    unread = without(case(DISAGREE), config)
    flapping = answered(unread, r"ext\.", "NXDOMAIN")
    assert [f.confidence for f in found("upstreams-disagree", flapping)] == [Confidence.LIKELY]
    assert not found("upstreams-disagree", answered(unread, r"ext\.", "NOERROR", "192.0.2.7"))


def test_a_server_of_the_nodes_file_is_not_blamed_where_the_corefile_names_another() -> None:
    silent = case("upstream-timeout/upstream-timeout")
    text = ".:53 {\n kubernetes cluster.local\n forward . 203.0.113.53\n}\n"
    assert all("203.0.113.53" not in f.message for f in found("upstream-timeout", silent))
    assert not [
        f
        for f in found("upstream-timeout", with_corefile(silent, text))
        if "Default pod" in f.message
    ]
    refusing = case("upstream-servfail-refused/upstream-refused")
    (finding,) = found("upstream-servfail-refused", refusing)
    assert finding.severity is Severity.ERROR
    assert not found("upstream-servfail-refused", with_corefile(refusing, text))


def test_one_of_two_upstreams_that_refuses_is_named() -> None:
    """The forward plugin takes either and passes on what it says."""
    refusing = case("upstream-servfail-refused/upstream-refused")
    (alone,) = found("upstream-servfail-refused", refusing)
    upstream = alone.message.partition(" ")[0]
    other = "203.0.113.53"
    more = tuple(
        replace(
            each,
            id=each.id.replace(upstream, other),
            probe=each.probe.replace(upstream, other),
            argv=tuple(word.replace(upstream, other) for word in each.argv),
        )
        for each in refusing.transcripts
        if each.probe.startswith("up")
    )
    both = replace(refusing, transcripts=refusing.transcripts + more)
    sound = answered(both, "up", "NOERROR", "192.0.2.7", server=other)
    text = f".:53 {{\n kubernetes cluster.local\n forward . {upstream} {other}\n}}\n"
    (finding,) = found("upstream-servfail-refused", with_corefile(sound, text))
    assert finding.message == alone.message
    unread = without(sound, "configmap/kube-system/coredns")
    assert not found("upstream-servfail-refused", unread)


@pytest.mark.parametrize(
    ("to", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:5353", "192.0.2.1"),
        ("dns://192.0.2.1", "192.0.2.1"),
        ("tls://192.0.2.1:853%dns.example", "192.0.2.1"),
        ("[2001:db8::1]:53", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_the_address_of_a_target(to: str, address: str) -> None:
    assert outside.address(to) == address
