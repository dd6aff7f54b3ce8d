"""The search list per resolver: the rows here were measured, see the module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_dnsdebug.model import Answer, Record, Status, Transport
from kubectl_dnsdebug.parse import search
from kubectl_dnsdebug.parse.resolvconf import ResolvConf
from kubectl_dnsdebug.parse.search import Libc, Reply, Step, Stop, Then, Walk

CONF = ResolvConf(
    nameservers=("192.0.2.1",), search=("s1.test", "s2.test", "s3.test"), options={"ndots": "5"}
)
FLAT = ResolvConf(nameservers=("192.0.2.1",), search=("s1.test", "s2.test"))

ANSWER, NODATA, NXDOMAIN = Reply.ANSWER, Reply.NODATA, Reply.NXDOMAIN
SERVFAIL, REFUSED, OTHER, SILENCE = Reply.SERVFAIL, Reply.REFUSED, Reply.OTHER, Reply.SILENCE


def answer(status: Status, *records: Record, type: str = "A", flags: str = "qr") -> Answer:
    return Answer(
        id="v#p",
        vantage="v",
        tool="dig",
        server="192.0.2.1",
        port=53,
        transport=Transport.UDP,
        name="x.test.",
        type=type,
        status=status,
        records=records,
        flags=frozenset(flags.split()),
    )


ADDRESS = Record(name="x.test.", ttl=5, type="A", data="192.0.2.7")
ALIAS = Record(name="x.test.", ttl=5, type="CNAME", data="y.test.")


@pytest.mark.parametrize(
    ("given_answer", "reply"),
    [
        (answer(Status.NOERROR, ADDRESS), ANSWER),
        (answer(Status.NOERROR, ALIAS, ADDRESS), ANSWER),
        (answer(Status.NOERROR, ALIAS), NODATA),
        (answer(Status.NOERROR, ADDRESS, type="AAAA"), NODATA),
        (answer(Status.NOERROR), NODATA),
        (answer(Status.NOERROR, flags="qr tc"), None),
        (answer(Status.NXDOMAIN), NXDOMAIN),
        (answer(Status.SERVFAIL), SERVFAIL),
        (answer(Status.REFUSED), REFUSED),
        (answer(Status.OTHER_RCODE), OTHER),
        (answer(Status.TIMEOUT), SILENCE),
        (answer(Status.UNREACHABLE), SILENCE),
        (answer(Status.GARBLED), None),
        (answer(Status.NOT_RUN), None),
        (answer(Status.NO_ADDRESS), None),
    ],
)
def test_reply_of_an_answer(given_answer: Answer, reply: Reply | None) -> None:
    assert Reply.of(given_answer) is reply


@pytest.mark.parametrize(
    ("name", "conf", "libc", "names"),
    [
        ("x", CONF, Libc.GLIBC, "x.s1.test. x.s2.test. x.s3.test. x."),
        ("x", CONF, Libc.MUSL, "x.s1.test. x.s2.test. x.s3.test. x."),
        ("x", CONF, Libc.GO, "x.s1.test. x.s2.test. x.s3.test. x."),
        ("x", CONF, Libc.DIG, "x.s1.test. x.s2.test. x.s3.test. x."),
        ("x", CONF, Libc.NSLOOKUP, "x.s1.test. x.s2.test. x.s3.test. x."),
        ("x", CONF, Libc.BUSYBOX, "x.s1.test. x.s2.test. x.s3.test."),
        ("x.y", CONF, Libc.BUSYBOX, "x.y."),
        ("x", ResolvConf(), Libc.BUSYBOX, "x."),
        ("x.y", FLAT, Libc.GLIBC, "x.y. x.y.s1.test. x.y.s2.test."),
        ("x.y", FLAT, Libc.GO, "x.y. x.y.s1.test. x.y.s2.test."),
        ("x.y", FLAT, Libc.MUSL, "x.y."),
        ("x.y", FLAT, Libc.DIG, "x.y."),
        ("x.y", FLAT, Libc.NSLOOKUP, "x.y."),
        ("X.Y.", CONF, Libc.GLIBC, "x.y."),
    ],
)
def test_candidates(name: str, conf: ResolvConf, libc: Libc, names: str) -> None:
    assert search.candidates(name, conf, libc) == tuple(names.split())


ROOT_FIRST = ResolvConf(search=(".", "s1.test"), options={"ndots": "5"})


@pytest.mark.parametrize(
    ("libc", "names"),
    [
        (Libc.GLIBC, "x. x.s1.test."),
        (Libc.GO, "x.s1.test. x."),
        (Libc.DIG, "x. x.s1.test."),
    ],
)
def test_root_as_a_search_entry(libc: Libc, names: str) -> None:
    assert search.candidates("x", ROOT_FIRST, libc) == tuple(names.split())


def test_musl_releases_differ_on_root_as_a_search_entry() -> None:
    told = search.walk("x", ROOT_FIRST, Libc.MUSL, lambda _: [ANSWER])
    assert told.stop is Stop.UNKNOWN
    assert told.steps == ()
    last = ResolvConf(search=("s1.test", "."), options={"ndots": "5"})
    assert search.walk("x", last, Libc.MUSL, lambda _: [ANSWER]).found == "x.s1.test."
    assert search.walk("x", last, Libc.MUSL, lambda _: [NXDOMAIN]).stop is Stop.UNKNOWN
    assert search.walk("x.", ROOT_FIRST, Libc.MUSL, lambda _: [ANSWER]).found == "x."


def test_long_lists() -> None:
    many = ResolvConf(search=tuple(f"suffix-number-{i}.test" for i in range(1, 21)))
    assert len(search.candidates("x", many, Libc.GLIBC)) == 21
    assert len(search.candidates("x", many, Libc.GO)) == 21
    assert len(search.candidates("x", many, Libc.DIG)) == 9
    assert search.candidates("x", many, Libc.MUSL) == ("x.",)


def test_a_candidate_too_long_for_dns_is_left_out() -> None:
    long = ".".join(["a" * 60] * 4)
    conf = ResolvConf(search=(long, "s1.test"))
    assert search.candidates("b" * 20, conf, Libc.GLIBC) == ("b" * 20 + ".s1.test.", "b" * 20 + ".")


MEASURED = """
A         AAAA      glibc     musl
answer    nodata    answer    answer
answer    nxdomain  answer    nxdomain
answer    servfail  answer    servfail
answer    refused   answer    refused
answer    silence   answer    silence
nodata    answer    answer    answer
nodata    nxdomain  nodata    nxdomain
nodata    servfail  nodata    servfail
nodata    refused   nodata    refused
nodata    silence   nodata    silence
nxdomain  answer    answer    nxdomain
nxdomain  nodata    nxdomain  nxdomain
nxdomain  servfail  nxdomain  nxdomain
nxdomain  refused   nxdomain  nxdomain
nxdomain  silence   nxdomain  nxdomain
servfail  answer    answer    servfail
servfail  nodata    servfail  servfail
servfail  nxdomain  servfail  servfail
servfail  refused   servfail  servfail
servfail  silence   servfail  servfail
refused   answer    answer    refused
refused   nodata    nodata    refused
refused   nxdomain  nxdomain  refused
refused   servfail  refused   refused
refused   silence   refused   refused
other     nodata    nodata    other
other     nxdomain  nxdomain  other
other     servfail  other     other
silence   answer    silence   silence
silence   nodata    silence   silence
silence   nxdomain  silence   silence
silence   servfail  servfail  silence
silence   refused   silence   silence
"""


@pytest.mark.parametrize("row", [line.split() for line in MEASURED.strip().splitlines()[1:]])
def test_two_families_as_one(row: list[str]) -> None:
    a, aaaa, glibc, musl = (Reply(word) for word in row)
    assert search.combine(Libc.GLIBC, (a, aaaa)) is glibc
    assert search.combine(Libc.MUSL, (a, aaaa)) is musl


def test_bind_tools_let_the_first_question_lead() -> None:
    assert search.combine(Libc.NSLOOKUP, (NXDOMAIN, ANSWER)) is NXDOMAIN
    assert search.combine(Libc.NSLOOKUP, (NODATA, ANSWER)) is ANSWER
    assert search.combine(Libc.NSLOOKUP, (NODATA, NXDOMAIN)) is NODATA
    assert search.combine(Libc.GO, (SILENCE, ANSWER)) is ANSWER


@pytest.mark.parametrize(
    ("reply", "glibc", "musl", "dig"),
    [
        (NXDOMAIN, Then.NEXT, Then.NEXT, Then.NEXT),
        (NODATA, Then.NEXT, Then.STOP, Then.STOP),
        (SERVFAIL, Then.NEXT, Then.STOP, Then.STOP),
        (REFUSED, Then.AS_IS, Then.STOP, Then.STOP),
        (OTHER, Then.AS_IS, Then.STOP, Then.STOP),
        (SILENCE, Then.AS_IS, Then.STOP, Then.STOP),
        (ANSWER, Then.STOP, Then.STOP, Then.STOP),
    ],
)
def test_what_follows_a_reply(reply: Reply, glibc: Then, musl: Then, dig: Then) -> None:
    assert search.then(Libc.GLIBC, reply) is glibc
    assert search.then(Libc.MUSL, reply) is musl
    assert search.then(Libc.DIG, reply) is dig
    assert search.then(Libc.NSLOOKUP, reply) is dig
    assert search.then(Libc.GO, reply) is (Then.STOP if reply is ANSWER else Then.NEXT)


def follow(
    name: str, conf: ResolvConf, libc: Libc, replies: Mapping[str, Reply], rest: Reply = NXDOMAIN
) -> Walk:
    return search.walk(name, conf, libc, lambda candidate: [replies.get(candidate, rest)])


def test_musl_stops_at_nodata_where_glibc_goes_on() -> None:
    replies = {"x.s1.test.": NODATA, "x.s3.test.": ANSWER}
    musl = follow("x", CONF, Libc.MUSL, replies)
    assert musl.stop is Stop.GAVE_UP
    assert musl.steps == (Step(name="x.s1.test.", reply=NODATA),)
    assert musl.skipped == ("x.s2.test.", "x.s3.test.", "x.")
    assert musl.why == "musl stops at nodata for x.s1.test.; 3 more would have followed."
    glibc = follow("x", CONF, Libc.GLIBC, replies)
    assert glibc.found == "x.s3.test."
    assert glibc.skipped == ("x.",)


def test_glibc_leaves_the_list_at_silence() -> None:
    lost = follow("x", CONF, Libc.GLIBC, {"x.s1.test.": SILENCE, "x.s3.test.": ANSWER})
    assert [step.name for step in lost.steps] == ["x.s1.test.", "x."]
    assert lost.stop is Stop.GAVE_UP
    assert lost.skipped == ("x.s2.test.", "x.s3.test.")
    assert "leaves the search list at silence for x.s1.test." in lost.why
    saved = follow("x", CONF, Libc.GLIBC, {"x.s1.test.": SILENCE, "x.": ANSWER})
    assert saved.found == "x."


def test_a_name_tried_first_as_it_is_never_ends_the_walk_of_glibc() -> None:
    told = follow("x.y", FLAT, Libc.GLIBC, {"x.y.": SILENCE, "x.y.s2.test.": ANSWER})
    assert told.found == "x.y.s2.test."


def test_exhausted_and_unknown() -> None:
    gone = follow("x", CONF, Libc.GO, {})
    assert (gone.stop, gone.why) == (Stop.EXHAUSTED, "None of its 4 candidates gives an address.")
    blind = search.walk("x", CONF, Libc.GO, lambda _: [])
    assert (blind.stop, len(blind.steps), len(blind.skipped)) == (Stop.UNKNOWN, 1, 3)


NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,9}[a-z0-9])?(\.[a-z]{1,5}){0,5}\.?", fullmatch=True)
CONFS = st.builds(
    ResolvConf,
    search=st.lists(
        st.sampled_from(["a.test", "b.test", "svc.test", "."]), max_size=4, unique=True
    ).map(tuple),
    options=st.integers(0, 20).map(lambda n: {"ndots": str(n)}),
)
REPLIES = st.lists(st.sampled_from(Reply), max_size=2)


@given(NAMES, CONFS, st.sampled_from(Libc), st.lists(REPLIES, min_size=1, max_size=6))
def test_any_walk_holds_together(
    name: str, conf: ResolvConf, libc: Libc, script: Sequence[Sequence[Reply]]
) -> None:
    asked: list[str] = []

    def ask(candidate: str) -> Sequence[Reply]:
        asked.append(candidate)
        return script[len(asked) % len(script)]

    told = search.walk(name, conf, libc, ask)
    planned = search.candidates(name, conf, libc)
    assert [step.name for step in told.steps] == asked
    assert sorted(asked + list(told.skipped)) == sorted(planned)
    assert (told.found is not None) == (told.stop is Stop.ANSWERED)
    assert (None in [step.reply for step in told.steps]) <= (told.stop is Stop.UNKNOWN)
    if name.endswith("."):
        assert planned == (name,)


@given(NAMES, CONFS, st.dictionaries(st.integers(0, 5), st.sampled_from(Reply)))
def test_go_finds_whatever_another_finds(
    name: str, conf: ResolvConf, script: Mapping[int, Reply]
) -> None:
    order = search.candidates(name, conf, Libc.GO)
    replies = {each: script.get(i, NXDOMAIN) for i, each in enumerate(order)}
    go = follow(name, conf, Libc.GO, replies)
    for libc in (Libc.GLIBC, Libc.MUSL, Libc.DIG):
        if follow(name, conf, libc, replies).found:
            assert go.found
