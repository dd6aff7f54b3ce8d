"""The report on nodes in every format: whole screens as files, and what holds for all of them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from kubectl_dnsdebug import evidence as files
from kubectl_dnsdebug.model import Role
from kubectl_dnsdebug.report import report
from kubectl_dnsdebug.report.render import RENDERERS, Style
from kubectl_dnsdebug.report.report import Report
from kubectl_dnsdebug.rules import RULES
from tests import browser, goldens
from tests.hostile import ATTACKS
from tests.sweeps import DEAD, OnNode, control, default, evidence
from tests.test_report_schema import wrong

PLAIN = Style(width=80, colour=False, unicode=True)
ASCII = Style(width=80, colour=False, unicode=False)
# So that no screen changes whenever a rule is added.
KNOWN = [rule for rule in RULES if rule.slug in ("bridge-nf-off", "kube-proxy-rules-missing")]
COLOUR = Style(width=80, colour=True, unicode=True)
ANSI = re.compile(r"\x1b\[[0-9;]*m")

FINE = [OnNode(name=f"gen-{n}", labels={"pool": "general"}) for n in range(1, 31)]
SPOT = [OnNode(name=f"spot-{n}", labels={"pool": "spot"}, told=DEAD) for n in range(1, 6)]
CORDONED = OnNode(
    name="old-1",
    cordoned=True,
    told={Role.CONTROL: control(b="t"), Role.DEFAULT: default(b="t")},
)
DOWN = [
    OnNode(name=name, reason="it is not Ready: the kubelet stopped posting its status")
    for name in ("gone-1", "gone-2")
]


def fine() -> Report:
    return report.build(evidence(FINE[:3]), KNOWN)


def ill() -> Report:
    """Thirty-eight nodes, of which five have no Service, one not all DNS pods, and two no pods."""
    logs = ("gen-1", "gen-2", "spot-1", "spot-2", "old-1")
    return report.build(evidence([*FINE, *SPOT, CORDONED, *DOWN], logs=logs), KNOWN)


def named() -> Report:
    """Two nodes by name: each with pictures of its own."""
    return report.build(evidence([SPOT[0], FINE[0]], picked_by=""), KNOWN)


def many() -> Report:
    """More than fit a screen: the fine ones are a number."""
    crowd = [OnNode(name=f"n{n}", labels={"pool": "general"}) for n in range(1, 60)]
    return report.build(evidence([*crowd, *SPOT], logs=("n1", "spot-1")), KNOWN)


SWEEPS = {
    "nodes-fine": cache(fine),
    "nodes-ill": cache(ill),
    "nodes-named": cache(named),
    "nodes-many": cache(many),
}
each_sweep = pytest.mark.parametrize("name", SWEEPS)


@each_sweep
@pytest.mark.parametrize("format", ["table", "short", "markdown", "junit"])
def test_the_screen(name: str, format: str) -> None:
    suffix = {"table": ".txt", "short": "-short.txt", "markdown": ".md", "junit": ".xml"}[format]
    goldens.check(f"{name}{suffix}", RENDERERS[format](SWEEPS[name](), PLAIN))


def test_the_screen_in_letters() -> None:
    text = RENDERERS["table"](SWEEPS["nodes-ill"](), ASCII)
    goldens.check("nodes-ill-ascii.txt", text)


@each_sweep
@pytest.mark.parametrize("format", RENDERERS)
def test_without_unicode_all_is_ascii(name: str, format: str) -> None:
    assert RENDERERS[format](SWEEPS[name](), ASCII).isascii()


@each_sweep
@pytest.mark.parametrize("width", [60, 80, 140])
def test_a_line_is_no_wider_than_the_screen_but_one_to_copy(name: str, width: int) -> None:
    text = RENDERERS["table"](SWEEPS[name](), replace(PLAIN, width=width))
    wide = [line for line in text.splitlines() if len(line) > width]
    assert all("check by hand:" in line for line in wide), wide


@each_sweep
def test_colour_changes_nothing_but_colour(name: str) -> None:
    coloured = RENDERERS["table"](SWEEPS[name](), COLOUR)
    assert ANSI.search(coloured)
    assert ANSI.sub("", coloured) == RENDERERS["table"](SWEEPS[name](), PLAIN)


@each_sweep
def test_json_and_yaml_are_the_report_and_fit_the_schema(name: str) -> None:
    made = SWEEPS[name]()
    shape = report.as_json(made)
    assert wrong(shape) == []
    assert json.loads(RENDERERS["json"](made, PLAIN)) == shape
    assert yaml.safe_load(RENDERERS["yaml"](made, PLAIN)) == shape


@each_sweep
def test_the_page_is_well_formed_and_says_every_mark_in_words(name: str) -> None:
    page = RENDERERS["html"](SWEEPS[name](), PLAIN)
    body = page[page.index("<main>") : page.index("</main>") + 7].replace("&middot;", ".")
    tree = ElementTree.fromstring(re.sub(r"<(br|wbr)>", r"<\1/>", body))
    cells = [*tree.iterfind(".//table[@class='heat nodes']/tbody/tr/td")]
    assert cells or name == "nodes-many"
    assert all("".join(cell.itertext()).strip() for cell in cells)


def test_a_crowd_is_a_number() -> None:
    text = RENDERERS["table"](SWEEPS["nodes-many"](), PLAIN)
    assert "and 59 fine, without a row" in text
    assert len(text.splitlines()) < 60


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("format", RENDERERS)
def test_hostile_labels_and_reasons_stay_text(format: str, attack: str) -> None:
    crowd = [OnNode(name=f"n{n}") for n in range(20)]
    words = ATTACKS[attack]
    bad = [replace(each, labels={"pool": words}) for each in SPOT]
    gone = replace(DOWN[0], reason=words)
    run = evidence([*crowd, *bad, gone], logs=("n1", "spot-1"))
    made = report.build(files.load(files.dump(run)), KNOWN)
    text = RENDERERS[format](made, PLAIN)
    if format == "html":
        assert "<script" not in text
        assert "<img" not in text
    if format == "table":
        assert not ANSI.search(text)


@pytest.mark.skipif(not browser.PROGRAM, reason="no Chromium")
@pytest.mark.parametrize("name", ["nodes-ill", "nodes-named"])
def test_a_phone_shows_it_without_scrolling_sideways(name: str, tmp_path: Path) -> None:
    seen, complaints = browser.measure(tmp_path, RENDERERS["html"](SWEEPS[name](), PLAIN), 400)
    assert not complaints
    assert seen["wide"] == []
    assert seen["scroll"] <= 400
