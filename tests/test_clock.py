"""The cluster's clock counts: logs and events are stamped by it, and ours may be wrong."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kubectl_dnsdebug.api.cluster import open_session
from kubectl_dnsdebug.api.replies import ahead
from tests.fake_api import Answer, FakeApi


def response(date: str | None) -> Any:
    return cast(Any, SimpleNamespace(headers={} if date is None else {"Date": date}))


@pytest.mark.parametrize("minutes", [-10, 0, 60])
def test_how_far_the_server_is_ahead(minutes: int) -> None:
    theirs = datetime.now(UTC) + timedelta(minutes=minutes)
    found = ahead(response(format_datetime(theirs, usegmt=True)), time.time())
    assert abs(found - minutes * 60) < 5


def test_a_slow_answer_is_no_wrong_clock() -> None:
    before = datetime.now(UTC) - timedelta(seconds=20)
    assert ahead(response(format_datetime(before, usegmt=True)), time.time() - 30) == 0
    assert ahead(response(format_datetime(before, usegmt=True)), before.timestamp()) == 0


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_who_does_not_say_has_our_time(date: str | None) -> None:
    assert ahead(response(date), time.time()) == 0


def test_the_first_answer_sets_it(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    api.on("/version", Answer(body={}))
    monkeypatch.setattr("kubectl_dnsdebug.api.cluster.ahead", lambda *_: -3600.0)
    with open_session(api.access()) as session:
        session.get("/version")
        assert abs(session.now().timestamp() + 3600 - time.time()) < 5
