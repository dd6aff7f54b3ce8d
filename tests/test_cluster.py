"""The way to the API server holds when the server, the path or the credentials do not."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kubectl_dnsdebug.api.cluster import ClusterError, ClusterTimeout, Session, Stream, open_session
from kubectl_dnsdebug.api.kubeconfig import Access
from tests.fake_api import Answer, FakeApi, status

POD = "/api/v1/namespaces/shop/pods/web"
PODS = "/api/v1/namespaces/shop/pods"


@pytest.fixture
def session(api: FakeApi) -> Iterator[Session]:
    with open_session(api.access(namespace="shop")) as opened:
        yield opened


def took(started: float) -> float:
    return time.monotonic() - started


# Replies


def test_a_reply_is_parsed_and_cleaned(api: FakeApi, session: Session) -> None:
    api.on(POD, Answer(body={"metadata": {"name": "a\x1b[31m\u202e"}, "data": "x\r\n"}))
    reply = session.get(POD)
    assert (reply.ok, reply.status) == (True, 200)
    assert reply.body == {"metadata": {"name": r"a\x1b[31m\u202e"}, "data": "x\\r\n"}


def test_a_log_is_kept_as_sent_and_shown_cleaned(api: FakeApi, session: Session) -> None:
    api.on(f"{POD}/log", Answer(body=b"one\x1b\n\xfftwo\r\n"))
    reply = session.get(f"{POD}/log", container="c d")
    assert reply.content == b"one\x1b\n\xfftwo\r\n"
    assert reply.text == "one\\x1b\n\\udcfftwo\\r\n"
    assert reply.body is None
    assert api.seen[0].query == {"container": "c d"}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (400, "BadRequest"),
        (403, "Forbidden"),
        (404, "NotFound"),
        (409, "AlreadyExists"),
        (422, "Invalid"),
        (500, "InternalError"),
        (504, "Timeout"),
    ],
)
def test_every_status_is_data(api: FakeApi, session: Session, code: int, reason: str) -> None:
    api.on(POD, status(code, reason, "pods is\x1b\nno"))
    reply = session.get(POD)
    assert (reply.ok, reply.status, reply.reason) == (False, code, reason)
    assert reply.message == r"pods is\x1b no"
    assert session.requests == 1


def test_a_failure_without_a_status_object_still_has_a_message(
    api: FakeApi, session: Session
) -> None:
    api.on(
        POD, Answer(status=502, body="<html>bad\ngateway", headers={"Content-Type": "text/html"})
    )
    api.on(PODS, Answer(status=500))
    said = session.get(POD).message
    assert said == "HTTP 502: a web page, from something that stands before the API server"
    assert session.get(PODS).message == "HTTP 500"
    assert session.get(PODS).reason == ""


def test_writing_sends_json_and_the_right_type(api: FakeApi, session: Session) -> None:
    for method in ("POST", "PATCH", "DELETE"):
        api.on(POD, Answer(body={}), method=method)
    session.post(POD, {"a": 1}, fieldManager="me")
    session.patch(POD, {"b": 2})
    session.patch(POD, {"c": 3}, "application/merge-patch+json")
    session.delete(POD, {"gracePeriodSeconds": 0})
    session.delete(POD)
    assert [(seen.method, seen.body) for seen in api.seen] == [
        ("POST", {"a": 1}),
        ("PATCH", {"b": 2}),
        ("PATCH", {"c": 3}),
        ("DELETE", {"gracePeriodSeconds": 0}),
        ("DELETE", None),
    ]
    kinds = [seen.headers.get("content-type") for seen in api.seen]
    assert kinds == [
        "application/json",
        "application/strategic-merge-patch+json",
        "application/merge-patch+json",
        "application/json",
        None,
    ]
    assert api.seen[0].query == {"fieldManager": "me"}
    assert api.seen[0].headers["user-agent"].startswith("kubectl-dnsdebug/")


@pytest.mark.parametrize("path", [f"{PODS}/", f"{PODS}//log", f"{PODS}/..", f"{PODS}/./x"])
def test_a_path_without_a_name_never_leaves(api: FakeApi, session: Session, path: str) -> None:
    with pytest.raises(ValueError, match="not a path"):
        session.delete(path)
    assert api.seen == []


def test_a_name_cannot_add_to_the_request(api: FakeApi, session: Session) -> None:
    session.get(f"{PODS}/x?watch=1#y")
    assert api.seen[0].path == f"{PODS}/x%3Fwatch%3D1%23y"


def test_broken_json_is_an_error(api: FakeApi, session: Session) -> None:
    api.on(POD, Answer(body=b'{"a":', headers={"Content-Type": "application/json"}))
    api.on(PODS, Answer(body=b"[" * 200_000, headers={"Content-Type": "application/json"}))
    for path in (POD, PODS):
        with pytest.raises(ClusterError, match="broken JSON"):
            session.get(path)


def test_a_login_page_is_no_api(api: FakeApi, session: Session) -> None:
    api.on(POD, Answer(status=302, headers={"Location": "https://sso/login"}))
    api.on(PODS, Answer(body="<html>", headers={"Content-Type": "text/html"}))
    with pytest.raises(ClusterError, match="no Kubernetes API but leads to https://sso/login"):
        session.get(POD)
    with pytest.raises(ClusterError, match="a web page"):
        session.get(PODS)


# Retries and time


def test_a_huge_retry_after_is_not_obeyed(api: FakeApi, session: Session) -> None:
    api.on(POD, status(429, "TooManyRequests", **{"Retry-After": "21600"}), Answer(body={"a": 1}))
    started = time.monotonic()
    assert session.get(POD).ok
    assert 1.9 < took(started) < 3
    assert session.requests == 2


def test_a_server_that_stays_busy_is_data_in_the_end(api: FakeApi, session: Session) -> None:
    api.on(POD, status(503, "ServiceUnavailable"))
    started = time.monotonic()
    assert session.request("GET", POD, timeout=1).status == 503
    assert took(started) < 2
    assert session.requests > 1


@pytest.mark.parametrize("fault", [Answer(drop=True), Answer(body={"a": "b" * 5000}, cut=True)])
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_a_broken_connection_is_tried_again(
    api: FakeApi, session: Session, fault: Answer, method: str
) -> None:
    api.on(POD, fault, Answer(body={"a": 1}), method=method)
    assert session.request(method, POD).body == {"a": 1}
    assert session.requests == 2


def test_a_connection_that_always_breaks_is_an_error(api: FakeApi, session: Session) -> None:
    api.on(POD, Answer(drop=True))
    with pytest.raises(ClusterError, match="the connection is cut each time"):
        session.get(POD)
    assert session.requests == 3


def test_silence_is_a_timeout_of_that_request_only(api: FakeApi, session: Session) -> None:
    api.on(POD, Answer(never=True))
    api.on(PODS, Answer(body={}))
    assert session.get(PODS).ok
    started = time.monotonic()
    with pytest.raises(ClusterTimeout, match=r"no answer within 0\.3 s"):
        session.request("GET", POD, timeout=0.3)
    assert took(started) < 2
    assert session.get(PODS).ok


def test_a_body_that_drips_ends_at_the_deadline(api: FakeApi, session: Session) -> None:
    def drip() -> Iterator[str]:
        while True:
            time.sleep(0.05)
            yield "x"

    api.on(POD, lambda _: Answer(lines=drip()))
    started = time.monotonic()
    with pytest.raises(ClusterTimeout):
        session.request("GET", POD, timeout=0.3)
    assert took(started) < 2


def test_the_users_limit_holds_where_no_other_is_given(api: FakeApi) -> None:
    api.on(PODS, Answer(body={}))
    api.on(POD, Answer(never=True))
    with open_session(api.access(request_timeout="300ms")) as session:
        session.get(PODS)
        with pytest.raises(ClusterTimeout, match=r"within 0\.3 s"):
            session.get(POD)


def test_closing_ends_a_wait(api: FakeApi, session: Session) -> None:
    api.on(POD, status(429, "TooManyRequests", **{"Retry-After": "2"}))
    threading.Timer(0.2, session.close).start()
    started = time.monotonic()
    assert session.get(POD).status == 429
    assert took(started) < 1


def test_many_threads_share_the_connections(api: FakeApi, session: Session) -> None:
    api.on(POD, lambda seen: Answer(body={"n": seen.query["n"]}, delay=0.05))
    with ThreadPoolExecutor(10) as threads:
        started = time.monotonic()
        bodies = list(threads.map(lambda n: session.get(POD, n=str(n)).body, range(40)))
    assert bodies == [{"n": str(n)} for n in range(40)]
    assert session.requests == 40
    assert took(started) < 1.5


def test_a_server_that_restarts_is_found_again(api: FakeApi, session: Session) -> None:
    api.on(POD, Answer(body={}, headers={"Connection": "close"}))
    assert session.get(POD).ok
    assert session.get(POD).ok


# Unreachable


def refusal(access: Access) -> str:
    """The error of a first request, which must come in time."""
    started = time.monotonic()
    with open_session(access) as session, pytest.raises(ClusterError) as caught:
        session.get(POD)
    assert took(started) < 6
    assert access.server in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def elsewhere(api: FakeApi, server: str, **flags: Any) -> Access:
    return replace(api.access(**flags), server=server)


def test_nothing_listens(api: FakeApi) -> None:
    said = refusal(elsewhere(api, f"https://127.0.0.1:{closed_port()}"))
    assert "connection refused: nothing listens there" in said


def test_it_listens_but_never_speaks(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubectl_dnsdebug.api.cluster.CONNECT_TIMEOUT", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        said = refusal(elsewhere(api, f"https://127.0.0.1:{silent.getsockname()[1]}"))
    assert "nothing answers in time" in said


def test_its_name_does_not_resolve(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert "the name api.test does not resolve" in refusal(elsewhere(api, "https://api.test:6443"))


def test_its_name_takes_too_long(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubectl_dnsdebug.api.cluster.CONNECT_TIMEOUT", 0.2)
    over = threading.Event()

    def slow(*_: Any, **__: Any) -> list[Any]:
        over.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    assert "does not resolve" in refusal(elsewhere(api, "https://api.test:6443"))
    over.set()


def test_tls_to_a_server_that_has_none(api: FakeApi) -> None:
    said = refusal(elsewhere(api, f"https://127.0.0.1:{api.port}"))
    assert "does not speak TLS" in said


# TLS


@pytest.mark.parametrize(
    ("server", "ca", "says"),
    [
        ("server", "other-ca", "not signed by the CA we trust"),
        ("server", "", "not signed by the CA we trust"),
        ("expired", "ca", "certificate is out of date"),
        ("misnamed", "ca", "certificate is for another name"),
    ],
)
def test_a_certificate_we_do_not_trust(pki: Path, server: str, ca: str, says: str) -> None:
    with FakeApi(pki / f"{server}.pem", pki / f"{server}.key") as api:
        trusted = str(pki / f"{ca}.pem") if ca else ""
        assert says in refusal(api.access(certificate_authority=trusted))


@pytest.mark.parametrize(
    ("server", "flags"),
    [
        ("server", {"certificate_authority": "ca.pem"}),
        ("server", {"certificate_authority": "commented.pem"}),
        ("server", {"certificate_authority": "server.pem"}),
        ("misnamed", {"certificate_authority": "ca.pem", "tls_server_name": "api.test"}),
        ("expired", {"insecure_skip_tls_verify": True}),
    ],
)
def test_a_certificate_we_trust(
    pki: Path, monkeypatch: pytest.MonkeyPatch, server: str, flags: dict[str, Any]
) -> None:
    commented = "# Zertifikat für alle\n".encode("latin-1") + (pki / "ca.pem").read_bytes()
    (pki / "commented.pem").write_bytes(commented)
    monkeypatch.chdir(pki)
    with FakeApi(pki / f"{server}.pem", pki / f"{server}.key") as api:
        api.on(POD, Answer(body={}))
        with open_session(api.access(**flags)) as session:
            assert session.get(POD).ok


def test_plain_http_to_a_tls_port_says_so(api: FakeApi, session: Session) -> None:
    api.on(POD, Answer(status=400, body="Client sent an HTTP request to an HTTPS server.\n"))
    with pytest.raises(ClusterError, match="must begin with https"):
        session.get(POD)


# Proxies


def test_a_proxy_is_used_and_named_when_it_fails(api: FakeApi) -> None:
    api.on("http://api.test/api/v1/nodes", Answer(body={}))
    access = elsewhere(api, "http://api.test")
    with open_session(replace(access, proxy=f"http://u:secret@127.0.0.1:{api.port}")) as session:
        session.get("/api/v1/nodes")
    seen = api.seen[0].headers
    assert seen["host"] == "api.test"
    assert seen["proxy-authorization"] == f"Basic {base64.b64encode(b'u:secret').decode()}"
    dead = f"http://u:secret@127.0.0.1:{closed_port()}"
    said = refusal(replace(access, proxy=dead))
    assert "its proxy http://127.0.0.1:" in said
    assert "connection refused" in said
    assert "secret" not in said


def test_a_proxy_that_refuses_the_tunnel_is_named(api: FakeApi) -> None:
    access = elsewhere(api, "https://api.test:6443")
    api.on("api.test:6443", Answer(status=403), method="CONNECT")
    said = refusal(replace(access, proxy=api.url))
    assert "its proxy" in said


def test_a_proxy_of_an_unknown_kind_is_an_error(api: FakeApi) -> None:
    with pytest.raises(ClusterError, match=r"proxy of .* cannot be used"):
        open_session(replace(api.access(), proxy="ftp://127.0.0.1:1"))


# Streams


def lines_of(stream: Stream) -> list[str]:
    return list(stream)


def test_lines_come_as_they_are_written(api: FakeApi, session: Session) -> None:
    api.on(f"{POD}/log", Answer(lines=["one", "", "tw\udcffo\r", "\x85three"], hold=True))
    with session.lines(f"{POD}/log", query={"follow": "true"}, timeout=5) as stream:
        lines = iter(stream)
        assert [next(lines) for _ in range(4)] == ["one", "", "tw\udcffo\r", "\x85three"]
        assert stream.ended == ""


def test_a_stream_that_ends_says_the_server_did(api: FakeApi, session: Session) -> None:
    api.on(f"{POD}/log", Answer(body="one\ntwo"))
    with session.lines(f"{POD}/log", timeout=5) as stream:
        assert lines_of(stream) == ["one", "two"]
        assert stream.ended == "server"


def test_a_stream_that_breaks_says_so(api: FakeApi, session: Session) -> None:
    api.on(f"{POD}/log", Answer(lines=["one"], cut=True))
    with session.lines(f"{POD}/log", timeout=5) as stream:
        assert lines_of(stream) == ["one"]
        assert stream.ended == "broken"


def test_a_stream_ends_at_its_deadline(api: FakeApi, session: Session) -> None:
    api.on(f"{POD}/log", Answer(lines=["one"], hold=True))
    started = time.monotonic()
    with session.lines(f"{POD}/log", timeout=0.4) as stream:
        assert lines_of(stream) == ["one"]
        assert stream.ended == "deadline"
    assert 0.3 < took(started) < 1


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("how", ["stream", "session"])
def test_another_thread_can_end_a_stream(pki: Path, secure: bool, how: str) -> None:
    with FakeApi(*((pki / "server.pem", pki / "server.key") if secure else ())) as api:
        api.on(f"{POD}/log", Answer(lines=["one"], hold=True))
        api.on(POD, Answer(body={}))
        ca = str(pki / "ca.pem") if secure else ""
        with open_session(api.access(certificate_authority=ca)) as session:
            started = time.monotonic()
            with session.lines(f"{POD}/log", timeout=30) as stream:
                end = stream.close if how == "stream" else session.close_streams
                threading.Timer(0.2, end).start()
                assert lines_of(stream) == ["one"]
                assert stream.ended == "closed"
            assert took(started) < 2
            assert session.get(POD).ok


def test_an_interrupt_leaves_the_session_usable(api: FakeApi, session: Session) -> None:
    api.on(f"{POD}/log", Answer(lines=["one"], hold=True))
    api.on(POD, Answer(body={}))

    def interrupted() -> None:
        with session.lines(f"{POD}/log", timeout=30) as stream:
            assert next(iter(stream)) == "one"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert session.get(POD).ok


def test_a_line_without_end_is_cut_in_pieces(
    api: FakeApi, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubectl_dnsdebug.api.replies.LONGEST_LINE", 1000)
    api.on(f"{POD}/log", Answer(body="x" * 250_000 + "\ny"))
    with session.lines(f"{POD}/log", timeout=5) as stream:
        lines = lines_of(stream)
    assert lines[-1] == "y"
    assert max(map(len, lines)) < 1000 + (1 << 16)
    assert "".join(lines).count("x") == 250_000


def test_a_refused_stream_has_the_reply_and_no_lines(api: FakeApi, session: Session) -> None:
    api.on(f"{POD}/log", status(403, "Forbidden", "no"))
    with session.lines(f"{POD}/log", timeout=5) as stream:
        assert (stream.reply.status, stream.reply.message) == (403, "no")
        assert lines_of(stream) == []


def event(type_: str, /, **item: Any) -> str:
    return json.dumps({"type": type_, "object": item})


def test_a_watch_gives_events(api: FakeApi, session: Session) -> None:
    api.on(PODS, Answer(lines=[event("ADDED", a="\x1b"), event("DELETED", b=1)], hold=True))
    with session.watch(PODS, query={"labelSelector": "a=b"}, timeout=3) as events:
        assert next(events) == ("ADDED", {"a": r"\x1b"})
        assert next(events) == ("DELETED", {"b": 1})
    asked = {"labelSelector": "a=b", "watch": "1", "timeoutSeconds": "3"}
    assert api.seen[0].query == asked


def test_a_watch_too_old_ends_with_an_error_event(api: FakeApi, session: Session) -> None:
    gone = {"kind": "Status", "code": 410, "reason": "Expired"}
    api.on(PODS, Answer(lines=[event("ERROR", **gone), event("ADDED")], hold=True))
    with session.watch(PODS, timeout=3) as events:
        assert list(events) == [("ERROR", gone)]


def test_a_refused_watch_is_an_error_event(api: FakeApi, session: Session) -> None:
    api.on(PODS, status(403, "Forbidden", "no"))
    with session.watch(PODS, timeout=3) as events:
        assert list(events) == [
            ("ERROR", {"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no"})
        ]


def test_a_garbled_watch_ends(api: FakeApi, session: Session) -> None:
    for line in ("{", "[]", '{"type": "ADDED"}'):
        api.on(PODS, Answer(lines=[event("ADDED"), line], hold=True))
        with session.watch(PODS, timeout=3) as events:
            assert list(events) == [("ADDED", {})]


# Speed


def test_opening_is_quick(secure: FakeApi, pki: Path) -> None:
    user = {"client-certificate": f"{pki}/client.pem", "client-key": f"{pki}/client.key"}
    access = replace(secure.access(), user_entry=user)

    def once() -> float:
        started = time.perf_counter()
        open_session(access).close()
        return time.perf_counter() - started

    # The first one loads the client; others of them share the machine with other work.
    assert min(once() for _ in range(6)) < 0.03


def test_asking_for_compression_is_not_needed(api: FakeApi, session: Session) -> None:
    # A server that compresses all the same is understood.
    packed = gzip.compress(b'{"a": 1}')
    kind = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    api.on(POD, Answer(body=packed, headers=kind))
    assert session.get(POD).body == {"a": 1}


def test_importing_needs_no_client() -> None:
    script = "import sys, kubectl_dnsdebug.api.cluster; print('kubernetes' in sys.modules)"
    said = subprocess.check_output([sys.executable, "-c", script], text=True)
    assert said.strip() == "False"
