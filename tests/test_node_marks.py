"""Nodes by checks: the mark of each, what ill ones share, one cause for each kind."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from kubectl_dnsdebug.model import Outcome, Role
from kubectl_dnsdebug.observe import sweep, traits
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.observe.sweep import Check, Health, Mark, SweptNode
from kubectl_dnsdebug.observe.traits import Kind
from kubectl_dnsdebug.parse import dig
from kubectl_dnsdebug.reason import diagnose
from kubectl_dnsdebug.report import report
from kubectl_dnsdebug.rules import RULES
from tests.reports import CONF, HOST_CONF, SERVICE, UPSTREAM, got
from tests.sweeps import DEAD, HOME, OnNode, control, default, evidence, text
from tests.test_rules import lacking_one


def only(node: OnNode) -> SweptNode:
    """What becomes of a node beside one that is fine."""
    found = sweep.swept(Observed(evidence([node, OnNode(name="fine")])))
    return found[0]


def told(**changes: Any) -> Mapping[Role, Mapping[str, str]]:
    of_default = {key: value for key, value in changes.items() if key != "outside"}
    of_control = {key: value for key, value in changes.items() if key != "upstream"}
    return {Role.CONTROL: control(**of_control), Role.DEFAULT: default(**of_default)}


# Marks


@pytest.mark.parametrize(
    ("changes", "check", "mark"),
    [
        ({}, Check.SERVICE_UDP, Mark.OK),
        ({"service": "t"}, Check.SERVICE_UDP, Mark.BAD),
        ({"service": "t"}, Check.SERVICE_TCP, Mark.BAD),
        ({"service": "c"}, Check.SERVICE_UDP, Mark.BAD),
        ({"service": "u"}, Check.SERVICE_UDP, Mark.BAD),
        ({"service": "s3"}, Check.SERVICE_UDP, Mark.BAD),
        ({"service": "x3"}, Check.SERVICE_UDP, Mark.BAD),
        ({"service": "o3"}, Check.SERVICE_UDP, Mark.BAD),
        ({"service": "n t"}, Check.SERVICE_UDP, Mark.PART),
        ({"service": "q"}, Check.SERVICE_UDP, Mark.UNKNOWN),
        ({"tcp": "t"}, Check.SERVICE_TCP, Mark.BAD),
        ({"tcp": "t"}, Check.SERVICE_UDP, Mark.OK),
        ({"b": "t"}, Check.DNS_PODS, Mark.PART),
        ({"a": "t", "b": "t"}, Check.DNS_PODS, Mark.BAD),
        ({"outside": "t"}, Check.OUTSIDE, Mark.BAD),
        ({"outside": "x9"}, Check.OUTSIDE, Mark.OK),
        ({"outside": "s9"}, Check.OUTSIDE, Mark.BAD),
        ({"outside": "k"}, Check.OUTSIDE, Mark.NOT_ASKED),
        ({"upstream": "t"}, Check.UPSTREAM, Mark.BAD),
        ({"upstream": "n t"}, Check.UPSTREAM, Mark.PART),
        ({}, Check.HOST, Mark.NOT_ASKED),
    ],
)
def test_a_mark(changes: dict[str, str], check: Check, mark: Mark) -> None:
    assert only(OnNode(name="w1", told=told(**changes))).cells[check].mark is mark


def test_one_question_lost_among_many_is_chance() -> None:
    once = told()
    lost = {f"reach.udp.{SERVICE}": "n1 n1 n1 n1 n1 t"}
    node = only(OnNode(name="w1", told={**once, Role.CONTROL: {**once[Role.CONTROL], **lost}}))
    assert node.health is Health.FINE
    refused = {f"reach.udp.{SERVICE}": "n1 n1 n1 n1 n1 s"}
    node = only(OnNode(name="w1", told={**once, Role.CONTROL: {**once[Role.CONTROL], **refused}}))
    assert node.cells[Check.SERVICE_UDP].mark is Mark.PART


def test_the_nodes_own_network_is_a_witness() -> None:
    node = only(OnNode(name="w1", told={**told(b="t"), Role.HOSTNET: control("u", outside="k")}))
    assert node.cells[Check.HOST].mark is Mark.BAD
    assert "unreachable" in node.cells[Check.HOST].why


@pytest.mark.parametrize(
    ("conf", "mark", "why"),
    [
        (CONF, Mark.OK, ""),
        (CONF.replace(SERVICE, "10.96.0.99"), Mark.BAD, "nameserver 10.96.0.99 is wrong"),
        (CONF.replace(SERVICE, "169.254.20.10"), Mark.OK, ""),
        (CONF.replace("svc.cluster.local ", ""), Mark.BAD, "no search svc.cluster.local"),
        (CONF.replace("lan", "lan corp.example"), Mark.OK, ""),
        (HOST_CONF, Mark.BAD, f"nameserver {UPSTREAM} is wrong"),
        ("", Mark.BAD, "no nameserver"),
    ],
)
def test_a_file_that_leads_astray(conf: str, mark: Mark, why: str) -> None:
    cell = only(OnNode(name="w1", files={Role.CONTROL: conf})).cells[Check.CONF]
    assert cell.mark is mark
    assert why in cell.why


@pytest.mark.parametrize("role", [Role.CONTROL, Role.DEFAULT])
def test_what_is_missing_is_not_fine(role: Role) -> None:
    half = {each: said for each, said in told().items() if each is not role}
    node = only(OnNode(name="w1", told=half, failures={role: "no room"}))
    assert node.health is Health.UNTESTED
    assert node.gaps == ("no room",)


def test_a_summary_that_was_torn_is_a_gap() -> None:
    run = evidence([OnNode(name="w1")])
    torn = {"summaries": {"control": text(control())[:-9], "default": text(default())}}
    facts = [replace(f, data=torn) if f.id == "swept/w1" else f for f in run.facts]
    (node,) = sweep.swept(Observed(replace(run, facts=tuple(facts))))
    assert node.health is Health.UNTESTED
    assert "cut or torn" in node.gaps[0]


@pytest.mark.parametrize("gone", ["swept/w1", "services", "endpointslices/kube-system/kube-dns"])
def test_a_record_less_is_never_an_illness(gone: str) -> None:
    run = evidence([OnNode(name="w1"), OnNode(name="w2")])
    less = replace(run, facts=tuple(f for f in run.facts if f.id != gone))
    assert Health.ILL not in {node.health for node in sweep.swept(Observed(less))}


# Traits


def shared(ill: list[OnNode], fine: list[OnNode]) -> list[tuple[Kind, str]]:
    seen = Observed(evidence([*ill, *fine]))
    found = {node.name: node for node in sweep.swept(seen)}
    told = traits.shared(seen, [found[n.name] for n in ill], [found[n.name] for n in fine])
    return [(each.kind, each.value) for each in told]


def pool(letter: str, count: int, name: str, **more: Any) -> list[OnNode]:
    labels = {"pool": name, "topology.kubernetes.io/zone": "a", "uid": "x"}
    return [
        OnNode(name=f"{letter}{n}", labels={**labels, "uid": f"{letter}{n}"}, **more)
        for n in range(1, count + 1)
    ]


def test_what_the_ill_share_is_told() -> None:
    ill = pool("w", 4, "spot", info={"kernelVersion": "6.8.0"}, told=DEAD)
    assert shared(ill, pool("n", 20, "general")) == [
        (Kind.KERNEL, "6.8.0"),
        (Kind.LABEL, "pool=spot"),
    ]


def test_a_single_ill_node_shares_nothing() -> None:
    assert shared(pool("w", 1, "spot", told=DEAD), pool("n", 20, "general")) == []


def test_few_nodes_are_a_coincidence() -> None:
    assert shared(pool("w", 2, "spot", told=DEAD), pool("n", 3, "general")) == []


def test_what_healthy_nodes_have_too_is_no_trait() -> None:
    assert shared(pool("w", 4, "spot", told=DEAD), pool("n", 20, "spot")) == []


def test_a_dns_pod_that_answers_none_of_them() -> None:
    ill = pool("w", 2, "general", told=told(b="t"))
    assert shared(ill, pool("n", 3, "general")) == [(Kind.DNS_POD, "coredns-b@cp")]


# Reports


def built(nodes: list[OnNode], **options: Any) -> report.Report:
    return report.build(evidence(nodes, **options), RULES)


FINE = [OnNode(name=f"n{n}") for n in range(1, 4)]
ILL = [OnNode(name=f"w{n}", told=DEAD) for n in range(1, 12)]
GONE = OnNode(name="x1", reason="it does not report any more: its kubelet or the machine is down")


def test_all_tested_and_fine_is_healthy() -> None:
    made = built(FINE)
    assert (made.exit_code, made.outcome, made.unknown) == (0, report.Conclusion.HEALTHY, ())


def test_one_cause_for_all_that_fail_alike() -> None:
    made = built([*ILL, *FINE], logs=["w1", "w2", "n1", "n2"])
    (cause,) = made.causes
    assert (cause.finding.rule, str(cause.finding.subject)) == (
        "kube-proxy-rules-missing",
        "node/w1",
    )
    assert [each.name for each in cause.others] == [f"w{n}" for n in range(2, 12)]
    assert made.sweep
    assert [len(group.nodes) for group in made.sweep.groups] == [11, 3]
    assert made.exit_code == 4


def test_a_node_without_logs_that_fails_in_its_own_way_has_no_borrowed_cause() -> None:
    other = OnNode(name="y1", told=told(upstream="t", b="t"))
    made = built([*ILL, *FINE, other], logs=["w1", "w2", "n1", "n2"])
    assert "y1" not in {each.name for cause in made.causes for each in cause.others}
    assert [(u.rule, u.subject.name) for u in made.unknown] == [("unexplained", "y1")]


def test_an_untested_node_is_inconclusive() -> None:
    made = built([*FINE, GONE])
    assert (made.exit_code, made.outcome) == (3, report.Conclusion.INCONCLUSIVE)
    (gap,) = made.unknown
    assert gap.rule == "untested"
    assert "x1: it does not report any more" in gap.reason


def test_many_untested_for_one_reason_are_one_gap() -> None:
    gone = [replace(GONE, name=f"x{n}", reason=f"pod p{n} did not start") for n in range(1, 9)]
    made = built([*FINE, *gone])
    (gap,) = made.unknown
    assert "x1, x2, x3 and 5 more" in gap.reason


def test_causes_weigh_more_than_gaps() -> None:
    assert built([*ILL, *FINE, GONE]).exit_code == 4


def test_a_node_that_is_not_ready_may_say_why() -> None:
    why = "container runtime network not ready: cni plugin not initialized"
    made = built([*FINE, replace(GONE, reason=f"it is not Ready: {why}", trouble=why)])
    (cause,) = made.causes
    assert (cause.finding.rule, cause.finding.subject.name) == ("cni-down-on-node", "x1")
    assert made.unknown == ()


def test_an_upstream_that_no_node_reaches_is_a_policy() -> None:
    closed = [replace(each, told=told(upstream="t")) for each in FINE]
    assert built(closed).exit_code == 0
    some = built([closed[0], *(OnNode(name=f"m{n}") for n in range(4))])
    assert [u.rule for u in some.unknown] == ["unexplained"]


def test_a_node_whose_own_packets_go_nowhere() -> None:
    """Its Default pod reaches no upstream, and so the node's own network is looked at."""
    own = {Role.HOSTNET: control("u", outside="k"), Role.HOSTNET_DEFAULT: default("u")}
    made = built([*FINE, OnNode(name="w1", told={**told(upstream="u"), **own})])
    (cause,) = made.causes
    assert (cause.finding.rule, cause.finding.subject.name) == ("no-default-route", "w1")


def test_a_policy_of_the_namespace_that_probes_is_told_as_such() -> None:
    """Pods on the nodes' own network get answers: the way is sound."""
    deny = {
        "metadata": {"name": "deny", "namespace": HOME},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"]},
    }
    silent = {
        Role.CONTROL: control("t", "t", "t", outside="k"),
        Role.DEFAULT: default("t", "t", "t", upstream="t"),
        Role.HOSTNET: control(),
    }
    nodes = [OnNode(name=f"n{n}", told=silent) for n in range(1, 4)]
    facts = (
        got(f"networkpolicies/{HOME}", {"items": [deny]}),
        got("networkpolicies/kube-system", {"items": []}),
        got("namespace/kube-system", {"metadata": {"name": "kube-system"}}),
        got(f"namespace/{HOME}", {"metadata": {"name": HOME}}),
    )
    (cause,) = built(nodes, facts=facts).causes
    assert cause.finding.rule == "netpol-egress"
    assert "NetworkPolicy deny" in cause.finding.message
    assert [each.name for each in cause.others] == ["n2", "n3"]


def test_names_are_told_in_the_order_of_people() -> None:
    made = built([OnNode(name=f"w{n}") for n in (10, 9, 1)])
    assert made.sweep
    assert [node.name for node, _ in made.sweep.nodes] == ["w1", "w9", "w10"]


def test_who_reaches_which_dns_pod() -> None:
    made = built([*FINE, OnNode(name="w1", told=told(b="t"))])
    assert made.sweep
    assert made.sweep.pairs
    assert made.sweep.pairs.dns_pods == ("coredns-a@w1", "coredns-b@cp")
    assert made.sweep.pairs.rows == (
        (("w1",), (Mark.OK, Mark.BAD)),
        (("n1", "n2", "n3"), (Mark.OK, Mark.OK)),
    )
    fine = built(FINE).sweep
    assert fine
    assert fine.pairs is None


# Whatever the order, whatever is missing


@pytest.mark.parametrize("count", [1, 2, 7, 60])
@pytest.mark.parametrize("ill", [False, True])
def test_the_order_of_what_came_in_does_not_matter(count: int, ill: bool) -> None:
    nodes = [
        OnNode(name=f"n{n}", told=DEAD if ill and n % 3 == 0 else told()) for n in range(count)
    ]
    run = evidence(nodes, logs=["n0", "n1", "n3"])
    dice = random.Random(count)
    mixed = replace(
        run,
        facts=tuple(dice.sample(run.facts, len(run.facts))),
        vantages=run.vantages if ill else tuple(dice.sample(run.vantages, len(run.vantages))),
        request=replace(run.request, targets=tuple(dice.sample(run.request.targets, count))),
    )
    first, second = (report.as_json(report.build(each, RULES)) for each in (run, mixed))
    for each in (first, second):
        each["clear"].sort(key=str)
    assert first == second


@pytest.fixture(scope="module")
def parsed_once() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dig, "read", cache(dig.read))
        yield


@pytest.mark.parametrize(
    "nodes",
    [
        FINE[:2],
        [ILL[0], FINE[0]],
        [OnNode(name="w1", told=told(b="t")), OnNode(name="cp")],
        [OnNode(name="w1", told=told(service="n t")), FINE[0]],
    ],
    ids=["fine", "service-dead", "way-broken", "lossy"],
)
def test_nothing_taken_away_makes_a_fault(nodes: list[OnNode], parsed_once: None) -> None:
    run = evidence(nodes)

    def outcomes(of: Any) -> dict[tuple[str, str], Outcome]:
        verdicts = diagnose.diagnose(Observed(of), RULES)
        assert not [v for v in verdicts if v.crashed]
        return {(v.rule, str(v.subject)): v.outcome for v in verdicts}

    clear = {key for key, outcome in outcomes(run).items() if outcome is Outcome.CLEAR}
    for less in lacking_one(run):
        found = {key for key, outcome in outcomes(less).items() if outcome is Outcome.FOUND}
        assert not found & clear


def test_a_warning_explains_no_dead_service() -> None:
    """The host's file names a loopback, which harms nobody yet; the Service is dead besides."""
    loopback = "nameserver 127.0.0.53\nsearch lan\n"
    lost = {**DEAD, Role.CONTROL: control("t", outside="k")}  # no other Service was tried
    lost[Role.DEFAULT] = {
        id.replace(UPSTREAM, "127.0.0.53"): said for id, said in default("t", upstream="c").items()
    }
    lost[Role.HOSTNET] = control("t", outside="k")
    made = built([*FINE, OnNode(name="w1", told=lost, files={Role.DEFAULT: loopback})])
    assert [c.finding.rule for c in (*made.causes, *made.advice)] == ["host-loopback-nameserver"]
    assert ("unexplained", "w1") in [(u.rule, u.subject.name) for u in made.unknown]
    assert made.exit_code == 3
