"""The HTML report: its palette, its structure, and how a real Chromium takes it.

Screenshots to look at: DNSDEBUG_SHOTS=folder python -m pytest tests/test_html.py
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from kubectl_dnsdebug import evidence as files
from kubectl_dnsdebug.model import Status, Transport
from kubectl_dnsdebug.observe.watched import Change, Kind, Series, Watch, What
from kubectl_dnsdebug.parse.samples import Sample
from kubectl_dnsdebug.report import report, walks, watch
from kubectl_dnsdebug.report.pictures import Hop, HopState
from kubectl_dnsdebug.report.render import RENDERERS, Style, as_html, drawing
from kubectl_dnsdebug.report.report import Report
from kubectl_dnsdebug.rules import RULES
from tests import browser
from tests.hostile import ATTACKS, hostile
from tests.reports import API, REPORTS, SERVICE, one_cause
from tests.test_sweep_screens import SWEEPS
from tests.test_walks import walked

PLAIN = Style(width=80, colour=False, unicode=True)
CSS = (Path(drawing.__file__).parent / "report.css").read_text("utf-8")
SHOTS = os.environ.get("DNSDEBUG_SHOTS")

# Which colour stands on which.
TEXTS = [
    *((text, back) for text in ("ink", "muted", "accent") for back in ("paper", "card")),
    *((kind, back) for kind in ("good", "bad", "doubtful", "info") for back in ("paper", "card")),
    *((kind, f"{kind}-back") for kind in ("good", "bad", "doubtful", "info", "quiet")),
    *(("ink", f"{kind}-back") for kind in ("good", "bad", "doubtful", "info")),
    ("muted", "info-back"),
    *(("ink", f"heat{n}") for n in range(4)),
    ("paper", "good"),
    ("paper", "bad"),
    ("paper", "doubtful"),
]


def palette(dark: bool) -> dict[str, str]:
    light, night = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light))
    if dark:
        colours |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", night))
    return colours


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "back"), TEXTS)
def test_text_stands_out(text: str, back: str, dark: bool) -> None:
    colours = palette(dark)
    assert contrast(colours[text], colours[back]) >= 4.5


def test_both_palettes_have_every_colour() -> None:
    light, night = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    names = [set(re.findall(r"--([\w-]+):", each)) for each in (light, night)]
    assert names[0] == names[1]
    assert set(re.findall(r"var\(--([\w-]+)\)", CSS)) <= names[0]


def html(made: Report) -> str:
    return RENDERERS["html"](made, PLAIN)


def watched() -> Report:
    """A server that is silent for a while after a change, and now and then; waits that show it."""
    silent = {*range(20, 26), *range(40, 48, 2)}
    samples = tuple(
        Sample(
            number=n,
            at=float(n),
            status=Status.TIMEOUT if n in silent else Status.NOERROR,
            ms=n / 7,
        )
        for n in range(60)
    )
    series = Series(
        id="watch#1",
        what=What.FRESH,
        server=SERVICE,
        port=53,
        transport=Transport.UDP,
        source_port=None,
        name=API,
        type="A",
        samples=samples,
    )
    lookups = replace(
        series, what=What.LIBC, samples=tuple(replace(s, ms=5100.0) for s in samples[:3])
    )
    seen = Watch(
        seconds=60.0,
        asked_for=60.0,
        series=(series, lookups),
        changes=(Change(fact="f", at=19.4, kind=Kind.POD, name="coredns-a", state="not ready"),),
        gaps=("not allowed to watch events in shop",),
        names={},
    )
    return replace(one_cause(), watch=watch.build(seen))


def test_a_watch_shows_what_was_lost_when() -> None:
    text = html(watched())
    strip = re.search(r'<svg class="strip".*?</svg>', text, re.DOTALL)
    assert strip
    assert 'aria-label="lost some at 20 to 26 s, 40 to 41 s,' in strip[0]
    assert strip[0].count('class="bad"') == 5
    assert strip[0].count("<path") == 1
    ElementTree.fromstring(strip[0])
    assert "+19.4 s pod coredns-a: not ready" in words(text)
    assert "5 s: glibc asked a second time" in words(text)
    assert "NOT FOLLOWED not allowed to watch events in shop" in words(text)


def resolved() -> str:
    """The page of a name that is found only with a dot at its end."""
    said = {"db.example.com.lan.": "NOERROR", "db.example.com.": "192.0.2.7"}
    given = walked("db.example.com", said, app="musl 1.2.3")
    return as_html.render_walk(walks.build(given), given, PLAIN)


CASES = Path(__file__).parent / "cases"


def recorded(case: str) -> Report:
    """The report of evidence from the real cluster."""
    found = files.load((CASES / case / "evidence.json").read_text("utf-8"))
    return report.build(found, RULES)


# A pod alone, a node that breaks it, a gap, two pods of which one is seen from beside; a history,
# a walk that ends early, a watch, nodes; and malice.
PAGES: dict[str, Callable[[], str]] = {
    **{name: (lambda made=made: html(made())) for name, made in REPORTS.items()},  # type: ignore[misc]
    "history": lambda: html(recorded("coredns-oom/coredns-oom")),
    "walk": lambda: html(recorded("musl-search-abort/musl-search-abort")),
    "resolve": resolved,
    "watch": lambda: html(watched()),
    "nodes": lambda: html(SWEEPS["nodes-ill"]()),
    "nodes-named": lambda: html(SWEEPS["nodes-named"]()),
    **{
        f"hostile-{name}": (lambda name=name: html(hostile(ATTACKS[name])))  # type: ignore[misc]
        for name in ("markup", "long", "bidi")
    },
}


@pytest.mark.parametrize("name", ["one-cause", "history", "walk", "resolve", "watch", "nodes"])
def test_the_page_is_one_for_a_screen_reader_too(name: str) -> None:
    text = PAGES[name]()
    assert '<html lang="en">' in text
    for landmark in ("header", "nav", "main", "footer"):
        assert len(re.findall(rf"<{landmark}[ >]", text)) == 1
    levels = [int(each) for each in re.findall(r"<h(\d)", text)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert "<th>" not in text
    heads = re.findall(r"<th [^>]*>", text)
    assert heads
    assert all("scope=" in each for each in heads)
    assert text.count("<caption>") == text.count("<table")
    for label in re.findall(r'aria-labelledby="([^"]+)"', text):
        assert f'id="{label}"' in text
    for target in re.findall(r'href="#([^"]+)"', text):
        assert f'id="{target}"' in text


def test_nothing_is_told_by_colour_alone() -> None:
    text = html(one_cause())
    for cell in re.findall(r"<td[^>]*>.*?</td>", text, re.DOTALL):
        assert re.sub(r"<[^>]+>", "", cell).strip()
    for group in re.findall(r"<g class=.*?</g>", text, re.DOTALL):
        assert 'class="said"' in group


def words(text: str) -> str:
    """What a reader hears of a piece of a page."""
    return " ".join(re.sub(r"<[^>]+>", " ", text.replace("<wbr>", "")).split())


def test_the_walk_shows_where_each_resolver_stops() -> None:
    text = html(recorded("musl-search-abort/musl-search-abort"))
    table = re.search(r'<table class="heat walk">(.*?)</table>', text, re.DOTALL)
    assert table
    rows = [words(row) for row in re.findall(r"<tr>.*?</tr>", table[1], re.DOTALL)]
    assert rows[0] == "candidate A AAAA glibc musl go"
    assert rows[-2].endswith(
        "lan.example. NODATA 0 ms NODATA 8 ms 4. goes on 4. stops here 4. goes on"
    )
    assert rows[-1].endswith("5. found &middot; not asked 5. found")
    assert "musl fails: &#34;Name does not resolve&#34;" in words(text)


def test_the_time_line_has_the_run_among_what_happened() -> None:
    text = html(recorded("coredns-oom/coredns-oom"))
    lines = [words(each) for each in re.findall(r"<li class=.*?</li>", text, re.DOTALL)]
    ended = next(n for n, line in enumerate(lines) if "ENDED" in line and "OOMKilled" in line)
    run = next(n for n, line in enumerate(lines) if "this run" in line)
    assert ended < run
    assert any("into the run" in line for line in lines[run + 1 :])


def test_a_drawing_is_well_formed_and_holds_its_boxes() -> None:
    drawings = re.findall(r'<svg class="picture.*?</svg>', html(one_cause()), re.DOTALL)
    assert len(drawings) == 2
    for each in drawings:
        ElementTree.fromstring(each)
    hops = [
        Hop(stage=s, label="x" * n, state=state, detail="y" * n)
        for s in range(4)
        for n in (0, 7, 90)
        for state in HopState
    ]
    for layout in (drawing.wide, drawing.tall):
        drawn = layout(hops)
        for box in drawn.boxes:
            assert 0 <= box.x <= drawn.width - box.width + 1
            assert 0 <= box.y <= drawn.height - box.height + 1
            room = (box.width - drawing.ICON - drawing.PAD) / drawing.CHARACTER
            assert all(len(line) <= room for line in (*box.lines, *box.said))


def test_from_a_node_a_pod_of_ours_asks() -> None:
    text = words(html(SWEEPS["nodes-named"]()))
    assert "spot-1 (a plain pod there)" in text
    assert "libc not seen" not in text


def test_too_many_stations_are_counted_and_no_broken_one_is_lost() -> None:
    hops = [Hop(stage=2, label=f"dns-{n}", state=HopState.OK) for n in range(40)]
    hops[33] = Hop(stage=2, label="dns-33", state=HopState.BROKEN, detail="timeout")
    (stage,) = drawing.shown(hops)
    assert len(stage) == drawing.MOST
    assert stage[0].label == "dns-33"
    assert stage[-1].label == "33 more"
    assert stage[-1].detail == "33 ok"


@pytest.mark.browser
@pytest.mark.skipif(not browser.PROGRAM, reason="no Chromium here: `make browser-test` installs it")
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [400, 1280])
def test_a_browser_shows_it(name: str, width: int, tmp_path: Path) -> None:
    page = PAGES[name]()
    found, console = browser.measure(tmp_path, page, width)
    assert console == []
    assert found["wide"] == []
    assert found["scroll"] <= width
    assert found["drawings"] == page.count('class="picture tall"')
    assert found["font"] >= 12
    assert found["scripts"] == 0
    assert found["loaded"] == []
    if SHOTS:
        for dark in (False, True):
            label = f"{name}-{width}-{'dark' if dark else 'light'}"
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            browser.screenshot(Path(SHOTS), page, label, max(width, 500), dark=dark)
