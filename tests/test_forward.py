"""Port-forwards: frames of a WebSocket, and DNS pods asked over them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, cast

import dns.message
import dns.rrset
import pytest

from kubectl_dnsdebug.api.cluster import Session, open_session
from kubectl_dnsdebug.api.forward import Forward, ForwardError
from kubectl_dnsdebug.api.replies import Reply
from kubectl_dnsdebug.collect import asking
from kubectl_dnsdebug.model import Evidence, Request, Role, Status, Transcript, Transport
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse import dig
from kubectl_dnsdebug.report import servers
from tests import reports
from tests.fake_api import Answer, FakeApi, status
from tests.rule_cases import CASES, load

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
PORTS = b"\x00\x35\x00"  # a channel's first message: the port, least byte first


@dataclass
class Line:
    """Both ends of a connection that was upgraded."""

    forward: Forward
    far: socket.socket

    def say(self, content: bytes, kind: int = 2) -> None:
        size = len(content)
        head = bytes([0x80 | kind, size]) if size < 126 else struct.pack("!BBH", 0x82, 126, size)
        self.far.sendall(head + content)


@contextmanager
def line() -> Iterator[Line]:
    near, far = socket.socketpair()
    response = SimpleNamespace(
        connection=SimpleNamespace(sock=near),
        _fp=SimpleNamespace(fp=near.makefile("rb")),
        close=lambda: None,
    )
    forward = Forward(Reply(status=101), cast(Any, response))
    try:
        yield Line(forward, far)
    finally:
        forward.close()
        response._fp.fp.close()
        near.close()
        far.close()


def heard(far: socket.socket) -> bytes:
    """The content of one frame of the client, unmasked."""
    _, size = far.recv(2)
    assert size & 0x80, "a client masks what it sends"
    mask = far.recv(4)
    return bytes(b ^ mask[n % 4] for n, b in enumerate(far.recv(size & 0x7F)))


def test_data_comes_whole_however_it_is_cut() -> None:
    with line() as held:
        held.say(b"\x00" + PORTS[:2])
        held.say(b"\x01" + PORTS[:2])
        held.say(b"", kind=9)  # a ping
        held.say(b"\x00ab")
        held.say(b"\x00" + b"c" * 300)
        assert held.forward.receive(2, 1) == b"ab"
        assert held.forward.receive(300, 1) == b"c" * 300
        held.forward.send(b"question")
        assert heard(held.far) == b""  # the pong
        assert heard(held.far) == b"\x00question"


@pytest.mark.parametrize(
    ("say", "why"),
    [
        (lambda held: held.say(b"\x01\x35\x00connection refused"), "connection refused"),
        (lambda held: held.say(b"", kind=8), "closed"),
        (lambda held: held.far.close(), "closed"),
        (lambda held: held.far.sendall(b"\x82\x7f" + b"\xff" * 8), "no port-forward"),
    ],
)
def test_what_goes_wrong_is_told(say: Callable[[Line], None], why: str) -> None:
    with line() as held:
        say(held)
        with pytest.raises(ForwardError, match=why):
            held.forward.receive(2, 1)


def test_silence_ends() -> None:
    with line() as held, pytest.raises(TimeoutError):
        held.forward.receive(2, 0.05)


def reply(name: str, address: str) -> bytes:
    answer = dns.message.make_response(dns.message.make_query(name, "A"))
    answer.answer.append(dns.rrset.from_text(name, 30, "IN", "A", address))
    wire = answer.to_wire()
    return struct.pack("!H", len(wire)) + wire


def told(say: Callable[[Line], None]) -> str:
    with line() as held:
        say(held)
        return asking._exchange(held.forward, "a.example.", "10.0.0.1#53")


def test_an_answer_is_told_in_words_that_are_read_as_digs() -> None:
    def say(held: Line) -> None:
        held.say(b"\x00\x35\x00")
        held.say(b"\x00" + reply("a.example.", "192.0.2.1"))

    transcript = Transcript(
        id="server:kube-system/coredns-a#ext.tcp", vantage="server:kube-system/coredns-a",
        probe="ext.tcp", argv=("port-forward", "+tcp", "-p", "53", "@10.0.0.1", "a.example.", "A"),
        out=told(say), exit_code=0,
    )  # fmt: skip
    (answer,) = dig.read(transcript)
    assert (answer.tool, answer.server, answer.port) == ("port-forward", "10.0.0.1", 53)
    assert (answer.transport, answer.status) == (Transport.TCP, Status.NOERROR)
    assert [record.data for record in answer.records] == ["192.0.2.1"]


@pytest.mark.parametrize(
    ("say", "outcome"),
    [
        (lambda held: held.say(b"\x01\x35\x00: connection refused"), "connection refused"),
        (lambda held: held.say(b"\x01\x35\x00no such pod"), "connection reset"),
        (lambda held: held.say(b"\x00\x35\x00\x00\x02xx"), "Got bad packet"),
    ],
)
def test_no_answer_is_told_too(say: Callable[[Line], None], outcome: str) -> None:
    assert outcome in told(say)


@pytest.fixture
def session(api: FakeApi) -> Iterator[Session]:
    with open_session(api.access()) as opened:
        yield opened


def evidence() -> Evidence:
    return Evidence(
        tool="t", collected_at="", context="c", request=Request(targets=()), facts=reports.cluster()
    )


def test_who_may_not_leaves_a_gap(api: FakeApi, session: Session) -> None:
    api.on(REVIEWS, Answer(status=201, body={"status": {"allowed": False}}), method="POST")
    facts, vantages, transcripts = asking.ask(session, evidence())
    assert [fact.id for fact in facts] == ["may/kube-system/create pods/portforward"]
    assert {v.failure for v in vantages} == {
        "not allowed to create pods/portforward in kube-system"
    }
    assert {(v.role, v.node) for v in vantages} == {(Role.SERVER, "")}
    assert (transcripts, len(api.seen)) == ((), 1)


def test_a_refused_upgrade_leaves_a_gap(api: FakeApi, session: Session) -> None:
    api.on(REVIEWS, Answer(status=201, body={"status": {"allowed": True}}), method="POST")
    path = "/api/v1/namespaces/kube-system/pods/{}/portforward"
    api.on(path.format("coredns-a"), status(403, "Forbidden", "no forwarding here"))
    _, vantages, transcripts = asking.ask(session, evidence())
    assert "no forwarding here" in vantages[0].failure
    assert transcripts == ()
    (seen, *_) = [each for each in api.seen if each.path.endswith("portforward")]
    assert seen.query == {"ports": "53"}
    assert seen.headers["upgrade"] == "websocket"


def test_gaps_are_reported() -> None:
    held = evidence()
    refused = [asking._vantage(pod, "not allowed") for pod in Observed(held).dns_pods]
    seen = Observed(replace(held, vantages=tuple(refused)))
    assert [each.reason for each in servers.unknowns(seen)] == ["not allowed"] * 2
    assert not servers.asked(seen)


def test_no_name_of_the_cluster_is_a_gap() -> None:
    held = evidence()
    places = tuple(asking._vantage(pod) for pod in Observed(held).dns_pods)
    (gap,) = servers.unknowns(Observed(replace(held, vantages=places)))
    assert gap.matters
    assert "domain" in gap.reason


def test_what_they_said_in_short() -> None:
    seen = Observed(load(CASES / "upstream-timeout/asked-over-the-api/evidence.json"))
    assert servers.summary(seen) == (
        "2 of 2 answered for kubernetes.default.svc.cluster.local., "
        "0 of 2 answered for dnsdebug.test."
    )
    assert {answer for _, answer in servers.failures(seen, ())}
    assert servers.summary(Observed(evidence())) == ""
