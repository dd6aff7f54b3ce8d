"""The termination message of a probing container, read back."""

from __future__ import annotations

import hashlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as some

from kubectl_dnsdebug.model import Missing, Status
from kubectl_dnsdebug.parse import summary

CONF = "conf nameserver 10.96.0.10\nconf search a.svc.x svc.x x\nconf options ndots:5"
ANSWERS = "a reach.udp.10.96.0.10 n0 n12 t\na ext.10.96.0.10 x3"


def message(body: str, sign: str | None = None) -> str:
    sign = hashlib.sha256(body.encode()).hexdigest()[:16] if sign is None else sign
    return f"{summary.FORMAT} {sign}\n{body}"


def test_what_it_says() -> None:
    found = summary.read(message(f"{CONF}\n{ANSWERS}\nend 2"))
    assert found.conf.nameservers == ("10.96.0.10",)
    assert found.conf.search == ("a.svc.x", "svc.x", "x")
    assert found.conf.ndots == 5
    reach = found.told["reach.udp.10.96.0.10"]
    assert [(each.status, each.ms) for each in reach] == [
        (Status.NOERROR, 0),
        (Status.NOERROR, 12),
        (Status.TIMEOUT, None),
    ]
    assert found.told["ext.10.96.0.10"][0].status is Status.NXDOMAIN
    assert found.whole


@pytest.mark.parametrize(
    ("letter", "status", "records"),
    [
        ("n", Status.NOERROR, True),
        ("o", Status.NOERROR, False),
        ("x", Status.NXDOMAIN, False),
        ("s", Status.SERVFAIL, False),
        ("r", Status.REFUSED, False),
        ("e", Status.OTHER_RCODE, False),
        ("t", Status.TIMEOUT, False),
        ("c", Status.CONNECTION_REFUSED, False),
        ("u", Status.UNREACHABLE, False),
        ("d", Status.RESET, False),
        ("k", Status.NOT_RUN, False),
        ("q", Status.GARBLED, False),
    ],
)
def test_each_letter(letter: str, status: Status, records: bool) -> None:
    (told,) = summary.read(message(f"a p {letter}\nend 1")).told["p"]
    assert (told.status, told.has_records, told.ms) == (status, records, None)


@pytest.mark.parametrize("end", ["", "\n"])
def test_the_image_may_lack_a_checksum(end: str) -> None:
    assert summary.read(message(f"{ANSWERS}\nend 2", sign="-") + end).told


def test_one_that_did_not_fit_says_so() -> None:
    assert not summary.read(message(f"{ANSWERS}\ncut 2")).whole


@pytest.mark.parametrize(
    "text",
    [
        "",
        "OOMKilled",
        message(f"{ANSWERS}\nend 2", sign="0" * 16),
        message(f"{ANSWERS}\nend 2", sign=""),
        message(f"{ANSWERS}\nend 2").replace("/1 ", "/2 "),
        message(f"{ANSWERS}\nend 3"),
        message(ANSWERS),
        message(""),
        message("end"),
        message(f"{ANSWERS}\n{CONF}\nend 2"),
        message("a p\nend 1"),
        message("a p z9\nend 1"),
        message("a p n1234567\nend 1"),
        message("b p n\nend 1"),
        message("a p n\na p n\nend 2"),
        message("a p n\n\nend 1"),
    ],
)
def test_what_does_not_hold_is_a_gap(text: str) -> None:
    with pytest.raises(Missing):
        summary.read(text)


_TOLD = some.dictionaries(
    some.text("abc.~/", min_size=1, max_size=8),
    some.lists(some.sampled_from("noxsretcudkq"), min_size=1, max_size=6),
    max_size=8,
)


def written(told: dict[str, list[str]], ms: list[int] | None = None) -> str:
    times = iter(ms or [])
    lines = [
        " ".join(["a", id, *(f"{letter}{next(times, '')}" for letter in letters)])
        for id, letters in told.items()
    ]
    return message("\n".join([CONF, *lines, f"end {len(told)}"]))


@given(_TOLD, some.lists(some.integers(0, 9_999), max_size=20))
def test_a_fingerprint_knows_no_time_and_no_order(
    told: dict[str, list[str]], ms: list[int]
) -> None:
    first = summary.read(written(told))
    turned = {id: letters[::-1] for id, letters in reversed(told.items())}
    assert summary.read(written(turned, ms)).fingerprint == first.fingerprint
    assert {id: [t.letter for t in each] for id, each in first.told.items()} == told


@given(_TOLD, some.data())
def test_another_outcome_is_another_fingerprint(
    told: dict[str, list[str]], data: some.DataObject
) -> None:
    first = summary.read(written(told)).fingerprint
    assert summary.read(written(told | {"new": ["n"]})).fingerprint != first or "new" in told
    if told:
        id = data.draw(some.sampled_from(sorted(told)))
        other = "t" if "t" not in told[id] else "n"
        if set(told[id]) != {"n", "t"}:
            assert summary.read(written(told | {id: [other]})).fingerprint != first


@pytest.mark.parametrize(
    ("line", "well"),
    [
        ("a reach.udp.10.0.0.1 n n1", True),
        ("a reach.udp.10.0.0.1 n t", False),
        ("a reach.udp.10.0.0.1 x", False),
        ("a reach.tcp.10.0.0.1 o", False),
        ("a ext.10.0.0.1 x", True),
        ("a ext.10.0.0.1 s", True),
        ("a up.udp.10.0.0.1 t", False),
        ("a ext.10.0.0.1 k", False),
        ("a ext.10.0.0.1 q", False),
    ],
)
def test_what_is_well(line: str, well: bool) -> None:
    assert summary.read(message(f"{line}\nend 1")).well is well


def test_a_group_is_of_those_who_fared_the_same() -> None:
    def group(n: int, told: str = "n1", why: str = "FailedCreatePodSandBox") -> str:
        failure = f'{why}: Failed for pod "dnsdebug-{n}": 0{n}a9f33c: no route to 10.0.0.{n}'
        return summary.group({"default": message(f"a p {told}\nend 1")}, {"control": failure})

    assert group(1) == group(23) == group(1, told="n22")
    assert len({group(1), group(1, told="t"), group(1, why="ErrImagePull")}) == 3
    assert summary.group({}, {}) != summary.group({"control": ""}, {})


@given(some.text(max_size=40), some.integers(0, 200), some.booleans())
def test_a_torn_message_never_passes(noise: str, place: int, drop: bool) -> None:
    whole = message(f"{CONF}\n{ANSWERS}\nend 2")
    place = min(place, len(whole) - 1)
    torn = whole[:place] + noise + whole[place + drop :]
    if torn.removesuffix("\n") != whole:
        with pytest.raises(Missing):
            summary.read(torn)


@given(some.text())
def test_any_text_is_read_or_a_gap(text: str) -> None:
    for each in (text, message(text), message(text, sign="-")):
        with suppress(Missing):
            summary.read(each)
