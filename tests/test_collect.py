"""Whole runs against a scripted API server: whatever fails, what was made is removed or told."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kubectl_dnsdebug.api.cluster import Session, open_session
from kubectl_dnsdebug.collect import cleanup, run, survey, vantage
from kubectl_dnsdebug.collect.ledger import Ledger
from kubectl_dnsdebug.collect.targets import Target
from kubectl_dnsdebug.evidence import dump, load
from kubectl_dnsdebug.model import Evidence, Request, Role, State
from kubectl_dnsdebug.observe.objects import Pod
from kubectl_dnsdebug.plan import witnesses
from tests.fake_api import Answer, FakeApi, Seen, status
from tests.places import ENDED, PODS, RUN, all_spots, event, log, target, text

SPOTS = all_spots()
HOSTS = {role: spot.host for role, spot in SPOTS.items()}
SIBLING = f"dnsdebug-{RUN}-sibling"
REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
EPHEMERAL = f"{PODS}/web-1/ephemeralcontainers"
NO = status(403, "Forbidden", "denied")


@pytest.fixture
def session(api: FakeApi) -> Iterator[Session]:
    with open_session(api.access()) as opened:
        yield opened


@pytest.fixture(autouse=True)
def fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda _: RUN)
    monkeypatch.setattr(cleanup, "PAUSE", 0)
    monkeypatch.setattr(vantage, "PAUSE", 0.05)


def works(api: FakeApi) -> None:
    """An API server that lets us do it all; in its cluster there is no DNS Service."""
    api.on("/api/v1/services", Answer(body={"items": []}))
    api.on(REVIEW, Answer(status=201, body={"status": {"allowed": True}}), method="POST")
    api.on(PODS, Answer(status=201, body={}), method="POST")
    container = {"name": f"dnsdebug-{RUN}"}
    api.on(EPHEMERAL, Answer(body={"spec": {"ephemeralContainers": [container]}}), method="PATCH")
    api.on(PODS, watch)
    for spot in SPOTS.values():
        api.on(f"{PODS}/{spot.host}/log", Answer(body=text(log(spot))))
    api.on(f"{PODS}/{SIBLING}/log", Answer(body=text(log(SPOTS[Role.TARGET]))))
    for host in (HOSTS[Role.CONTROL], HOSTS[Role.DEFAULT], SIBLING):
        api.on(f"{PODS}/{host}", Answer(body={}), method="DELETE")


def watch(seen: Seen) -> Answer:
    if "watch" not in seen.query:
        return NO
    lines = [event(spot, ENDED) for spot in SPOTS.values()]
    lines.append(event(SPOTS[Role.CONTROL], ENDED).replace(HOSTS[Role.CONTROL], SIBLING))
    return Answer(lines=lines, hold=True)


def diagnose(
    session: Session,
    *,
    pod: Pod | None = None,
    say: Callable[[str], None] = lambda _: None,
    ledger: Ledger | None = None,
    mode: str = "ephemeral",
) -> Evidence:
    request = Request(targets=("pod/shop/web-1",), image="img", mode=mode, timeout=4.0)
    wanted = [Target(pod=pod or target())]
    return run.run(session, wanted, request, "test", ledger or Ledger(), say)


def posted(api: FakeApi) -> list[str]:
    return [s.body["metadata"]["name"] for s in api.seen if (s.method, s.path) == ("POST", PODS)]


def deleted(api: FakeApi) -> list[str]:
    return [seen.path.rpartition("/")[2] for seen in api.seen if seen.method == "DELETE"]


def failures(found: Evidence) -> dict[str, str]:
    return {place.role.value: place.failure for place in found.vantages}


def test_all_goes_well(api: FakeApi, session: Session) -> None:
    works(api)
    said: list[str] = []
    found = diagnose(session, say=said.append)
    assert failures(found) == {"target": "", "control": "", "default": ""}
    assert {each.what: each.fate for each in found.made} == {
        f"ephemeral container dnsdebug-{RUN} in pod/shop/web-1": "ended",
        f"pod/shop/{HOSTS[Role.CONTROL]}": "removed",
        f"pod/shop/{HOSTS[Role.DEFAULT]}": "removed",
    }
    assert sorted(posted(api)) == sorted(deleted(api))
    assert load(dump(found)) == found
    assert {"survey", "probes", "afterwards", "total"} == found.timing.keys()
    assert found.counts["api requests"] == len(api.seen) <= 30
    assert said[0] == "reading the cluster"


def test_nothing_is_made_before_it_is_planned(api: FakeApi, session: Session) -> None:
    """A dry run is the same up to that point."""
    works(api)
    request = Request(targets=("pod/shop/web-1",), image="img", timeout=4.0)
    plan = run.draft(session, [Target(pod=target())], request, "test")
    reviews = REVIEW.rpartition("/")[0]
    assert {seen.method for seen in api.seen if not seen.path.startswith(reviews)} == {"GET"}
    assert [spot.role for spot in plan.spots] == [Role.TARGET, Role.CONTROL, Role.DEFAULT]
    assert len(plan.manifests) == 3


def test_what_is_not_allowed_is_not_tried(api: FakeApi, session: Session) -> None:
    """A pod that could not be removed is never made."""
    works(api)

    def review(seen: Seen) -> Answer:
        asked = seen.body["spec"]["resourceAttributes"]
        return Answer(status=201, body={"status": {"allowed": asked["verb"] != "delete"}})

    api.on(REVIEW, review, method="POST")
    found = diagnose(session)
    assert posted(api) == []
    assert failures(found) == {
        "target": "",
        "control": "not allowed to delete pods in shop",
        "default": "not allowed to delete pods in shop",
    }
    assert [each.fate for each in found.made] == ["ended"]


def test_a_refused_companion_is_a_gap(api: FakeApi, session: Session) -> None:
    works(api)

    def make(seen: Seen) -> Answer:
        return NO if "default" in seen.body["metadata"]["name"] else Answer(status=201, body={})

    api.on(PODS, make, method="POST")
    found = diagnose(session)
    assert failures(found) == {"target": "", "control": "", "default": "denied"}
    assert deleted(api) == [HOSTS[Role.CONTROL]]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (NO, "denied"),
        (status(404, "NotFound"), "this API server has no ephemeral containers"),
        (status(422, "Invalid", "pod is static"), "pod is static"),
    ],
)
def test_a_sibling_stands_in(api: FakeApi, session: Session, answer: Answer, why: str) -> None:
    works(api)
    api.on(EPHEMERAL, answer, method="PATCH")
    found = diagnose(session)
    assert failures(found) == {"sibling": "", "control": "", "default": ""}
    assert sorted(posted(api)) == sorted(deleted(api))
    assert SIBLING in posted(api)
    (note,) = [fact for fact in found.facts if fact.id == "sibling/shop/web-1"]
    assert (note.state, note.data) == (State.GOT, {"reason": why})


def test_neither_in_nor_beside(api: FakeApi, session: Session) -> None:
    works(api)
    api.on(EPHEMERAL, NO, method="PATCH")
    api.on(PODS, NO, method="POST")
    found = diagnose(session)
    both = "no ephemeral container: denied; no pod beside it: denied"
    assert failures(found) == {"target": both, "control": "denied", "default": "denied"}
    assert (found.made, deleted(api)) == ((), [])


def test_a_pod_where_nothing_can_run(api: FakeApi, session: Session) -> None:
    works(api)
    found = diagnose(session, pod=target(spec={"os": {"name": "windows"}}))
    assert failures(found) == {"target": "it is a Windows pod, and the probes are Linux programs"}
    assert (found.made, posted(api)) == ((), [])


# Whatever fails


class Stop(BaseException):
    pass


BAD = {
    "refused": NO,
    "failed": status(500, "InternalError", "etcd is away"),
    "invalid": status(422, "Invalid", "no"),
    "gone": status(404, "NotFound"),
    "cut": Answer(drop=True),
    "text": Answer(body="what?"),
    "late": Answer(body={}, delay=0.2),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("where", ["review", "patch", "post", "watch", "log", "delete"])
def test_no_pod_is_forgotten(api: FakeApi, session: Session, where: str, bad: str) -> None:
    """Each that was asked for is removed, or its fate says that it was not."""
    works(api)
    answer = BAD[bad]
    match where:
        case "review":
            api.on(REVIEW, answer, method="POST")
        case "patch":
            api.on(EPHEMERAL, answer, method="PATCH")
        case "post":
            api.on(PODS, answer, method="POST")
        case "watch":
            api.on(PODS, answer)
        case "log":
            api.on(f"{PODS}/{HOSTS[Role.CONTROL]}/log", answer)
        case "delete":
            api.on(f"{PODS}/{HOSTS[Role.CONTROL]}", answer, method="DELETE")
    found = diagnose(session)
    assert load(dump(found)) == found
    fates = {each.what.rpartition("/")[2]: each.fate for each in found.made}
    refused = where == "post" and bad in ("refused", "invalid", "gone")
    for name in posted(api):
        assert name in deleted(api) or refused
        assert fates.get(name) == "removed" or refused or fates[name].startswith("NOT removed")
    assert "web-1" not in deleted(api), "the target itself"
    for place in found.vantages:
        answers = [t for t in found.transcripts if t.vantage == place.id and t.exit_code == 0]
        assert bool(place.failure) != bool(answers)


@pytest.mark.parametrize("said", ["starting", "waiting"])
def test_an_interruption_leaves_nothing(api: FakeApi, session: Session, said: str) -> None:
    works(api)
    api.on(PODS, Answer(lines=[], hold=True))

    def say(text: str) -> None:
        if text.startswith(said):
            raise Stop

    ledger = Ledger()
    with pytest.raises(Stop):
        diagnose(session, say=say, ledger=ledger)
    assert sorted(posted(api)) == sorted(deleted(api))
    assert ledger.pods() == []


@pytest.mark.parametrize(
    ("where", "what"),
    [
        (survey, "aftermath"),
        (vantage, "gather"),
        (witnesses, "witnesses"),
        (run, "fates"),
        (run, "_stands_in"),
    ],
)
def test_a_bug_leaves_nothing(
    api: FakeApi, session: Session, monkeypatch: pytest.MonkeyPatch, where: Any, what: str
) -> None:
    works(api)
    api.on(EPHEMERAL, NO, method="PATCH")

    def broken(*_: Any, **__: Any) -> None:
        raise KeyError(what)

    monkeypatch.setattr(where, what, broken)
    ledger = Ledger()
    with pytest.raises(KeyError, match=what):
        diagnose(session, ledger=ledger)
    assert posted(api)
    assert sorted(posted(api)) == sorted(deleted(api))
    assert ledger.pods() == []
