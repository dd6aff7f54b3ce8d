"""Nodes as targets: the words, who is fit, the plan, and a whole run to its evidence."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kubectl_dnsdebug import cli, evidence
from kubectl_dnsdebug.api.cluster import Session, open_session
from kubectl_dnsdebug.collect import node_plan, nodes
from kubectl_dnsdebug.collect.ledger import Ledger
from kubectl_dnsdebug.collect.node_plan import NodePlan
from kubectl_dnsdebug.collect.node_run import NodeRun
from kubectl_dnsdebug.collect.nodes import Nodes
from kubectl_dnsdebug.collect.targets import TargetError
from kubectl_dnsdebug.model import Evidence, Purpose, Request, State
from tests.fake_api import Answer, FakeApi, Seen, status
from tests.fake_nodes import HOME, FakeNodes, dead, fine, ill

NODES = "/api/v1/nodes"


def node(name: str, ready: str = "True", os: str = "linux", **more: Any) -> dict[str, Any]:
    message = "" if ready == "True" else "cni plugin not initialized"
    return {
        "metadata": {"name": name, "labels": more.pop("labels", {}), "managedFields": ["much"]},
        "spec": {"taints": more.pop("taints", [])},
        "status": {
            "conditions": [{"type": "Ready", "status": ready, "message": message}],
            "nodeInfo": {"operatingSystem": os},
            "images": ["much"],
        },
    }


@pytest.fixture
def session(api: FakeApi) -> Iterator[Session]:
    with open_session(api.access()) as opened:
        yield opened


# Words


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["node/a", "no/b", "nodes/c"], ["node/a", "no/b", "nodes/c"]),
        (["nodes"], ["nodes"]),
        (["node", "no", "web", "pod/nodes", "svc/node"], []),
        (["web", "Node/a"], ["Node/a"]),
    ],
)
def test_which_words_mean_nodes(words: list[str], meant: list[str]) -> None:
    assert nodes.named(words) == meant


def test_few_named_nodes_are_read_one_by_one(api: FakeApi, session: Session) -> None:
    api.on(f"{NODES}/a", Answer(body=node("a")))
    api.on(f"{NODES}/b", status(403, "Forbidden"))
    found = nodes.resolve(session, ["node/a", "no/b", "nodes/a"])
    assert found.names == ("a", "b")
    assert [fact.state for fact in found.facts] == [State.GOT, State.UNKNOWN]
    assert "managedFields" not in str(found.facts[0].data)
    assert "much" not in str(found.facts[0].data)


def test_many_named_nodes_are_one_list(api: FakeApi, session: Session) -> None:
    api.on(NODES, Answer(body={"items": [node(f"n{i}") for i in range(30)]}))
    found = nodes.resolve(session, [f"node/n{i}" for i in range(20, 0, -1)])
    assert found.names[0] == "n20"
    assert len(api.seen) == 1
    with pytest.raises(TargetError, match="node/gone does not exist"):
        nodes.resolve(session, [*(f"node/n{i}" for i in range(20)), "node/gone"])


def test_all_nodes_come_page_by_page(api: FakeApi, session: Session) -> None:
    def page(seen: Seen) -> Answer:
        start = int(seen.query.get("continue", "0"))
        more = {"continue": str(start + 2)} if start < 4 else {}
        items = [node(f"n{i}") for i in range(start, start + 2)]
        return Answer(body={"metadata": more, "items": items})

    api.on(NODES, page)
    found = nodes.resolve(session, ["nodes"], "pool=blue")
    assert found.names == tuple(f"n{i}" for i in range(6))
    assert found.picked_by == "nodes -l pool=blue"
    assert {seen.query["labelSelector"] for seen in api.seen} == {"pool=blue"}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (status(403, "Forbidden", "no"), "not allowed to list nodes"),
        (status(400, "BadRequest", "unable to parse"), "unable to parse"),
        (Answer(body={"items": []}), "no node has labels a=b"),
    ],
)
def test_no_nodes_to_be_had(api: FakeApi, session: Session, answer: Answer, says: str) -> None:
    api.on(NODES, answer)
    with pytest.raises(TargetError, match=says):
        nodes.resolve(session, ["nodes"], "a=b")


# The plan


def request(names: tuple[str, ...], timeout: float = 30) -> Request:
    targets = tuple(f"node/{name}" for name in names)
    return Request(targets=targets, home=HOME, image="i", timeout=timeout, purpose=Purpose.NODES)


def draft(api: FakeApi, session: Session, *items: dict[str, Any], **more: Any) -> NodePlan:
    api.on(NODES, Answer(body={"items": list(items)}))
    found = nodes.resolve(session, ["nodes"])
    return node_plan.draft(session, found, request(found.names, **more), "test")


def test_who_is_not_tried_and_why(api: FakeApi, session: Session) -> None:
    plan = draft(
        api,
        session,
        node("well"),
        node(
            "cordoned", taints=[{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]
        ),
        node("gone", ready="Unknown"),
        node("no-cni", ready="False"),
        node("win", os="windows"),
        node("cloud", labels={"type": "virtual-kubelet"}),
        node("aci", taints=[{"key": "virtual-kubelet.io/provider", "effect": "NoSchedule"}]),
        node("kwok", labels={"type": "kwok"}),
    )
    assert plan.fit == ("well", "cordoned", "kwok")
    assert "does not report any more" in plan.unfit["gone"]
    assert "cni plugin not initialized" in plan.unfit["no-cni"]
    assert "Windows" in plan.unfit["win"]
    assert "virtual" in plan.unfit["cloud"]
    assert "virtual" in plan.unfit["aci"]


def test_without_permission_nothing_is_tried(api: FakeApi, session: Session) -> None:
    refusal = Answer(status=201, body={"status": {"allowed": False}})
    api.on("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", refusal, method="POST")
    plan = draft(api, session, node("a"))
    assert plan.fit == ()
    assert "not allowed to create pods" in plan.unfit["a"]
    assert "dnsdebug-nodes" in plan.unfit["a"]


def test_one_of_many_is_given_up_before_the_whole(api: FakeApi, session: Session) -> None:
    few = draft(api, session, *(node(f"n{i}") for i in range(50)), timeout=100)
    many = draft(api, session, *(node(f"n{i}") for i in range(51)), timeout=100)
    assert (few.limit, many.limit) == (80, node_plan.PATIENT)
    spot = many.spot(next(iter(many.plans)), "n3", 7)
    assert many.manifest(spot)["spec"]["activeDeadlineSeconds"] == 60
    assert many.manifest(spot)["spec"]["nodeName"] == "n3"
    assert len({many.spot(role, "n3", 7).host for role in many.plans}) == 4


def test_few_kubelets_are_asked_however_many_nodes(api: FakeApi, session: Session) -> None:
    draft(api, session, *(node(f"n{i}") for i in range(300)))
    assert len([seen for seen in api.seen if "configz" in seen.path]) == node_plan.KUBELETS
    assert len(api.seen) < 30


@pytest.mark.parametrize("count", [1, 50, 500, 5_000])
def test_there_is_time_for_all(count: int) -> None:
    assert node_plan.timeout(count) >= 30
    assert node_plan.timeout(count) >= 2 * node_plan.seconds(count)


# A whole run


class Stop(BaseException):
    pass


def run(api: FakeNodes, tell: Callable[[int, str], None] = lambda done, text: None) -> Evidence:
    """The evidence, also of a run that Stop broke off, as a replay would read it."""
    names = tuple(api.fates)
    with open_session(api.access()) as session:
        found = Nodes(facts=tuple(nodes.read_one(session, name) for name in names))
        ledger = Ledger()
        plan = node_plan.draft(session, found, request(names), "test")
        one, stopped = NodeRun(session, plan, ledger, tell), ""
        try:
            one.go()
        except Stop:
            stopped = "the run was interrupted"
        assert not api.pods
        return evidence.load(evidence.dump(one.evidence(stopped)))


def test_the_evidence_of_a_run() -> None:
    with FakeNodes({"a": fine, "b": ill, "c": fine, "d": fine}) as api:
        found = run(api)
    facts = {fact.id: fact for fact in found.facts}
    assert [id for id in facts if id.startswith("swept/")] == [f"swept/{n}" for n in "abcd"]
    looked = [v.node for v in found.vantages]
    assert looked == sorted(looked)
    assert (len(looked), looked.count("b")) == (10, 4)
    assert {t.vantage for t in found.transcripts} == {v.id for v in found.vantages}
    assert [each.fate for each in found.made] == ["removed"] * 13


def test_a_run_that_is_broken_off_has_evidence_all_the_same() -> None:
    def interrupt(done: int, text: str) -> None:
        if done == 2:
            raise Stop

    with FakeNodes({"a": fine, "b": fine, "c": dead}) as api:
        began = time.monotonic()
        found = run(api, interrupt)
    assert time.monotonic() - began < 5
    facts = {fact.id: fact for fact in found.facts}
    assert facts["swept/a"].state is State.GOT
    assert facts["swept/c"].state is State.UNKNOWN
    assert "interrupted" in facts["swept/c"].reason


def test_very_many_pods_are_told_by_their_number() -> None:
    with FakeNodes({f"n{i}": fine for i in range(40)}) as api:
        found = run(api)
    assert [(each.what, each.fate) for each in found.made] == [(f"120 pods in {HOME}", "removed")]


# The command


def command(api: FakeApi, *words: str) -> Result:
    return CliRunner().invoke(cli.root, [*words, "--server", api.url, "-n", HOME])


def test_many_nodes_need_a_word(api: FakeApi) -> None:
    api.on(NODES, Answer(body={"items": [node(f"n{i}") for i in range(51)]}))
    ran = command(api, "nodes")
    assert ran.exit_code == 2, ran.output
    assert "51 nodes, 50 at a time" in ran.stderr
    assert "--yes" in ran.stderr
    assert not [seen for seen in api.seen if seen.method == "POST" and seen.path.endswith("pods")]


def test_a_dry_run_of_many_shows_one(api: FakeApi) -> None:
    api.on(
        NODES,
        Answer(body={"items": [node(f"n{i}") for i in range(51)] + [node("w", os="windows")]}),
    )
    ran = command(api, "nodes", "--dry-run")
    assert ran.exit_code == 0, ran.output
    assert ran.stdout.count("kind: Pod") == 4
    assert "not tried: node/w: it is a Windows node" in ran.stdout
    assert "51 nodes, 50 at a time" in ran.stdout


@pytest.mark.parametrize(
    "words", [["web", "node/a"], ["node/a", "-l", "x=y"], ["nodes", "--mode", "sibling"]]
)
def test_what_does_not_go_together_is_wrong_usage(api: FakeApi, words: list[str]) -> None:
    assert command(api, *words).exit_code == 2
    assert not api.seen
