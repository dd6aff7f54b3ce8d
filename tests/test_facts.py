"""One read, one fact: 404 is an answer, everything else that fails is a gap."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from kubectl_dnsdebug.api.cluster import Session, open_session
from kubectl_dnsdebug.collect import allowlist, facts
from kubectl_dnsdebug.model import Fact, State
from tests.fake_api import Answer, FakeApi, Seen, status

PATH = "/api/v1/services"


@pytest.fixture
def session(api: FakeApi) -> Iterator[Session]:
    with open_session(api.access()) as opened:
        yield opened


def read(session: Session, **more: str) -> Fact:
    return facts.read(
        session, "services", PATH, allowlist.SERVICE, need="list services", query=more
    )


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        (Answer(body={"metadata": {"name": "x"}}), State.GOT, ""),
        (Answer(body={"items": []}), State.GOT, ""),
        (Answer(body={"items": None}), State.GOT, ""),
        (status(404, "NotFound", "gone"), State.ABSENT, "gone"),
        (status(403, "Forbidden", "User x cannot"), State.UNKNOWN, "not allowed to list services"),
        (status(500, "InternalError", "etcd"), State.UNKNOWN, "could not list services: etcd"),
        (Answer(status=502, body=""), State.UNKNOWN, "could not list services: HTTP 502"),
        (Answer(body="no JSON at all"), State.UNKNOWN, "could not list services"),
        (Answer(body=[1]), State.UNKNOWN, "could not list services"),
        (Answer(drop=True), State.UNKNOWN, "cannot reach the API server"),
        (Answer(body=b"{", headers={"Content-Type": "application/json"}), State.UNKNOWN, "broken"),
    ],
)
def test_an_answer_is_a_fact(
    api: FakeApi, session: Session, answer: Answer, state: State, reason: str
) -> None:
    api.on(PATH, answer)
    fact = read(session)
    assert (fact.id, fact.state) == ("services", state)
    assert reason in fact.reason
    assert bool(fact.reason) == bool(reason)


def service(name: str) -> dict[str, object]:
    return {"metadata": {"name": name, "annotations": {"secret": "hunter2"}}, "spec": {}}


def test_a_list_is_read_page_by_page(api: FakeApi, session: Session) -> None:
    def page(seen: Seen) -> Answer:
        assert seen.query["limit"] == "2"
        at = int(seen.query.get("continue", "0"))
        more = {"continue": str(at + 1)} if at < 2 else {}
        return Answer(body={"metadata": more, "items": [service(f"s{at}")]})

    api.on(PATH, page)
    fact = read(session, limit="2")
    assert [each["metadata"] for each in fact.data["items"]] == [
        {"name": f"s{n}"} for n in range(3)
    ]
    assert "hunter2" not in str(fact)
    assert "unread" not in fact.data


def test_a_list_without_an_end_says_that_it_is_not_whole(api: FakeApi, session: Session) -> None:
    api.on(PATH, Answer(body={"metadata": {"continue": "x"}, "items": [service("s")]}))
    fact = read(session)
    assert fact.data["unread"] is True
    assert len(fact.data["items"]) == len(api.seen) == facts.PAGES


def test_a_page_that_expired_is_a_gap(api: FakeApi, session: Session) -> None:
    first = Answer(body={"metadata": {"continue": "x"}, "items": [service("s")]})
    api.on(PATH, first, status(410, "Expired", "the token is too old"))
    fact = read(session)
    assert (fact.state, fact.data) == (State.UNKNOWN, {})


def test_only_what_is_liked_is_kept(api: FakeApi, session: Session) -> None:
    api.on(PATH, Answer(body={"items": [service("a"), service("b")]}))
    fact = facts.read(
        session,
        "services",
        PATH,
        allowlist.SERVICE,
        need="list services",
        keep=lambda each: bool(each["metadata"]["name"] == "b"),
    )
    assert [each["metadata"]["name"] for each in fact.data["items"]] == ["b"]


def test_reads_run_together_and_keep_their_order() -> None:
    barrier = threading.Barrier(3)

    def job(id: str) -> Fact:
        barrier.wait(5)
        return Fact(id=id, state=State.GOT)

    found = facts.together([lambda: job("a"), lambda: [job("b")], lambda: (job("c"),)])
    assert [fact.id for fact in found] == ["a", "b", "c"]
    assert facts.together([]) == []
