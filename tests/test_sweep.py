"""The sweep: what comes in counts, nobody waits for the slow, nothing is left."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kubectl_dnsdebug.api.cluster import open_session
from kubectl_dnsdebug.collect import cleanup, following, node_plan, sweep
from kubectl_dnsdebug.collect.ledger import Ledger
from kubectl_dnsdebug.collect.node_plan import NodePlan
from kubectl_dnsdebug.collect.sweep import Sweep
from kubectl_dnsdebug.model import Evidence, Fact, Purpose, Request, Role, State
from kubectl_dnsdebug.plan.probe import Plan, Probe
from tests.fake_api import Answer, status
from tests.fake_nodes import (
    HOME,
    ILL,
    WELL,
    FakeNodes,
    Fate,
    dead,
    fine,
    forbidden,
    ill,
    mute,
    no_host_network,
    no_image,
    slow,
    torn,
)

PROBE = Probe(id="conf", lane="-/conf", argv=("file", "/etc/resolv.conf"), cost=0)
ROLES = (Role.CONTROL, Role.DEFAULT, Role.HOSTNET, Role.HOSTNET_DEFAULT)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PAUSE", 0.05)
    monkeypatch.setattr(sweep, "TAKEN_WITHIN", 1.0)
    monkeypatch.setattr(sweep, "RATE", 1000.0)


def plan(names: tuple[str, ...], limit: float = 2.0) -> NodePlan:
    request = Request(
        targets=tuple(f"node/{n}" for n in names), home=HOME, image="i", purpose=Purpose.NODES
    )
    asked = Plan(known=(), probes=(PROBE,), at_once=8)
    return NodePlan(
        run="abc123",
        evidence=Evidence(tool="t", collected_at="now", context="c", request=request),
        fit=names,
        unfit={},
        plans=dict.fromkeys(ROLES, asked),
        limit=limit,
        made_by="test",
    )


class Swept:
    """A whole sweep, and what it left."""

    def __init__(self, api: FakeNodes, seconds: float = 20, limit: float = 3.0) -> None:
        self.api, self.ledger = api, Ledger()
        self.told: list[int] = []
        with open_session(api.access()) as session:
            self.sweep = Sweep(session, plan(tuple(api.fates), limit), self.ledger, self.tell)
            began = time.monotonic()
            try:
                self.sweep.run(began + seconds)
            finally:
                self.seconds = time.monotonic() - began
                cleanup.settle(session, self.ledger)
                self.facts = {f.id: f for f in self.sweep.facts(self.sweep.trouble)}

    def tell(self, done: int, text: str) -> None:
        self.told.append(done)

    def fact(self, node: str) -> Fact:
        return self.facts[f"swept/{node}"]

    def summaries(self, node: str) -> Any:
        assert self.fact(node).state is State.GOT, self.fact(node)
        return self.fact(node).data["summaries"]

    def failures(self, node: str) -> Any:
        return self.fact(node).data["failures"]


@pytest.fixture
def swept() -> Iterator[Callable[..., Swept]]:
    open_: list[FakeNodes] = []

    def start(fates: dict[str, Fate], **more: Any) -> Swept:
        server = {k: more.pop(k) for k in ("quota", "cut_watches") if k in more}
        api = FakeNodes(fates, **server)
        api.__enter__()
        open_.append(api)
        found = Swept(api, **more)
        assert not api.pods, "something was left"
        assert {entry.fate for entry in found.ledger.entries()} <= {cleanup.REMOVED}
        return found

    yield start
    for api in open_:
        api.__exit__()


Start = Callable[..., Swept]


def test_a_healthy_node_costs_three_pods(swept: Start) -> None:
    found = swept({"a": fine})
    assert found.summaries("a") == {"control": WELL, "default": WELL, "hostnet": WELL}
    assert found.failures("a") == {}
    assert len(found.api.made) == 3
    roles = ("control", "default", "hostnet")
    assert [v.id for v in found.sweep.vantages] == [f"{role}:{HOME}@a" for role in roles]
    assert all(t.exit_code == 0 for t in found.sweep.transcripts)


def test_where_pods_find_it_ill_the_node_s_own_network_is_tried(swept: Start) -> None:
    found = swept({"a": ill})
    assert found.summaries("a") == {
        "control": ILL,
        "default": ILL,
        "hostnet": WELL,
        "hostnet-default": WELL,
    }
    assert len(found.sweep.vantages) == 4


def test_what_the_namespace_does_not_admit_is_a_gap_and_asked_for_once(swept: Start) -> None:
    found = swept(dict.fromkeys("abcdefgh", no_host_network))
    for name in "abcdefgh":
        assert found.summaries(name) == {"control": ILL, "default": ILL}
        assert "violates PodSecurity" in found.failures(name)["hostnet"]
    refused = [s for s in found.api.seen if s.method == "POST" and "hostnet" in str(s.body)]
    assert len(refused) < 2 * 8 + 1


@pytest.mark.parametrize(
    ("fate", "why"),
    [
        (dead, "took no pod"),
        (slow, "did not finish in time"),
        (no_image, "ErrImagePull: no such image"),
        (forbidden, "denied by policy"),
        (mute, "without their summary (ended, exit code 0)"),
    ],
)
def test_a_node_that_tells_nothing_says_why_and_delays_nobody(
    swept: Start, fate: Fate, why: str
) -> None:
    found = swept({"bad": fate} | {f"n{i}": fine for i in range(5)})
    assert why in found.failures("bad")["control"]
    assert found.seconds < 8
    for i in range(5):
        assert found.summaries(f"n{i}")["control"] == WELL


def test_a_torn_summary_is_kept_as_it_came_and_looked_into(swept: Start) -> None:
    """The reading finds that it does not hold: never healthy."""
    found = swept({"a": torn})
    assert set(found.summaries("a")) == {"control", "default", "hostnet", "hostnet-default"}
    assert len(found.sweep.vantages) == 4


def test_of_many_alike_two_are_read_in_full(swept: Start) -> None:
    found = swept({f"n{i:03}": (ill if i % 10 == 3 else fine) for i in range(120)})
    assert all(fact.state is State.GOT for fact in found.facts.values())
    looked = Counter(v.node for v in found.sweep.vantages)
    assert sorted(looked.values()) == [3, 3, 4, 4]
    assert found.api.most <= node_plan.IN_FLIGHT * 3 + 24 + 40  # and those on their way out
    assert found.told == sorted(found.told)


def test_a_quota_makes_it_slower_and_no_worse(swept: Start) -> None:
    found = swept({f"n{i}": fine for i in range(12)}, quota=6, seconds=40)
    got = [fact for fact in found.facts.values() if fact.state is State.GOT]
    assert all({"control", "default"} <= {*fact.data["summaries"]} for fact in got)
    assert all({*fact.data["failures"]} <= {"hostnet"} for fact in got)
    assert found.api.most <= 6


def test_a_quota_that_admits_nothing_is_said_soon(swept: Start) -> None:
    found = swept({f"n{i}": fine for i in range(60)}, quota=0)
    assert "exceeded quota" in found.sweep.trouble
    assert found.seconds < 25
    assert len(found.facts) == 60


def test_a_quota_that_admits_nothing_is_the_reason_when_the_time_is_up(swept: Start) -> None:
    found = swept({"a": fine, "b": fine}, quota=0, seconds=3)
    assert "its turn had not come" in found.fact("a").reason
    assert "no room for pods: " in found.fact("a").reason
    assert "exceeded quota" in found.fact("a").reason
    assert not found.ledger.entries(), "nothing was made, so nothing is told to be removed"


@pytest.mark.parametrize(
    "watches",
    [
        [1, 2, 3],
        [status(410, "Expired", "too old resource version"), 1],
        [status(429, "TooManyRequests", **{"Retry-After": "1"}), 2],
        [Answer(drop=True), Answer(status=500, body={})],
    ],
)
def test_a_watch_that_breaks_loses_nothing(swept: Start, watches: list[Answer | int]) -> None:
    found = swept({f"n{i}": fine for i in range(6)}, cut_watches=watches, limit=10)
    assert all(not fact.data["failures"] for fact in found.facts.values())


def test_a_watch_that_is_silent_is_no_fate_of_a_node(
    swept: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nodes that tell are not said to be dead because nobody passed it on."""
    monkeypatch.setattr(FakeNodes, "_tell", lambda *_: None)
    found = swept({"a": fine, "b": dead})
    assert found.summaries("a") == {"control": WELL, "default": WELL, "hostnet": WELL}
    assert "took no pod" in found.failures("b")["control"]


def test_a_watch_that_is_refused_ends_it(swept: Start) -> None:
    found = swept({"a": fine, "b": fine}, cut_watches=[status(403, "Forbidden", "no watching")])
    assert "no watching" in found.sweep.trouble
    assert found.fact("a").state is State.UNKNOWN
    assert "no watching" in found.fact("a").reason


def test_the_time_out_keeps_what_came_in(swept: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "IN_FLIGHT", 2)
    found = swept({"a": fine, "b": slow, "c": slow, "d": fine}, seconds=1.5, limit=30)
    assert found.summaries("a")["control"] == WELL
    assert "did not finish in time" in found.failures("b")["control"]
    assert found.fact("d").state is State.UNKNOWN
    assert "its turn had not come when the time was up" in found.fact("d").reason
    assert {v.node for v in found.sweep.vantages} == {"a", "b", "c"}
    assert found.seconds < 6


def test_an_interruption_keeps_what_came_in(swept: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a signal does it: an exception in the one thread that decides."""

    class Stop(BaseException):
        pass

    kept: list[Swept] = []
    tell = Swept.tell

    def interrupt(self: Swept, done: int, text: str) -> None:
        tell(self, done, text)
        kept[:] = [self]
        if done == 3:
            raise Stop

    monkeypatch.setattr(Swept, "tell", interrupt)
    with pytest.raises(Stop):
        swept({"a": fine, "b": fine, "c": fine, "d": slow})
    (found,) = kept
    assert not found.api.pods
    assert found.summaries("b")["control"] == WELL
    assert found.fact("d").state is State.UNKNOWN
    assert not [t for t in threading.enumerate() if t.name.startswith("ThreadPoolExecutor")]


def test_an_api_that_goes_away_is_no_fate_of_nodes(swept: Start) -> None:
    """What could not be made because of the way there is tried again."""
    came = Counter[str]()

    def shaky(role: str) -> Any:
        came[role] += 1
        return Answer(drop=True) if came[role] <= 3 else fine(role)

    found = swept({"a": shaky}, seconds=30, limit=10)
    assert found.summaries("a") == {"control": WELL, "default": WELL}
