"""Every format of the report: whole screens as files, and what must hold whatever they show."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest
import yaml

from kubectl_dnsdebug.model import Made, Role, Severity
from kubectl_dnsdebug.report import report
from kubectl_dnsdebug.report.exits import Exit
from kubectl_dnsdebug.report.render import RENDERERS, Style
from tests import goldens
from tests.reports import (
    API,
    CALM,
    REPORTS,
    SERVICE,
    Place,
    cannot,
    evidence,
    finds,
    healthy,
    in_pod,
    inconclusive,
    made_rule,
    one_cause,
    surroundings,
    two_targets,
)

PLAIN = Style(width=80, colour=False, unicode=True)
ASCII = Style(width=80, colour=False, unicode=False)
COLOUR = Style(width=80, colour=True, unicode=True)
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def screen(of: report.Report, style: Style = PLAIN) -> str:
    return RENDERERS["table"](of, style)


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("width", [80, 140])
def test_the_screen(name: str, width: int) -> None:
    text = screen(REPORTS[name](), replace(PLAIN, width=width))
    goldens.check(f"{name}-{width}.txt", text)


@pytest.mark.parametrize(
    ("name", "style"), [("ascii", ASCII), ("colour", COLOUR)], ids=["ascii", "colour"]
)
def test_the_screen_of_one_cause_in(name: str, style: Style) -> None:
    goldens.check(f"one-cause-{name}.txt", screen(one_cause(), style))


@pytest.mark.parametrize("name", REPORTS)
def test_the_chat_has_three_lines(name: str) -> None:
    text = RENDERERS["short"](REPORTS[name](), PLAIN)
    goldens.check(f"{name}-short.txt", text)
    assert len(text.splitlines()) == 3


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("width", [60, 80, 100, 140, 250])
def test_a_line_is_no_wider_than_the_screen_but_one_to_copy(name: str, width: int) -> None:
    text = screen(REPORTS[name](), replace(PLAIN, width=width))
    wide = [line for line in text.splitlines() if len(line) > width]
    assert all("check by hand:" in line for line in wide), wide


@pytest.mark.parametrize("name", REPORTS)
def test_colour_changes_nothing_but_colour(name: str) -> None:
    made = REPORTS[name]()
    assert ANSI.search(screen(made, COLOUR))
    assert ANSI.sub("", screen(made, COLOUR)) == screen(made)


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("format", RENDERERS)
def test_without_unicode_all_is_ascii(name: str, format: str) -> None:
    assert RENDERERS[format](REPORTS[name](), ASCII).isascii()


@pytest.mark.parametrize("name", REPORTS)
def test_json_and_yaml_are_the_report(name: str) -> None:
    made = REPORTS[name]()
    for style in (PLAIN, ASCII):
        assert json.loads(RENDERERS["json"](made, style)) == report.as_json(made)
        assert yaml.safe_load(RENDERERS["yaml"](made, style)) == report.as_json(made)


def test_the_last_lines_alone_tell_cause_and_fix() -> None:
    last = " ".join(screen(one_cause()).splitlines()[-3:])
    assert "proxy-rules-missing on node/w1" in last
    assert "Restart kube-proxy" in last
    assert "Exit code 4: causes found" in last


def test_a_healthy_pod_gets_a_short_report() -> None:
    text = screen(healthy())
    assert len(text.splitlines()) < 24
    assert "none found a fault. Exit code 0" in " ".join(text.split())
    assert "NODATA" not in text


def test_one_missing_permission_is_one_line() -> None:
    assert screen(one_cause()).count("not allowed to") == 1


def test_names_that_fail_without_a_known_cause_are_told() -> None:
    text = screen(inconclusive())
    assert "UNEXPLAINED pod/shop/web-1" in text
    assert f"{API} A of {SERVICE}" in " ".join(text.split())


def test_one_fault_of_two_pods_is_told_once() -> None:
    text = screen(two_targets())
    assert text.count("check by hand:") == 1
    assert "replica-refuses on pod/shop/web-1, pod/shop/job-7" in text


def test_what_was_left_is_told() -> None:
    assert "left: pod/shop/dnsdebug-a1-sibling: not removed: HTTP 500" in screen(two_targets())


def test_warnings_below_the_bar_are_problems_with_exit_code_0() -> None:
    minor = made_rule("slow-names", finds(who="web-1"), severity=Severity.WARNING)
    text = screen(report.build(evidence(in_pod().battery(), *surroundings()), (minor, *CALM)))
    assert "slow-names on pod/shop/web-1 (certain)" in text
    assert "Exit code 0: nothing as grave as --fail-on." in text


def test_a_pod_that_could_not_be_looked_into() -> None:
    why = "ErrImagePull: registry.example.com is not to be had"
    nowhere = Place(Role.TARGET, failure=why)
    rules = (made_rule("service-dead", cannot(why)),)
    text = " ".join(screen(report.build(evidence(nowhere, *surroundings()), rules)).split())
    assert f"seen from nowhere: {why}" in text
    assert f"the pod's file could not be seen: {why}" in text
    assert "inconclusive: something that matters could not be checked; --image names" in text


@pytest.mark.parametrize(
    ("why", "way"),
    [
        ("ImagePullBackOff: no such host", "; --image names an image that the node can pull"),
        ("not allowed to get node w1", "; `kubectl dnsdebug rbac` prints the roles"),
        ('admission webhook "x" denied the request: no', "; a policy of the cluster refuses"),
        ("pods is forbidden: exceeded quota: q", "; the quota of the namespace leaves no room"),
        ("it did not finish in time: Pending", "; --timeout SECONDS gives a slow node more time"),
        ("the pod was deleted", ". Why: the pod was deleted. Exit code 3"),
    ],
)
def test_the_last_line_says_what_to_do_about_the_gravest_gap(why: str, way: str) -> None:
    rules = (made_rule("service-dead", cannot(why)), *CALM)
    made = report.build(evidence(in_pod().battery(), *surroundings()), rules)
    said = f"something that matters could not be checked{way}"
    assert f"inconclusive: {said}" in " ".join(screen(made).split())
    chat = RENDERERS["short"](made, PLAIN)
    assert said.partition(". Why")[0] in chat.splitlines()[0]


def test_an_advice_that_explains_an_error_is_a_cause() -> None:
    rules = (
        made_rule("odd-file", finds(), severity=Severity.INFO, explains=("names-fail",)),
        made_rule("names-fail", finds(who="web-1")),
    )
    made = report.build(evidence(in_pod().battery(), *surroundings()), rules)
    assert [cause.finding.rule for cause in made.causes] == ["odd-file"]
    assert made.exit_code == Exit.CAUSES
    assert "odd-file on pod/shop/web-1" in screen(made)


def test_many_servers_are_shown_in_several_tables() -> None:
    here = in_pod().battery()
    for n in range(1, 30):
        here.ask("up.udp1", f"2001:db8:0:1:0:ffff:ffff:{n:x}", API, "REFUSED")
    rules = (made_rule("upstream-refuses", finds()),)
    text = screen(report.build(evidence(here, *surroundings()), rules))
    assert all(len(line) <= 80 for line in text.splitlines() if "check by hand:" not in line)
    for n in range(1, 33):
        assert f"[{n}]" in text


HOSTILE = "[red]x[/] | a,b \x1f'\"<b> \\ {who} %s `id` $(id)\n✓ healthy: Exit code 0\n日本 | |"


def hostile() -> report.Report:
    """Text of the cluster, wherever it can come in; control characters are spelled out at entry."""
    text = HOSTILE.replace("\x1f", "\\x1f")
    rules = (
        made_rule("wicked", finds("pod/shop/web-1", who=text), explains=("wicked-too",)),
        made_rule("wicked-too", finds(who=text)),
        made_rule("wicked-gap", cannot(text)),
    )
    here = in_pod(conf="search a|b [red]\nnameserver 10.96.0.10\n").battery({SERVICE: "dead"})
    here.ask("user.A", SERVICE, "[red].|.example.", "NXDOMAIN")
    made = report.build(
        evidence(
            here,
            *surroundings(),
            picked_by=(text,),
            made=(Made(what=text, fate=text),),
        ),
        rules,
    )
    return replace(made, target={**made.target, "context": text})


@pytest.mark.parametrize("format", RENDERERS)
@pytest.mark.parametrize("style", [PLAIN, ASCII, COLOUR], ids=["plain", "ascii", "colour"])
def test_hostile_text_is_only_text(format: str, style: Style) -> None:
    text = ANSI.sub("", RENDERERS[format](hostile(), style))
    assert all(character == "\n" or character.isprintable() for character in text)
    assert "[red]" in text.replace("\\", "")
    if format in ("table", "short"):
        # It cannot put a line of its own on the screen.
        assert not re.search(r"^✓", text, re.MULTILINE)


def test_listing_the_formats_loads_none_of_them() -> None:
    script = "import sys, json, kubectl_dnsdebug.report.render;"
    script += "print(json.dumps(list(sys.modules)))"
    loaded = set(json.loads(subprocess.check_output([sys.executable, "-c", script], text=True)))
    assert not loaded & {"tabulate", "rich", "yaml", "jinja2"}
