"""What was made is removed, or told: never forgotten, never somebody else's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kubectl_dnsdebug.api.cluster import Session, open_session
from kubectl_dnsdebug.collect import cleanup
from kubectl_dnsdebug.collect.ledger import Ledger
from kubectl_dnsdebug.model import DnsdebugError, Role
from kubectl_dnsdebug.plan.manifests import MADE_BY, RUN
from tests.fake_api import Answer, FakeApi, status
from tests.places import PODS, all_spots

SPOTS = all_spots()
POD = f"{PODS}/probe"


@pytest.fixture
def session(api: FakeApi) -> Iterator[Session]:
    with open_session(api.access()) as opened:
        yield opened


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "PAUSE", 0)


def deletions(api: FakeApi) -> list[str]:
    return [seen.path for seen in api.seen if seen.method == "DELETE"]


@pytest.mark.parametrize(
    ("answers", "tries"),
    [
        ([Answer(body={})], 1),
        ([Answer(status=202, body={})], 1),
        ([status(404, "NotFound")], 1),
        ([status(500, "InternalError"), Answer(body={})], 2),
        ([status(500, "InternalError")] * 3 + [Answer(body={})], 4),
        ([status(409, "Conflict"), status(404, "NotFound")], 2),
        ([status(429, "TooManyRequests", **{"Retry-After": "0"}), Answer(body={})], 2),
        ([Answer(drop=True), Answer(body={})], 2),
    ],
)
def test_removed(api: FakeApi, session: Session, answers: list[Answer], tries: int) -> None:
    api.on(POD, *answers, method="DELETE")
    assert cleanup.remove(session, "shop", "probe") == cleanup.REMOVED
    assert len(deletions(api)) == tries
    assert api.seen[-1].body == {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}


@pytest.mark.parametrize(
    ("answer", "why", "tries"),
    [
        (status(403, "Forbidden", "pods is forbidden"), "pods is forbidden", 1),
        (status(500, "InternalError", "etcd is away"), "etcd is away", cleanup.TRIES),
        (status(409, "Conflict", "busy"), "busy", cleanup.TRIES),
    ],
)
def test_not_removed_says_why_and_how(
    api: FakeApi, session: Session, answer: Answer, why: str, tries: int
) -> None:
    api.on(POD, answer, method="DELETE")
    fate = cleanup.remove(session, "shop", "probe")
    assert fate == f"NOT removed ({why}): kubectl delete pod probe -n shop"
    assert len(deletions(api)) == tries


def test_a_server_that_is_gone_is_a_fate_too(api: FakeApi, session: Session) -> None:
    api.on(POD, Answer(drop=True), method="DELETE")
    assert cleanup.remove(session, "shop", "probe").startswith("NOT removed (cannot reach")


def test_settle_leaves_no_pod_without_a_fate(api: FakeApi, session: Session) -> None:
    ledger = Ledger()
    for spot in SPOTS.values():
        ledger.note(spot)
    control, default = SPOTS[Role.CONTROL].host, SPOTS[Role.DEFAULT].host
    api.on(f"{PODS}/{control}", Answer(body={}), method="DELETE")
    api.on(f"{PODS}/{default}", status(403, "Forbidden", "no"), method="DELETE")
    cleanup.settle(session, ledger)
    assert {entry.what: entry.fate for entry in ledger.entries()} == {
        f"ephemeral container {SPOTS[Role.TARGET].container} in pod/shop/web-1": "",
        f"pod/shop/{control}": "removed",
        f"pod/shop/{default}": f"NOT removed (no): kubectl delete pod {default} -n shop",
    }
    assert ledger.pods() == []
    assert f"{PODS}/web-1" not in deletions(api), "the target itself"
    before = len(api.seen)
    cleanup.settle(session, ledger)
    assert len(api.seen) == before


def leftover(name: str, **annotations: str) -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "shop",
            "name": name,
            "labels": {RUN: "a1b2c3"},
            "annotations": annotations,
            "creationTimestamp": "2025-01-01T00:00:00Z",
        },
        "status": {"phase": "Running"},
    }


@pytest.mark.parametrize(
    ("namespace", "path"), [("shop", PODS), (None, "/api/v1/pods")], ids=["one", "all"]
)
def test_only_what_bears_both_marks_is_a_leftover(
    api: FakeApi, session: Session, namespace: str | None, path: str
) -> None:
    """A label alone may have been copied; without the annotation it is none of ours."""
    ours, copied = leftover("ours", **{MADE_BY: "kubectl-dnsdebug 1"}), leftover("copied")
    api.on(path, Answer(body={"items": [ours, copied]}))
    (found,) = cleanup.leftovers(session, namespace, "a1b2c3")
    assert found == cleanup.Leftover(
        namespace="shop",
        name="ours",
        run="a1b2c3",
        phase="Running",
        made_by="kubectl-dnsdebug 1",
        since="2025-01-01T00:00:00Z",
    )
    selector = "app.kubernetes.io/managed-by=kubectl-dnsdebug,dnsdebug.dev/run=a1b2c3"
    assert api.seen[0].query == {"labelSelector": selector}
    api.on(f"{PODS}/ours", Answer(body={}), method="DELETE")
    assert cleanup.sweep(session, [found]) == ((found, cleanup.REMOVED),)
    assert deletions(api) == [f"{PODS}/ours"]


def test_what_may_not_be_listed_is_an_error(api: FakeApi, session: Session) -> None:
    api.on("/api/v1/pods", status(403, "Forbidden", "no list"))
    with pytest.raises(DnsdebugError, match=r"in all namespaces \(-n chooses one\): no list"):
        cleanup.leftovers(session, None)


def test_what_is_left_is_told_as_a_command() -> None:
    """For whoever cannot wait; an ephemeral container is nothing to remove."""
    ledger = Ledger()
    for spot in SPOTS.values():
        ledger.note(spot)
    pods = [name for _, name in ledger.pods()]
    assert ledger.by_hand() == [f"kubectl delete pod -n shop {' '.join(pods)}"]
    for name in pods:
        ledger.settle("shop", name, cleanup.REMOVED)
    assert ledger.by_hand() == []
