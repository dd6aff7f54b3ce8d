"""Standing somewhere: what is made is in the ledger; every wait ends in time."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from kubectl_dnsdebug.api.cluster import ClusterError, Session, open_session
from kubectl_dnsdebug.collect import standing, vantage
from kubectl_dnsdebug.collect.ledger import Ledger
from kubectl_dnsdebug.collect.vantage import Refused
from kubectl_dnsdebug.model import Role, Transcript, Vantage
from kubectl_dnsdebug.plan import frames
from kubectl_dnsdebug.plan.spots import Spot
from tests.fake_api import Answer, FakeApi, Seen, status
from tests.places import ENDED, PODS, RUN, RUNNING, all_spots, event, log, text

SPOTS = all_spots()
TARGET, CONTROL = SPOTS[Role.TARGET], SPOTS[Role.CONTROL]
EPHEMERAL = f"{PODS}/web-1/ephemeralcontainers"


@pytest.fixture
def session(api: FakeApi) -> Iterator[Session]:
    with open_session(api.access()) as opened:
        yield opened


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vantage, "PAUSE", 0.1)


# Making


def create(session: Session, spot: Spot) -> tuple[Ledger, str]:
    """The ledger afterwards, and why it was refused."""
    ledger = Ledger()
    try:
        vantage.create(session, spot, {"name": spot.container}, ledger)
    except (Refused, ClusterError) as wrong:
        return ledger, str(wrong)
    return ledger, ""


def test_an_ephemeral_container_is_added_by_a_patch(api: FakeApi, session: Session) -> None:
    made = {"spec": {"ephemeralContainers": [{"name": TARGET.container}]}}
    api.on(EPHEMERAL, Answer(body=made), method="PATCH")
    ledger, why = create(session, TARGET)
    assert why == ""
    assert api.seen[0].body == made
    (entry,) = ledger.entries()
    assert entry.what == f"ephemeral container {TARGET.container} in pod/shop/web-1"
    assert ledger.pods() == [], "the target's own pod must never be removed"


def test_a_pod_is_posted(api: FakeApi, session: Session) -> None:
    api.on(PODS, Answer(status=201, body={}), method="POST")
    ledger, why = create(session, CONTROL)
    assert why == ""
    assert ledger.pods() == [("shop", CONTROL.host)]


def test_a_namespace_with_limits_says_how_large_a_pod_is(api: FakeApi, session: Session) -> None:
    why = "maximum cpu usage per Container is 200m, but limit is 1"
    refused = status(403, "Forbidden", f'pods "x" is forbidden: {why}')
    api.on(PODS, refused, Answer(status=201, body={}), method="POST")
    sized = {"name": "app", "resources": {"limits": {"cpu": "1"}}}
    vantage.create(session, CONTROL, {"spec": {"containers": [sized]}}, Ledger())
    sent = [seen.body["spec"]["containers"] for seen in api.seen]
    assert sent == [[sized], [{"name": "app"}]]


@pytest.mark.parametrize(
    ("spot", "answer", "why", "listed"),
    [
        (CONTROL, status(403, "Forbidden", "pods is forbidden"), "pods is forbidden", False),
        (CONTROL, status(422, "Invalid", "spec: Invalid value"), "spec: Invalid value", False),
        (CONTROL, status(404, "NotFound", "namespaces shop not found"), "namespaces", False),
        (CONTROL, status(409, "AlreadyExists"), "", True),
        (CONTROL, status(409, "Conflict", "quota changed"), "quota changed", False),
        (CONTROL, status(500, "InternalError", "etcdserver: timed out"), "etcdserver", True),
        (CONTROL, status(504, "Timeout", "timed out"), "timed out", True),
        (CONTROL, Answer(drop=True), "the connection is cut", True),
        (TARGET, status(403, "Forbidden", "denied by policy"), "denied by policy", False),
        (TARGET, status(422, "Invalid", "is a static pod"), "is a static pod", False),
        (TARGET, status(404, "NotFound"), "this API server has no ephemeral containers", False),
        (TARGET, Answer(body={"spec": {}}), "knows no ephemeral containers", False),
        (TARGET, status(500, "InternalError", "etcdserver: timed out"), "etcdserver", True),
    ],
)
def test_what_may_exist_is_listed(
    api: FakeApi, session: Session, spot: Spot, answer: Answer, why: str, listed: bool
) -> None:
    """After a failure of the server, or of the way to it, the pod may be there all the same."""
    api.on(PODS, answer, method="POST")
    api.on(EPHEMERAL, answer, method="PATCH")
    ledger, said = create(session, spot)
    assert why in said
    assert bool(said) == bool(why)
    assert bool(ledger.entries()) is listed


def test_a_404_that_names_the_pod_means_the_pod(api: FakeApi, session: Session) -> None:
    gone = status(404, "NotFound", 'pods "web-1" not found')
    api.on(
        EPHEMERAL,
        Answer(status=404, body={**gone.body, "details": {"name": "web-1"}}),
        method="PATCH",
    )
    assert create(session, TARGET)[1] == "the pod is gone"


def test_it_is_listed_before_the_request_goes_out(api: FakeApi, session: Session) -> None:
    ledger = Ledger()

    def look(seen: Seen) -> Answer:
        assert ledger.pods() == [("shop", CONTROL.host)]
        return Answer(status=201, body={})

    api.on(PODS, look, method="POST")
    vantage.create(session, CONTROL, {}, ledger)
    assert api.seen


# Waiting


def gather(
    session: Session,
    *wanted: Spot,
    seconds: float = 5,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[dict[Role, Vantage], dict[str, Transcript], float]:
    started = time.monotonic()
    places, transcripts = vantage.gather(session, wanted, RUN, started + seconds, say)
    assert [place.id for place in places] == [spot.id for spot in wanted]
    return (
        {place.role: place for place in places},
        {each.id: each for each in transcripts},
        time.monotonic() - started,
    )


def watched(api: FakeApi, *lines: str, hold: bool = True) -> None:
    api.on(PODS, Answer(lines=lines, hold=hold))


def logs(api: FakeApi, spot: Spot, *answers: Answer) -> None:
    api.on(f"{PODS}/{spot.host}/log", *answers)


def test_all_spots_of_a_run(api: FakeApi, session: Session) -> None:
    wanted = list(SPOTS.values())

    def watch(seen: Seen) -> Answer:
        mine = [TARGET] if "fieldSelector" in seen.query else [s for s in wanted if s is not TARGET]
        states = [event(s, {"waiting": {"reason": "ContainerCreating"}}) for s in mine]
        return Answer(lines=[*states, *(event(s, RUNNING) for s in mine)], hold=True)

    api.on(PODS, watch)
    for spot in wanted:
        logs(api, spot, Answer(body=text(log(spot))))
    places, transcripts, took = gather(session, *wanted)
    assert {place.failure for place in places.values()} == {""}
    expected = {f"{s.id}#{id}" for s in wanted for p in s.plan.probes for id in p.ids}
    assert transcripts.keys() == expected
    assert {each.exit_code for each in transcripts.values()} == {0}
    assert took < 2
    queries = [dict(seen.query) for seen in api.seen if seen.path == PODS]
    assert {q.get("fieldSelector") or q.get("labelSelector") for q in queries} == {
        "metadata.name=web-1",
        f"dnsdebug.dev/run={RUN}",
    }


@pytest.mark.parametrize("reason", sorted(standing.STUCK))
def test_a_container_that_cannot_start_is_told_at_once(
    api: FakeApi, session: Session, reason: str
) -> None:
    watched(api, event(CONTROL, {"waiting": {"reason": reason, "message": "no\nway\x1b[2J"}}))
    places, transcripts, took = gather(session, CONTROL, seconds=20)
    assert places[Role.CONTROL].failure == rf"{reason}: no way\x1b[2J"
    assert transcripts == {}
    assert took < 2


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([event(CONTROL, kind="DELETED")], "the pod was deleted while it was probed"),
        (
            [event(CONTROL, phase="Failed", reason="Evicted", message="disk pressure")],
            "Evicted: disk pressure",
        ),
        (
            [event(CONTROL, {"terminated": {"reason": "StartError", "message": "no sh"}})],
            "StartError: no sh",
        ),
        (
            [json.dumps({"type": "ERROR", "object": {"code": 403, "message": "no"}})],
            "not allowed to watch pods in shop: no",
        ),
    ],
)
def test_what_ends_a_wait(api: FakeApi, session: Session, lines: list[str], why: str) -> None:
    watched(api, *lines)
    places, _, took = gather(session, CONTROL, seconds=20)
    assert places[Role.CONTROL].failure == why
    assert took < 2


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (status(403, "Forbidden", "no watch"), "not allowed to watch pods in shop: no watch"),
        (status(404, "NotFound", "no such namespace"), "could not watch pods in shop: no such"),
    ],
)
def test_a_watch_that_is_refused(api: FakeApi, session: Session, answer: Answer, why: str) -> None:
    api.on(PODS, answer)
    places, _, took = gather(session, CONTROL, seconds=20)
    assert places[Role.CONTROL].failure.startswith(why)
    assert took < 2


OLD = json.dumps({"type": "ERROR", "object": {"code": 410, "reason": "Expired"}})


@pytest.mark.parametrize(
    "first",
    [
        Answer(lines=[OLD]),
        Answer(lines=[]),
        Answer(lines=[event(CONTROL)], cut=True),
        Answer(lines=["{broken"]),
        status(500, "InternalError"),
    ],
    ids=["too old", "ended", "cut", "broken", "failed"],
)
def test_a_watch_that_ends_early_is_opened_anew(
    api: FakeApi, session: Session, first: Answer
) -> None:
    api.on(PODS, first, Answer(lines=[event(CONTROL, ENDED)], hold=True))
    logs(api, CONTROL, Answer(body=text(log(CONTROL))))
    places, transcripts, took = gather(session, CONTROL)
    assert places[Role.CONTROL].failure == ""
    assert transcripts
    assert took < 3


def test_a_server_that_fails_is_not_pestered(api: FakeApi, session: Session) -> None:
    api.on(PODS, status(500, "InternalError"))
    places, _, took = gather(session, CONTROL, seconds=1.5)
    assert "did not finish in time" in places[Role.CONTROL].failure
    assert len([seen for seen in api.seen if seen.path == PODS]) < 17
    assert took < 3


def test_the_deadline_tells_what_was_last_seen(api: FakeApi, session: Session) -> None:
    said: list[str] = []
    watched(api, event(CONTROL, {"waiting": {"reason": "ContainerCreating"}}))
    places, _, took = gather(session, CONTROL, seconds=1, say=said.append)
    assert places[Role.CONTROL].failure == "it did not finish in time: ContainerCreating"
    assert any("control:shop@w1: ContainerCreating" in each for each in said)
    assert 0.9 < took < 2


def test_a_pod_that_nobody_starts(api: FakeApi, session: Session) -> None:
    condition = {"type": "PodScheduled", "status": "False", "message": "no node fits"}
    watched(api, event(CONTROL, phase="Pending", conditions=[condition]))
    places, _, _ = gather(session, CONTROL, seconds=0.6)
    assert places[Role.CONTROL].failure == "it did not finish in time: no node fits"


def test_a_pod_of_another_run_is_none_of_ours(api: FakeApi, session: Session) -> None:
    line = event(CONTROL, RUNNING).replace(CONTROL.host, "stranger")
    watched(api, line)
    places, _, _ = gather(session, CONTROL, seconds=0.5)
    assert "not reported it yet" in places[Role.CONTROL].failure


# Logs


def read(api: FakeApi, session: Session, *answers: Answer, seconds: float = 5) -> tuple[str, Any]:
    watched(api, event(CONTROL, RUNNING))
    logs(api, CONTROL, *answers)
    places, transcripts, took = gather(session, CONTROL, seconds=seconds)
    assert took < seconds + 1
    return places[Role.CONTROL].failure, transcripts


WHOLE = log(CONTROL)


def test_a_log_that_is_cut_has_gaps_that_show(api: FakeApi, session: Session) -> None:
    failure, transcripts = read(api, session, Answer(body=text(WHOLE[:6])))
    assert failure == ""
    by_failure = {each.failure for each in transcripts.values()}
    assert by_failure == {"", frames.CUT, "the probes were cut short"}
    planned = [p for p in CONTROL.plan.probes if "/else" not in p.lane]
    expected = {id for probe in planned for id in probe.ids if "{" not in id}
    assert {each.probe for each in transcripts.values()} == expected


def test_what_has_come_by_the_deadline_counts(api: FakeApi, session: Session) -> None:
    """A stream that stays open: its last probes are gaps, its first ones are answers."""
    answer = Answer(lines=log(CONTROL, ends=False)[:10], hold=True)
    failure, transcripts = read(api, session, answer, seconds=1)
    assert failure == ""
    assert sum(each.exit_code == 0 for each in transcripts.values()) == 3
    assert any(each.failure == "the probes were cut short" for each in transcripts.values())


def test_a_log_that_breaks_is_read_again(api: FakeApi, session: Session) -> None:
    broken = Answer(lines=WHOLE[:5], cut=True)
    for first in (broken, status(500, "InternalError"), status(400, "BadRequest", "is waiting")):
        failure, transcripts = read(api, session, first, Answer(body=text(WHOLE)))
        assert failure == ""
        assert {each.exit_code for each in transcripts.values()} == {0}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (status(403, "Forbidden", "pods/log is forbidden"), "pods/log is forbidden"),
        (status(500, "InternalError", "kubelet is away"), "kubelet is away"),
        (Answer(body="exec sh: no such file\n"), "exec sh: no such file"),
        (Answer(body=""), "its log is empty"),
        (Answer(body="= begin dnsdebug-runner/1\n"), "= begin dnsdebug-runner/1"),
    ],
)
def test_a_log_without_an_answer(api: FakeApi, session: Session, answer: Answer, why: str) -> None:
    failure, transcripts = read(api, session, answer)
    assert failure == why
    assert all(each.exit_code is None for each in transcripts.values())


def test_a_hostile_log_is_cleaned(api: FakeApi, session: Session) -> None:
    lines = ["x $ dig", "x > \x1b[31mred\r", "x . 0 1", "= end 1"]
    _, transcripts = read(api, session, Answer(body=text(lines)))
    assert transcripts[f"{CONTROL.id}#x"].out == r"\x1b[31mred\r"


# Ends


def test_an_interruption_ends_every_stream(api: FakeApi, session: Session) -> None:
    class Stop(BaseException):
        pass

    def interrupt(_: str) -> None:
        raise Stop

    watched(api, event(CONTROL, {"waiting": {"reason": "ContainerCreating"}}))
    before = threading.active_count()
    started = time.monotonic()
    with pytest.raises(Stop):
        gather(session, CONTROL, TARGET, seconds=30, say=interrupt)
    assert time.monotonic() - started < 3
    assert threading.active_count() <= before + 2  # those of the fake server


@pytest.mark.parametrize("where", ["_look", "_with_the_missing"])
def test_a_bug_keeps_nobody_waiting(
    api: FakeApi, session: Session, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def broken(*_: Any) -> Iterable[Any]:
        raise KeyError("oops")

    monkeypatch.setattr(vantage, where, broken)
    watched(api, event(CONTROL, RUNNING))
    logs(api, CONTROL, Answer(body=text(WHOLE)))
    places, _, took = gather(session, CONTROL, seconds=20)
    assert places[Role.CONTROL].failure == "KeyError: 'oops'"
    assert took < 2


def test_an_api_server_that_goes_away(api: FakeApi, session: Session) -> None:
    api.on(PODS, Answer(drop=True))
    places, _, took = gather(session, CONTROL, seconds=20)
    assert places[Role.CONTROL].failure
    assert took < 5
