"""How many lost questions it takes to say that only the way through the Service loses them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kubectl_dnsdebug.model import Confidence, Evidence, Outcome, Role, Status, Transport
from kubectl_dnsdebug.observe.observed import Observed
from tests import rule_cases
from tests.test_host_rules import verdict

SERVICE = "10.96.0.10"
BRIDGED = rule_cases.CASES / "bridge-nf-off" / "bridge-nf-off" / "evidence.json"


def with_losses(evidence: Evidence, most: int) -> Evidence:
    """The same, had the Service left no more questions unanswered, the control pod's first."""
    lost = sorted(
        a.id
        for a in Observed(evidence).answers
        if a.server == SERVICE and "@w2" not in a.vantage and a.status is Status.TIMEOUT
    )
    answer = {
        a.transport: next(t for t in evidence.transcripts if t.id == a.id)
        for a in Observed(evidence).answers
        if a.server == SERVICE and a.status is Status.NOERROR and "#reach." in a.id
    }
    assert set(answer) == set(Transport)
    return replace(
        evidence,
        transcripts=tuple(
            replace(each, out=answer[_transport(each.argv)].out, exit_code=0)
            if each.id in lost[most:] and "#reach." in each.id
            else each
            for each in evidence.transcripts
        ),
    )


def _transport(argv: tuple[str, ...]) -> Transport:
    return Transport.TCP if "+tcp" in argv else Transport.UDP


@pytest.mark.parametrize(("most", "outcome"), [(99, Outcome.FOUND), (4, Outcome.UNKNOWN)])
def test_a_few_lost_questions_accuse_no_bridge(most: int, outcome: Outcome) -> None:
    recorded = rule_cases.read(rule_cases.CASES / "bridge-nf-off" / "bridge-nf-off")
    seen = Observed(with_losses(recorded.evidence, most))
    assert verdict(seen, "bridge-nf-off", "node/w1").outcome is outcome


@pytest.mark.parametrize(
    ("udp", "tcp", "outcome"),
    [(1, 1, Outcome.FOUND), (1, 0, Outcome.CLEAR), (0, 2, Outcome.CLEAR), (0, 0, Outcome.CLEAR)],
)
def test_where_the_setting_is_seen_two_losses_of_any_transport_tell(
    udp: int, tcp: int, outcome: Outcome
) -> None:
    """Half of the questions are lost: of ten over UDP no more than one once in ninety runs. All
    over TCP alone would be another cause."""
    whole = rule_cases.load(rule_cases.CASES / "bridge-nf-off" / "nodes-deep" / "evidence.json")
    said = {t.id: t for t in whole.transcripts}
    reaches = [a for a in Observed(whole).answers if "#reach." in a.id]
    some = {(a.transport, a.status): said[a.id] for a in reaches if a.server == SERVICE}
    left = {Transport.UDP: udp, Transport.TCP: tcp}
    for each in reaches:
        if each.server == SERVICE and each.vantage in ("control:shop@w1", "default:shop@w1"):
            lost = left[each.transport] > 0
            left[each.transport] -= lost
            like = some[each.transport, Status.TIMEOUT if lost else Status.NOERROR]
            said[each.id] = replace(said[each.id], out=like.out, exit_code=like.exit_code)
    seen = Observed(replace(whole, transcripts=tuple(said.values())))
    assert verdict(seen, "bridge-nf-off", "node/w1").outcome is outcome


def test_one_pods_bad_luck_is_no_node_without_rules() -> None:
    """Of two DNS pods the control pod met the bridged one each time, the others did not."""
    recorded = rule_cases.read(rule_cases.CASES / "bridge-nf-off" / "bridge-nf-off")
    whole = recorded.evidence
    lost = next(
        each
        for each in whole.transcripts
        if "#reach.udp" in each.id and SERVICE in each.id and "timed out" in each.out
    )
    unlucky = replace(
        whole,
        transcripts=tuple(
            replace(each, out=lost.out, exit_code=lost.exit_code)
            if each.id.startswith(f"control:shop@w1#reach.udp.{SERVICE}")
            else each
            for each in whole.transcripts
        ),
    )
    seen = Observed(unlucky)
    assert verdict(seen, "kube-proxy-rules-missing", "node/w1").outcome is not Outcome.FOUND
    assert verdict(seen, "bridge-nf-off", "node/w1").outcome is Outcome.FOUND


@pytest.mark.parametrize(
    ("slug", "case", "subject"),
    [
        ("conntrack-stale-udp", "conntrack-stale-udp-deep", "pod/shop/victim"),
        ("ipvs-stale", "ipvs-stale", "pod/shop/victim"),
    ],
)
def test_two_questions_of_one_port_are_no_stale_flow_where_others_are_lost(
    slug: str, case: str, subject: str
) -> None:
    whole = rule_cases.read(rule_cases.CASES / slug / case).evidence
    timeout = next(t for t in rule_cases.load(BRIDGED).transcripts if "timed out" in t.out)

    def lost(*probes: str) -> Observed:
        """Without a look at the node, had these been lost."""
        return Observed(
            replace(
                whole,
                vantages=tuple(v for v in whole.vantages if v.role is not Role.HOST),
                transcripts=tuple(
                    replace(t, out=timeout.out, exit_code=timeout.exit_code)
                    if t.probe.startswith(probes)
                    else t
                    for t in whole.transcripts
                    if not t.vantage.startswith("host:")
                ),
            )
        )

    assert verdict(lost("fixed."), slug, subject).outcome is Outcome.FOUND
    assert verdict(lost("fixed.", "svc.api."), slug, subject).outcome is Outcome.CLEAR


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        ("network unreachable", Outcome.FOUND),
        ("host unreachable", Outcome.CLEAR),
        ("permission denied", Outcome.CLEAR),
    ],
)
def test_a_firewall_that_refuses_pods_is_no_missing_route(words: str, outcome: Outcome) -> None:
    """As firewalld refuses: host prohibited, which programs know as an unreachable host."""
    whole = rule_cases.load(rule_cases.CASES / "healthy" / "healthy" / "evidence.json")
    says = f";; communications error to {SERVICE}#53: {words}\n;; no servers could be reached"
    refused = replace(
        whole,
        transcripts=tuple(
            replace(each, out=says, exit_code=9) if "#reach." in each.id else each
            for each in whole.transcripts
        ),
    )
    assert verdict(Observed(refused), "no-default-route", "node/w1").outcome is outcome


def test_a_refusal_while_dns_pods_are_ready_is_a_rule_of_the_past() -> None:
    """kube-proxy got stuck when the Service had no endpoint, and still has it refuse."""
    slug = "kube-proxy-rules-missing"
    whole = rule_cases.read(rule_cases.CASES / slug / slug).evidence
    says = f";; communications error to {SERVICE}#53: connection refused"
    refused = tuple(
        replace(each, out=says, exit_code=9)
        if "w1#reach." in each.id and SERVICE in each.id
        else each
        for each in whole.transcripts
    )
    (finding,) = verdict(Observed(replace(whole, transcripts=refused)), slug, "node/w1").findings
    assert "as if no DNS pod were ready" in finding.message
    assert finding.confidence is Confidence.LIKELY
    none = tuple(
        replace(each, data={"items": []}) if each.id.startswith("endpointslices/") else each
        for each in whole.facts
    )
    bare = replace(whole, transcripts=refused, facts=none)
    assert verdict(Observed(bare), slug, "node/w1").outcome is not Outcome.FOUND
