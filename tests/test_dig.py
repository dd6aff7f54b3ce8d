"""Tool texts as answers: every text in captured/ came from a real tool and a scripted server."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_dnsdebug.model import Answer, Status, Transcript, Transport
from kubectl_dnsdebug.parse import dig

CAPTURED = Path(__file__).parent / "captured"
SOA = "[SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 30]"
API = "kubernetes.default.svc.cluster.local."


def transcript(command: str, out: str = "", exit_code: int | None = 0) -> Transcript:
    return Transcript(
        id="v#p",
        vantage="v",
        probe="p",
        argv=tuple(command.split()),
        out=out,
        exit_code=exit_code,
        failure="" if exit_code is not None else "the container never started",
    )


def captured(name: str) -> Transcript:
    """First line `$ COMMAND`, last line `[exit CODE]`."""
    head, *lines, end = (CAPTURED / f"{name}.txt").read_text().rstrip("\n").split("\n")
    code = int(end.removeprefix("[exit ").removesuffix("]"))
    return transcript(head.removeprefix("$ "), "\n".join(lines) + "\n", code)


def tell(answer: Answer) -> str:
    """One line of what a rule may rest on."""
    words = [answer.status, answer.name, answer.type]
    words.append(f"{answer.server or '-'}#{answer.port}/{answer.transport}")
    words += [f"{record.type} {record.data}" for record in answer.records]
    words += [f"[{record.type} {record.data}]" for record in answer.authority]
    return " ".join(words)


ONE = [
    ("dig-answer", f"noerror {API} A 127.0.0.1#5353/udp A 10.96.0.1"),
    ("dig-bound", f"noerror {API} A 127.0.0.1#5353/udp A 10.96.0.1"),
    ("dig-noedns", f"noerror {API} A 127.0.0.1#5353/udp A 10.96.0.1"),
    ("dig-tcp", f"noerror {API} A 127.0.0.1#5353/tcp A 10.96.0.1"),
    ("dig-default-server", f"noerror {API} A 127.0.0.1#53/udp A 10.96.0.1"),
    ("dig-nodata", f"noerror {API} AAAA 127.0.0.1#5353/udp"),
    ("dig-nxdomain", f"nxdomain nope.default.svc.cluster.local. A 127.0.0.1#5353/udp {SOA}"),
    ("dig-servfail", "servfail broken.example.com. A 127.0.0.1#5353/udp"),
    ("dig-refused", "refused no.example.com. A 127.0.0.1#5353/udp"),
    ("dig-notimp", "other-rcode odd.example.com. A 127.0.0.1#5353/udp"),
    (
        "dig-cname",
        "noerror www.example.com. A 127.0.0.1#5353/udp CNAME web.example.net. A 192.0.2.80",
    ),
    (
        "dig-srv",
        "noerror _dns._udp.kube-dns.kube-system.svc.cluster.local. SRV 127.0.0.1#5353/udp "
        "SRV 0 100 53 kube-dns.kube-system.svc.cluster.local.",
    ),
    ("dig-txt", 'noerror dns-version.cluster.local. TXT 127.0.0.1#5353/udp TXT "1.1.0"'),
    ("dig-ptr", f"noerror 1.0.96.10.in-addr.arpa. PTR 127.0.0.1#5353/udp PTR {API}"),
    (
        "dig-soa",
        "noerror cluster.local. SOA 127.0.0.1#5353/udp "
        "SOA ns.dns.cluster.local. hostmaster.cluster.local. 1700000000 7200 1800 86400 30",
    ),
    ("dig-timeout", "timeout slow.example.com. A 127.0.0.1#5353/udp"),
    ("dig-junk", "timeout junk.example.com. A 127.0.0.1#5353/udp"),
    ("dig-refused-connection", f"connection-refused {API} A 127.0.0.1#9/udp"),
    ("dig-tcp-refused-connection", f"connection-refused {API} A 127.0.0.1#9/tcp"),
    ("dig-unreachable", f"unreachable {API} A 192.0.2.1#53/udp"),
    ("dig-tcp-unreachable", f"unreachable {API} A 192.0.2.1#53/tcp"),
    ("dig-unreachable6", f"unreachable {API} A 2001:db8::1#53/udp"),
    ("dig-tcp-closed", "reset slow.example.com. A 127.0.0.1#5353/tcp"),
    ("dig-tcp-junk", "garbled junk.example.com. A 127.0.0.1#5353/tcp"),
    ("dig-truncated-ignored", "noerror big.example.com. TXT 127.0.0.1#5353/udp"),
    ("dig-truncated-no-tcp", "reset bignone.example.com. TXT 127.0.0.1#5353/tcp"),
    ("dig-fixed-busy", "not-run both.example.com. A 127.0.0.1#5353/udp"),
    ("dig-server-name", f"not-run {API} A no-such-server.invalid#53/udp"),
    ("dig-bad-name", "not-run a..b. A 127.0.0.1#5353/udp"),
    ("dig-search", "noerror short. A 127.0.0.1#5353/udp A 10.96.7.7"),
    ("dig-search-nodata", f"noerror empty. A 127.0.0.1#5353/udp {SOA}"),
    ("nslookup-short", "noerror short. A+AAAA 127.0.0.1#53/udp A 10.96.7.7"),
    ("nslookup-type", "noerror short. A 127.0.0.1#53/udp A 10.96.7.7"),
    ("nslookup-fqdn", f"noerror {API} A+AAAA 127.0.0.1#53/udp A 10.96.0.1"),
    ("nslookup-both", "noerror both.example.com. A+AAAA 127.0.0.1#53/udp A 192.0.2.6 AAAA fd00::1"),
    (
        "nslookup-server",
        "noerror both.example.com. A+AAAA 127.0.0.1#53/udp A 192.0.2.6 AAAA fd00::1",
    ),
    (
        "nslookup-cname",
        "noerror www.example.com. A+AAAA 127.0.0.1#53/udp CNAME web.example.net. A 192.0.2.80",
    ),
    ("nslookup-nodata", "noerror empty. A+AAAA 127.0.0.1#53/udp"),
    ("nslookup-nxdomain", "nxdomain nope.example.com. A+AAAA 127.0.0.1#53/udp"),
    ("nslookup-servfail", "servfail broken.example.com. A+AAAA 127.0.0.1#53/udp"),
    ("nslookup-refused", "refused no.example.com. A+AAAA 127.0.0.1#53/udp"),
    (
        "nslookup-aaaa-servfail",
        "noerror aaaafail.example.com. A+AAAA 127.0.0.1#53/udp A 192.0.2.5",
    ),
    ("nslookup-timeout", "timeout slow.example.com. A+AAAA 127.0.0.1#53/udp"),
    ("nslookup-no-server", "connection-refused short. A+AAAA 127.0.0.9#53/udp"),
    ("busybox-short", "noerror short. A+AAAA 127.0.0.1#53/udp A 10.96.7.7"),
    ("busybox-fqdn", f"noerror {API} A+AAAA 127.0.0.1#53/udp A 10.96.0.1"),
    ("busybox-both", "noerror both.example.com. A+AAAA 127.0.0.1#53/udp A 192.0.2.6 AAAA fd00::1"),
    ("busybox-dotted", "nxdomain kubernetes.default. A+AAAA 127.0.0.1#53/udp"),
    ("busybox-nodata", "noerror empty.shop.svc.cluster.local. A+AAAA 127.0.0.1#53/udp"),
    ("busybox-servfail", "servfail broken.example.com. A+AAAA 127.0.0.1#53/udp"),
    ("busybox-refused", "refused no.example.com. A+AAAA 127.0.0.1#53/udp"),
    (
        "busybox-aaaa-servfail",
        "noerror aaaafail.example.com. A+AAAA 127.0.0.1#53/udp A 192.0.2.5",
    ),
    (
        "busybox-cname",
        "noerror www.example.com. A+AAAA 127.0.0.1#53/udp CNAME web.example.net. A 192.0.2.80",
    ),
    ("busybox-timeout", "timeout slow.example.com. A+AAAA -#53/udp"),
    ("busybox-dead", "connection-refused short. A+AAAA 127.0.0.9#53/udp"),
    ("busybox-options", "not-run short.shop.svc.cluster.local. A+AAAA -#53/udp"),
    ("getent-ahosts", "noerror short. A+AAAA -#0/udp A 10.96.7.7"),
    ("getent-ahostsv4", "noerror short. A -#0/udp A 10.96.7.7"),
    ("getent-ahostsv6", "noerror both.example.com. AAAA -#0/udp AAAA fd00::1"),
    ("getent-hosts", "noerror short. A+AAAA -#0/udp A 10.96.7.7"),
    ("getent-both", "noerror both.example.com. A+AAAA -#0/udp AAAA fd00::1 A 192.0.2.6"),
    ("getent-cname", "noerror www.example.com. A+AAAA -#0/udp A 192.0.2.80"),
    ("getent-none", "no-address nope. A+AAAA -#0/udp"),
    ("getent-hosts-none", "no-address nope. A+AAAA -#0/udp"),
]
SEVERAL = {
    "dig-two": [
        f"noerror {API} A 127.0.0.1#5353/udp A 10.96.0.1",
        f"nxdomain nope.svc.cluster.local. AAAA 127.0.0.1#5353/udp {SOA}",
    ],
    "dig-two-dead": [
        "connection-refused a.example.com. A 127.0.0.1#9/udp",
        "connection-refused b.example.com. A 127.0.0.1#9/udp",
    ],
    "dig-three": [
        "timeout slow.example.com. A 127.0.0.1#5353/udp",
        f"noerror {API} A 127.0.0.1#5353/udp A 10.96.0.1",
        "servfail broken.example.com. A 127.0.0.1#5353/tcp",
    ],
}


@pytest.mark.parametrize(("name", "line"), ONE, ids=[name for name, _ in ONE])
def test_one_question(name: str, line: str) -> None:
    assert [tell(answer) for answer in dig.read(captured(name))] == [line]


@pytest.mark.parametrize("name", SEVERAL)
def test_several_questions_in_their_order(name: str) -> None:
    assert [tell(answer) for answer in dig.read(captured(name))] == SEVERAL[name]


def test_every_captured_text_is_held() -> None:
    told = {name for name, _ in ONE} | SEVERAL.keys() | {"dig-truncated-then-tcp"}
    assert told == {path.stem for path in CAPTURED.glob("*.txt")}


def test_the_rest_of_an_answer() -> None:
    (answer,) = dig.read(captured("dig-bound"))
    assert answer.flags == {"qr", "aa", "rd"}
    assert answer.source_port == 40053
    assert answer.ms is not None
    assert (answer.id, answer.vantage, answer.tool) == ("v#p", "v", "dig")
    assert answer.records[0].name == API
    assert answer.records[0].ttl == 30
    assert not answer.via_search
    assert not answer.detail


def test_truncation_is_told_by_the_flag_whatever_follows() -> None:
    (again,) = dig.read(captured("dig-truncated-then-tcp"))
    assert again.status is Status.NOERROR
    assert again.transport is Transport.TCP
    assert "tc" in again.flags
    assert len(again.records) == 12
    (lost,) = dig.read(captured("dig-truncated-no-tcp"))
    assert lost.transport is Transport.TCP
    assert lost.flags == {"tc"}
    (ignored,) = dig.read(captured("dig-truncated-ignored"))
    assert ignored.transport is Transport.UDP
    assert "tc" in ignored.flags


@pytest.mark.parametrize(
    ("when", "clock"),
    [
        ("Sat Nov 28 23:14:24 UTC 2026", 1795907664),
        ("Thu Jan  1 00:00:01 GMT 1970", 1),
        ("Sat Nov 28 23:14:24 CET 2026", None),  # this one is known; many mean several zones
        ("Sat Nov 28 23:14:24 UTC 0000", None),
        ("sam. nov. 28 23:14:24 UTC 2026", None),
    ],
)
def test_the_clock_of_the_node(when: str, clock: float | None) -> None:
    asked = captured("dig-bound")
    out = re.sub(r";; WHEN: .*", f";; WHEN: {when}", asked.out)
    (answer,) = dig.read(replace(asked, out=out))
    assert answer.clock == clock


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("dig-timeout", ";; communications error to 127.0.0.1#5353: timed out"),
        ("dig-server-name", "dig: couldn't get address for 'no-such-server.invalid': not found"),
        ("dig-notimp", "NOTIMP"),
        ("nslookup-nxdomain", "** server can't find nope.example.com: NXDOMAIN"),
        ("nslookup-aaaa-servfail", "** server can't find aaaafail.example.com: SERVFAIL"),
        ("getent-none", ""),
    ],
)
def test_detail_is_the_line_that_decided(name: str, detail: str) -> None:
    assert dig.read(captured(name))[0].detail == detail


def test_a_tool_that_searched_says_so() -> None:
    assert dig.read(captured("dig-search"))[0].via_search
    assert dig.read(captured("nslookup-short"))[0].via_search
    assert dig.read(captured("getent-both"))[0].via_search
    assert not dig.read(captured("nslookup-fqdn"))[0].via_search
    assert not dig.read(captured("dig-answer"))[0].via_search


OLD_TIMEOUT = """
; <<>> DiG 9.16.1 <<>> @10.96.0.10 -q x.test. -t A
;; global options: +cmd
;; connection timed out; no servers could be reached
"""
OLD_STRANGER = """
;; reply from unexpected source: 10.244.1.5#53, expected 10.96.0.10#53

; <<>> DiG 9.16.1 <<>> @10.96.0.10 -q x.test. -t A
;; global options: +cmd
;; connection timed out; no servers could be reached
"""
OLD_BUSYBOX = """\
Server:    10.96.0.10
Address 1: 10.96.0.10 kube-dns.kube-system.svc.cluster.local

Name:      kubernetes.default
Address 1: 10.96.0.1 kubernetes.default.svc.cluster.local
"""
OLD_BUSYBOX_NONE = """\
Server:    10.96.0.10
Address 1: 10.96.0.10 kube-dns.kube-system.svc.cluster.local

nslookup: can't resolve 'nope'
"""
ERROR = ";; communications error to 10.96.0.10#53: {}\n;; no servers could be reached\n"
SETUP = ";; UDP setup with 10.96.0.10#53(10.96.0.10) for x.test. failed: {}.\n"
ASK = "dig @10.96.0.10 -q x.test. -t A"


@pytest.mark.parametrize(
    ("command", "out", "status"),
    [
        (ASK, OLD_TIMEOUT, Status.TIMEOUT),
        (ASK, OLD_STRANGER, Status.TIMEOUT),
        (ASK, ERROR.format("timed out"), Status.TIMEOUT),
        (ASK, ERROR.format("connection refused"), Status.CONNECTION_REFUSED),
        (ASK, ERROR.format("network unreachable"), Status.UNREACHABLE),
        (ASK, ERROR.format("host unreachable"), Status.UNREACHABLE),
        (ASK, ERROR.format("end of file"), Status.RESET),
        (ASK, ERROR.format("connection reset"), Status.RESET),
        (ASK, ERROR.format("something new"), Status.GARBLED),
        (ASK, SETUP.format("host unreachable"), Status.UNREACHABLE),
        (ASK, SETUP.format("permission denied"), Status.UNREACHABLE),
        (ASK, "", Status.GARBLED),
        (ASK, "what is this\n", Status.GARBLED),
        (ASK, ";; Got bad packet: FORMERR\n12 bytes\n", Status.GARBLED),
        ("nslookup kubernetes.default", OLD_BUSYBOX, Status.NOERROR),
        ("nslookup nope", OLD_BUSYBOX_NONE, Status.NO_ADDRESS),
        ("nslookup x 10.96.0.10", ";; connection timed out; no servers could be reached\n",
         Status.TIMEOUT),
        ("nslookup x", "", Status.GARBLED),
        ("getent ahosts x", "", Status.NO_ADDRESS),
        ("getent ahosts x", "getent: x: Try again\n", Status.NO_ADDRESS),
    ],
)  # fmt: skip
def test_texts_of_other_versions(command: str, out: str, status: Status) -> None:
    assert [answer.status for answer in dig.read(transcript(command, out, 1))] == [status]


def test_a_stray_reply_is_kept_in_detail() -> None:
    (answer,) = dig.read(transcript(ASK, OLD_STRANGER, 9))
    assert answer.detail == (
        ";; reply from unexpected source: 10.244.1.5#53, expected 10.96.0.10#53"
    )


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("dig @192.0.2.1 x.test", "x.test. A 192.0.2.1#53/udp"),
        ("dig @192.0.2.1 -p 5353 -q x.test. -t AAAA +tcp", "x.test. AAAA 192.0.2.1#5353/tcp"),
        ("dig x.test MX @192.0.2.1", "x.test. MX 192.0.2.1#53/udp"),
        ("dig @192.0.2.1 X.Test IN txt", "x.test. TXT 192.0.2.1#53/udp"),
        ("/usr/bin/dig @192.0.2.1 +time=2 -4 -q x.test.", "x.test. A 192.0.2.1#53/udp"),
        (
            "dig +tcp -t AAAA -q a. @192.0.2.1 -q b. -t A @192.0.2.2 -p 54",
            "a. AAAA 192.0.2.1#54/tcp, b. A 192.0.2.2#54/tcp",
        ),
        ("dig", ". A -#53/udp"),
        ("nslookup x.test 192.0.2.1", "x.test. A+AAAA 192.0.2.1#53/udp"),
        ("nslookup -type=ptr x.test", "x.test. PTR -#53/udp"),
        ("getent hosts x.test", "x.test. A+AAAA -#0/udp"),
        ("getent", ". A+AAAA -#0/udp"),
    ],
)
def test_words_as_questions(command: str, told: str) -> None:
    answers = dig.read(transcript(command, exit_code=None))
    assert ", ".join(tell(answer) for answer in answers) == ", ".join(
        f"not-run {each}" for each in told.split(", ")
    )
    assert {answer.detail for answer in answers} == {"the container never started"}


def test_other_commands_have_no_answers() -> None:
    assert dig.read(transcript("cat /etc/resolv.conf", "nameserver 192.0.2.1\n")) == ()
    assert dig.read(transcript("", "")) == ()


@pytest.mark.parametrize(
    ("exit_code", "status"),
    [(124, Status.TIMEOUT), (143, Status.TIMEOUT), (127, Status.NOT_RUN), (126, Status.NOT_RUN)],
)
def test_exit_codes_that_are_not_the_tool_s_own(exit_code: int, status: Status) -> None:
    (answer,) = dig.read(transcript("getent ahosts x", "", exit_code))
    assert answer.status is status


def test_a_message_cut_short_is_garbled_never_nodata() -> None:
    whole = captured("dig-answer")
    lines = whole.out.splitlines(keepends=True)
    for cut in range(len(lines)):
        (answer,) = dig.read(transcript(" ".join(whole.argv), "".join(lines[:cut])))
        assert answer.status is Status.GARBLED or answer.records


def test_an_answer_to_another_question_is_garbled() -> None:
    whole = captured("dig-answer")
    other = transcript("dig @127.0.0.1 -p 5353 -q other.test. -t A", whole.out)
    assert [answer.status for answer in dig.read(other)] == [Status.GARBLED]


TEXTS = [captured(name) for name, _ in ONE]


@given(st.sampled_from(TEXTS), st.sampled_from(TEXTS), st.integers(0, 400), st.text(max_size=40))
def test_nothing_a_tool_prints_makes_it_fail(
    command: Transcript, text: Transcript, cut: int, junk: str
) -> None:
    out = text.out[:cut] + junk + text.out[cut:]
    answers = dig.read(transcript(" ".join(command.argv), out, 1))
    assert len(answers) == 1
    if answers[0].status.is_answer and answers[0].tool == "dig":
        assert "status" in out


@given(st.lists(st.text(alphabet="-+@#qtpbx.A= ", max_size=8)))
def test_no_words_make_it_fail(words: list[str]) -> None:
    for tool in ("dig", "nslookup", "getent"):
        run = Transcript(id="i", vantage="v", probe="p", argv=(tool, *words), exit_code=0)
        assert all(answer.status is not Status.NOERROR for answer in dig.read(run))
