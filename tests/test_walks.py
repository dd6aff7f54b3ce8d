"""A name walked from recorded answers: where each resolver stops, what it prints, what it costs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from kubectl_dnsdebug import cli, evidence
from kubectl_dnsdebug.model import Evidence, Purpose, Role
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse.search import Libc, Stop
from kubectl_dnsdebug.plan import spots
from kubectl_dnsdebug.plan.probes import plan
from kubectl_dnsdebug.report import steps, walks
from kubectl_dnsdebug.report.render import Style, walk, walk_markdown
from tests import reports
from tests.places import RUN, target
from tests.reports import CONF, DEAD, SERVICE, Place

PLAIN = Style(width=100, colour=False, unicode=False)
GLIBC = "loader /lib/ld-linux-x86-64.so.2"


def walked(
    name: str, said: Mapping[str, str], app: str = GLIBC, conf: str = CONF, aaaa: str = ""
) -> Evidence:
    """Evidence of a walk: `said` maps a candidate to its answer for A, others do not exist; AAAA
    is an empty answer where there is an A, else `aaaa`."""
    place = Place(Role.TARGET).file(conf)
    if app:
        place.say("app", ("app",), app)
    bare = name.rstrip(".")
    suffixes = () if name.endswith(".") else conf.splitlines()[0].split()[1:]
    for each in (*(f"{bare}.{suffix}." for suffix in suffixes), f"{bare}."):
        for server in [line.split()[1] for line in conf.splitlines() if "nameserver" in line]:
            a = said.get(f"{each}@{server}", said.get(each, "NXDOMAIN"))
            six = a if a.isalpha() else "NOERROR"
            place.ask(f"step.A.{each}", server, each, a, ms=3)
            place.ask(f"step.AAAA.{each}", server, each, aaaa or six, "AAAA", ms=2)
    found = reports.evidence(place)
    request = replace(found.request, names=(name,), purpose=Purpose.RESOLVE)
    return replace(found, request=request)


def client(found: walks.Resolution, libc: Libc) -> steps.Client:
    return next(each for each in found.clients if each.walk.libc is libc)


def test_a_name_outside_costs_a_walk() -> None:
    found = walks.build(walked("db.example.com", {"db.example.com.": "192.0.2.7"}))
    own = client(found, Libc.GLIBC)
    assert own.own
    assert own.addresses == ("192.0.2.7",)
    assert (own.queries, own.seconds) == (10, 0.015)
    assert found.exit_code == 0
    assert found.advice[0] == (
        "Written db.example.com. (with the dot) it is 2 queries, not 10 (glibc)."
    )
    assert "ndots is 5 and the name has 2" in found.advice[1]


def test_a_name_that_is_found_at_once_needs_no_advice() -> None:
    found = walks.build(walked("web", {"web.shop.svc.cluster.local.": "10.96.7.7"}))
    assert (found.exit_code, found.advice) == (0, ())
    assert "resolves to 10.96.7.7 as web.shop.svc.cluster.local." in walk.render(found, PLAIN)


def test_a_name_with_a_dot_has_one_candidate() -> None:
    found = walks.build(walked("db.example.com.", {"db.example.com.": "192.0.2.7"}))
    assert [each.name for each in found.candidates] == ["db.example.com."]
    assert (client(found, Libc.MUSL).queries, found.advice) == (2, ())


@pytest.mark.parametrize(
    ("said", "glibc", "musl", "go"),
    [
        ("NXDOMAIN", "Name or service not known", "Name does not resolve", "no such host"),
        ("NOERROR", "No address associated with hostname", "Name does not resolve", "no such host"),
        ("SERVFAIL", "Temporary failure in name resolution", "Try again", "server misbehaving"),
        ("REFUSED", "Temporary failure in name resolution", "Try again", "server misbehaving"),
        (DEAD, "Temporary failure in name resolution", "Try again", "i/o timeout"),
    ],
)
def test_the_words_of_each_resolver(said: str, glibc: str, musl: str, go: str) -> None:
    found = walks.build(walked("db.example.com.", {"db.example.com.": said}))
    assert client(found, Libc.GLIBC).says == glibc
    assert client(found, Libc.MUSL).says == musl
    assert client(found, Libc.GO).says == f"lookup db.example.com. on {SERVICE}:53: {go}"
    assert found.exit_code == 4


def test_the_pods_own_resolver_decides() -> None:
    """musl stops where glibc goes on: a candidate without addresses."""
    said = {"db.example.com.lan.": "NOERROR", "db.example.com.": "192.0.2.7"}
    glibc = walks.build(walked("db.example.com", said))
    musl = walks.build(walked("db.example.com", said, app="musl 1.2.3"))
    unseen = walks.build(walked("db.example.com", said, app=""))
    assert (glibc.exit_code, musl.exit_code, unseen.exit_code) == (0, 4, 4)
    assert client(musl, Libc.MUSL).walk.stop is Stop.GAVE_UP
    assert musl.advice == (
        "db.example.com. (with the dot) has an address; musl never asks it from here.",
    )
    assert "it does not resolve with musl. Exit code 4" in walk.render(unseen, PLAIN)


def test_silence_costs_what_the_resolver_would_wait() -> None:
    found = walks.build(walked("a.b.", {"a.b.": DEAD}))
    assert client(found, Libc.GLIBC).seconds == 10
    assert client(found, Libc.MUSL).seconds == 5
    short = CONF.replace("ndots:5", "ndots:5 timeout:1 attempts:3")
    found = walks.build(walked("a.b.", {"a.b.": DEAD}, conf=short))
    assert (client(found, Libc.GLIBC).seconds, client(found, Libc.GLIBC).queries) == (3, 6)


def test_a_silent_first_nameserver_is_passed_over() -> None:
    conf = CONF.replace("nameserver", "nameserver 10.0.0.9\nnameserver")
    found = walks.build(walked("a.b.", {"a.b.@10.0.0.9": DEAD, "a.b.": "192.0.2.7"}, conf=conf))
    assert [each.server for each in found.candidates] == [SERVICE]
    assert client(found, Libc.GLIBC).seconds == 5.003
    assert client(found, Libc.MUSL).seconds == 0.003


def test_a_name_of_etc_hosts_is_not_asked() -> None:
    found = walks.build(walked("db", {}, app=f"{GLIBC}\n/etc/hosts 10.0.0.1 db db.lan # ours"))
    assert (found.in_hosts, found.exit_code) == ("10.0.0.1 db db.lan # ours", 0)


def test_what_was_not_answered_is_not_known() -> None:
    """A gap is neither success nor failure."""
    whole = walked("web", {"web.shop.svc.cluster.local.": "10.96.7.7"})
    assert walks.build(replace(whole, transcripts=whole.transcripts[:2])).exit_code == 3
    nothing = walks.build(replace(whole, transcripts=()))
    assert nothing.exit_code == 3
    assert "could not be tested" in walk.render(nothing, PLAIN)


def test_each_nameserver_is_asked_each_candidate_and_nothing_else() -> None:
    seen = Observed(replace(walked("db.lan", {}), vantages=(), transcripts=()))
    asked = plan(seen, Role.TARGET, target())
    assert asked.known == ()
    assert [probe.id.partition(".")[0] for probe in asked.probes] == ["conf", "app", *["step"] * 4]
    assert [spot.role for spot in spots.spots(seen, [target()], RUN, "ephemeral")] == [Role.TARGET]


@pytest.mark.parametrize("form", ["table", "json", "yaml", "markdown", "html"])
def test_a_replay_walks_again(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, form: str
) -> None:
    file = tmp_path / "e.json"
    file.write_text(evidence.dump(walked("web", {"web.shop.svc.cluster.local.": "10.96.7.7"})))
    with pytest.raises(SystemExit) as end:
        cli.main(["replay", str(file), "-o", form])
    out = capsys.readouterr().out
    assert end.value.code == 0
    assert "10.96.7.7" in out
    if form == "json":
        assert json.loads(out)["clients"][0]["found"] == "web.shop.svc.cluster.local."


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["resolve", "web"], "Missing option '--from'"),
        (["resolve", "--from", "web"], "Missing argument 'NAME'"),
        (["resolve", "a b", "--from", "web"], "NAME 'a b' is no DNS name"),
        (["resolve", "10.0.0.1", "--from", "web"], "is an address"),
        (["resolve", "web", "--from", "web", "-o", "junit"], "'junit' is not one of"),
        (["resolve", "web", "--from", "web", "--timeout", "5"], "at least 10 seconds"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], words: list[str], says: str) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(words)
    assert end.value.code == 2
    assert says in capsys.readouterr().err


def test_what_is_no_report_has_no_report_formats(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "e.json"
    file.write_text(evidence.dump(walked("web", {})))
    with pytest.raises(SystemExit) as end:
        cli.main(["replay", str(file), "-o", "junit"])
    assert end.value.code == 2
    assert "evidence of `resolve`" in capsys.readouterr().err


def test_a_walk_to_paste() -> None:
    """Whatever a name is, it is no markup."""
    found = walks.build(walked("a_b_c", {"a_b_c.lan.": "NOERROR"}, app="musl 1.2.3"))
    lines = walk_markdown.render(found, PLAIN).splitlines()
    assert lines[0] == "## a\\_b\\_c in pod/shop/web-1"
    assert lines[2] == "**it does not resolve with musl.** Exit code 4."
    assert "| candidate | A | AAAA | glibc | musl | go |" in lines
    assert any(line.endswith("| 4. goes on | 4. stops here | 4. goes on |") for line in lines)
    assert sum(line.startswith("- **") for line in lines) == 3
