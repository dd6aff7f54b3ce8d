"""What every format must hold, whatever the cluster says; and what Markdown and JUnit are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from kubectl_dnsdebug.model import Severity
from kubectl_dnsdebug.report import report
from kubectl_dnsdebug.report.render import RENDERERS, Style
from kubectl_dnsdebug.report.render.markdown import code, prose
from kubectl_dnsdebug.terminal import flags
from tests import goldens
from tests.hostile import ATTACKS, LONG, hostile
from tests.reports import (
    CALM,
    REPORTS,
    evidence,
    finds,
    in_pod,
    inconclusive,
    made_rule,
    one_cause,
    surroundings,
)

PLAIN = Style(width=80, colour=False, unicode=True)
ASCII = Style(width=80, colour=False, unicode=False)
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def test_the_command_line_offers_every_format_and_no_other() -> None:
    assert set(flags.FORMATS) == set(RENDERERS)


@pytest.mark.parametrize("style", [PLAIN, ASCII], ids=["unicode", "ascii"])
@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("format", RENDERERS)
def test_hostile_text_is_harmless(format: str, attack: str, style: Style) -> None:
    made = hostile(ATTACKS[attack])
    text = RENDERERS[format](made, style)
    assert not UNSEEN.search(text)
    assert len(text) < 100 * len(LONG)
    CHECKS[format](text, made)


def json_is_whole(text: str, made: report.Report) -> None:
    assert json.loads(text) == report.as_json(made)


def yaml_is_whole(text: str, made: report.Report) -> None:
    assert yaml.safe_load(text)["outcome"] == made.outcome


def screen_has_our_lines_only(text: str, made: report.Report) -> None:
    assert not re.search(r"^(✓ healthy|# heading|```|\| a)", text, re.MULTILINE)


_ALLOWED = """
    html head meta title style body svg symbol circle path a header h1 h2 h3 h4 p nav ul li main
    section div strong span article ol time code pre dl dt dd figure figcaption text g rect use
    table caption thead tbody tr th td small wbr br i details summary footer
"""
ALLOWED = frozenset(_ALLOWED.split())
VOID = {"meta", "br", "wbr", "circle", "path", "rect", "use"}


class Page(HTMLParser):
    """Elements and attributes as a browser would take them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED
        for name, value in attrs:
            assert not name.startswith("on")
            assert name not in ("src", "action", "srcset", "formaction")
            assert name != "href" or (value or "").startswith("#")
            if name == "id":
                self.ids.append(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def page_is_ours(text: str, made: report.Report) -> None:
    page = Page(text)
    assert not page.open
    assert len(page.ids) == len(set(page.ids))
    assert "default-src 'none'" in text


def tokens(text: str) -> Iterator[Token]:
    def walk(found: Iterable[Token]) -> Iterator[Token]:
        for token in found:
            yield token
            yield from walk(token.children or ())

    return walk(MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text))


def markdown_is_ours(text: str, made: report.Report) -> None:
    kinds = [token.type for token in tokens(text)]
    assert not {"link_open", "image", "html_block", "s_open"} & set(kinds)
    inline = [token.content for token in tokens(text) if token.type == "html_inline"]
    assert set(inline) <= {"<!-- -->"}  # which keeps a name from being called
    words = [token.content for token in tokens(text) if token.type == "text"]
    assert not any(re.search(r"(?<!\w)@\w", each) for each in words)
    headings = sum(
        token.type == "heading_open" and token.tag in ("h1", "h2") for token in tokens(text)
    )
    assert headings == 1
    assert kinds.count("fence") == 1
    assert "hr" not in kinds
    assert "ordered_list_open" not in kinds


def junit_is_whole(text: str, made: report.Report) -> None:
    suites = ElementTree.fromstring(text)
    assert {case.get("name") for case in suites.iter("testcase")} >= {"wicked", "wicked-too"}
    assert suites.get("failures") == "2"


CHECKS = {
    "json": json_is_whole,
    "yaml": yaml_is_whole,
    "table": screen_has_our_lines_only,
    "short": screen_has_our_lines_only,
    "markdown": markdown_is_ours,
    "html": page_is_ours,
    "junit": junit_is_whole,
}


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize(("format", "suffix"), [("markdown", "md"), ("junit", "xml")])
def test_the_report_in(format: str, suffix: str, name: str) -> None:
    goldens.check(f"{name}.{suffix}", RENDERERS[format](REPORTS[name](), PLAIN))


@pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS.keys())
def test_markdown_shows_text_as_it_is(text: str) -> None:
    one = " ".join(text.split())[:600]
    shown = "".join(
        token.content
        for token in tokens(f"x {prose(one)}")
        if token.type in ("text", "text_special", "code_inline")
    )
    assert shown.replace("x ", "", 1).strip() == one
    codes = [token.content for token in tokens(f"x {code(one)}") if token.type == "code_inline"]
    assert codes == [one]


def test_a_gap_is_skipped_and_names_that_fail_for_no_known_cause_are_an_error() -> None:
    suites = ElementTree.fromstring(RENDERERS["junit"](inconclusive(), PLAIN))
    skipped = [
        case.get("name") for case in suites.iter("testcase") if case.find("skipped") is not None
    ]
    errors = [
        case.get("name") for case in suites.iter("testcase") if case.find("error") is not None
    ]
    assert skipped == ["kubelet-file"]
    assert errors == ["unexplained"]


@pytest.mark.parametrize(
    ("fail_on", "failures"),
    [
        (Severity.ERROR, {"bad"}),
        (Severity.WARNING, {"bad", "weak"}),
        (Severity.INFO, {"bad", "weak", "note"}),
    ],
)
def test_a_failure_is_what_the_exit_code_calls_found(fail_on: Severity, failures: set[str]) -> None:
    rules = (
        made_rule("bad", finds(who="web-1")),
        made_rule("weak", finds(who="web-1"), severity=Severity.WARNING),
        made_rule("note", finds(who="web-1"), severity=Severity.INFO),
        *CALM,
    )
    made = report.build(evidence(in_pod().battery(), *surroundings()), rules, fail_on=fail_on)
    suites = ElementTree.fromstring(RENDERERS["junit"](made, PLAIN))
    failed = {c.get("name") for c in suites.iter("testcase") if c.find("failure") is not None}
    told = {c.get("name") for c in suites.iter("testcase") if c.find("system-out") is not None}
    assert failed == failures
    assert failed | told == {"bad", "weak", "note"}


def test_ascii_markdown_and_junit_keep_their_shape() -> None:
    for format in ("markdown", "junit", "html"):
        assert RENDERERS[format](one_cause(), ASCII).isascii()
    assert "->" in RENDERERS["markdown"](one_cause(), ASCII)
