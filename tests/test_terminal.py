"""The program as a person meets it: at a real terminal of some width, and through a pipe."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pty
import re
import stat
import struct
import subprocess
import sys
import termios
import zipfile
from dataclasses import replace
from pathlib import Path

import click
import pytest

from kubectl_dnsdebug import cli
from kubectl_dnsdebug import evidence as files
from kubectl_dnsdebug.terminal.flags import FORMATS
from tests import sweeps
from tests.reports import (
    CONF,
    COREDNS_A,
    HOST_CONF,
    SERVICE,
    evidence,
    in_pod,
    surroundings,
)
from tests.sweeps import OnNode
from tests.test_conf_diff import compared
from tests.test_walks import GLIBC, walked
from tests.test_watch import Watched, endpoint, made

COMMAND = [sys.executable, "-m", "kubectl_dnsdebug"]
ANSI = re.compile(r"\x1b\[[0-9;]*m")
SECRET = "\x1b]0;owned\x07日本"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Evidence of a pod whose DNS Service is dead, with a name that could harm a terminal."""
    path = tmp_path_factory.mktemp("evidence") / "evidence.json"
    here = in_pod().battery({SERVICE: "dead"})
    path.write_text(files.dump(evidence(here, *surroundings(), picked_by=(SECRET,))), "utf-8")
    return path


def environment(**more: str) -> dict[str, str]:
    """Little else than what a test says: no colour wishes of whoever runs it."""
    here = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
    return here | {"PYTHONPATH": str(Path(__file__).parent.parent)} | more


def at_terminal(columns: int, *arguments: str, **more: str) -> tuple[str, int]:
    """What the program writes to a pseudo-terminal of that width, and its exit code."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(**more),
        start_new_session=True,
    ) as program:
        os.close(theirs)
        seen = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError as end:  # how a pseudo-terminal of Linux says that nobody is there
                if end.errno != errno.EIO:
                    raise
                break
            if not piece:
                break
            seen += piece
        os.close(ours)
    return seen.decode("utf-8").replace("\r\n", "\n"), program.returncode


def through_pipe(*arguments: str, **more: str) -> tuple[str, int]:
    made = subprocess.run(
        [*COMMAND, *arguments], env=environment(**more), capture_output=True, check=False
    )
    assert made.stderr == b""
    return made.stdout.decode("utf-8"), made.returncode


@pytest.fixture(scope="module")
def screens(tmp_path_factory: pytest.TempPathFactory, saved: Path) -> dict[str, Path]:
    """Evidence of each command that prints a screen of its own."""
    folder = tmp_path_factory.mktemp("screens")
    ill = [OnNode(name="gen-1"), OnNode(name=f"spot-{SECRET}", told=sweeps.DEAD)]
    seen = Watched()
    seen.also("fresh", SERVICE, "....xxx" * 8)
    fresh = compared(CONF, HOST_CONF)
    of_node = replace(fresh.request, targets=("node/w1",), home="shop")
    kinds = {
        "nodes": sweeps.evidence([*ill, *(OnNode(name=f"n{n}") for n in range(40))]),
        "watch": made(seen, endpoint(9.0, COREDNS_A, "gone", SECRET)),
        "resolve": walked("a.b", {}, app=f"{GLIBC}\n{SECRET}"),
        "diff": compared(CONF.replace("ndots:5", "ndots:2"), HOST_CONF),
        "diff node": replace(fresh, request=of_node),
    }
    for kind, found in kinds.items():
        (folder / f"{kind}.json").write_text(files.dump(found), "utf-8")
    return {"pod": saved} | {kind: folder / f"{kind}.json" for kind in kinds}


SCREENS = ("pod", "nodes", "watch", "resolve", "diff", "diff node")


@pytest.mark.parametrize("columns", [80, 140])
@pytest.mark.parametrize("kind", SCREENS)
def test_a_terminal_gets_colour_and_lines_that_fit(
    screens: dict[str, Path], kind: str, columns: int
) -> None:
    text, code = at_terminal(columns, "replay", str(screens[kind]))
    assert code in (0, 3, 4)
    assert ANSI.search(text)
    plain = ANSI.sub("", text)
    assert "\x1b" not in plain
    assert "\x07" not in plain
    lines = [line for line in plain.splitlines() if "check by hand:" not in line]
    assert max(map(len, lines)) <= columns


@pytest.mark.parametrize("kind", SCREENS)
@pytest.mark.parametrize(
    "more",
    [{}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}],
    ids=["pipe", "C-locale"],
)
def test_a_pipe_gets_ascii_without_colour(
    screens: dict[str, Path], kind: str, more: dict[str, str]
) -> None:
    text, code = through_pipe("replay", str(screens[kind]), **more)
    assert code == at_terminal(100, "replay", str(screens[kind]))[1]
    assert text.isascii()
    assert "\x1b" not in text


@pytest.mark.parametrize("kind", SCREENS)
def test_a_dumb_terminal_gets_no_colour(screens: dict[str, Path], kind: str) -> None:
    text, _ = at_terminal(80, "replay", str(screens[kind]), TERM="dumb")
    assert "\x1b" not in text


def test_a_wide_terminal_is_used(saved: Path) -> None:
    text, _ = at_terminal(140, "replay", str(saved))
    assert "→" in text
    assert max(map(len, ANSI.sub("", text).splitlines())) > 100


@pytest.mark.parametrize("columns", [80, 140])
@pytest.mark.parametrize("name", ["", *cli.root.commands])
def test_help_fits_and_says_what_each_flag_is_for(name: str, columns: int) -> None:
    text, code = at_terminal(columns, *filter(None, [name]), "--help")
    assert code == 0
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= columns
    command = cli.root.commands[name] if name else cli.root
    assert command.help
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            assert re.search(rf"^ +.*{option.opts[-1]}\b", text, re.MULTILINE)
            assert option.help


def test_the_same_words_through_a_pipe_in_plain_ascii(saved: Path) -> None:
    text, code = through_pipe("replay", str(saved))
    shown, same = at_terminal(100, "replay", str(saved))
    assert code == same
    assert text.isascii()
    assert "\x1b" not in text
    assert text.count("TIMEOUT") == shown.count("TIMEOUT")


@pytest.mark.parametrize(
    ("arguments", "more", "coloured"),
    [
        ((), {}, True),
        ((), {"NO_COLOR": "1"}, False),
        ((), {"TERM": "dumb"}, False),
        (("--color", "never"), {}, False),
        (("--color", "always"), {"NO_COLOR": "1"}, True),
    ],
)
def test_who_decides_on_colour(
    saved: Path, arguments: tuple[str, ...], more: dict[str, str], coloured: bool
) -> None:
    text, _ = at_terminal(80, "replay", str(saved), *arguments, **more)
    assert bool(ANSI.search(text)) == coloured


def test_colour_through_a_pipe_when_asked_for(saved: Path) -> None:
    text, _ = through_pipe("replay", str(saved), "--color", "always")
    assert ANSI.search(text)


def test_a_locale_without_unicode_gets_ascii(saved: Path) -> None:
    # Python would turn the C locale into UTF-8 by itself; not every machine does.
    plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    text, code = at_terminal(80, "replay", str(saved), **plain)
    assert code in (3, 4)
    assert text.isascii()
    assert "->" in text
    assert "→" not in text


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_has_the_same_exit_code(saved: Path, format: str) -> None:
    text, code = through_pipe("replay", str(saved), "-o", format)
    assert code == through_pipe("replay", str(saved))[1]
    assert text.endswith("\n")


def test_what_is_kept_is_for_the_user_only_and_replays(saved: Path, tmp_path: Path) -> None:
    copy, archive = tmp_path / "copy.json", tmp_path / "bundle.zip"
    copy.touch(0o644)
    _, code = through_pipe("replay", str(saved), "--save", str(copy), "--bundle", str(archive))
    for path in (copy, archive):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with zipfile.ZipFile(archive) as bundle:
        parts = {name: bundle.read(name).decode("utf-8") for name in bundle.namelist()}
    assert set(parts) == {"report.html", "evidence.json", "version"}
    assert parts["evidence.json"] == copy.read_text("utf-8")
    assert parts["report.html"].startswith("<!DOCTYPE html>")
    assert through_pipe("replay", str(copy))[1] == code
    assert through_pipe("replay", str(archive)) == through_pipe("replay", str(copy))
    with archive.open() as file:
        again = subprocess.run(
            [*COMMAND, "replay", "-"], stdin=file, capture_output=True, check=False
        )
    assert (again.returncode, again.stderr) == (code, b"")


def test_anonymized_evidence_gives_the_anonymized_report(saved: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    said = through_pipe("replay", str(saved), "-o", "json", "--anonymize", "--save", str(kept))
    assert through_pipe("replay", str(kept), "-o", "json") == said
    made = json.loads(said[0])
    assert made["target"]["context"] == "anonymized"
    assert "shop" not in said[0]
    assert (
        made["outcome"]
        == json.loads(through_pipe("replay", str(saved), "-o", "json")[0])["outcome"]
    )


def test_a_file_that_cannot_be_written_is_told(saved: Path, tmp_path: Path) -> None:
    made = subprocess.run(
        [*COMMAND, "replay", str(saved), "--bundle", str(tmp_path / "none" / "x.zip")],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 1
    assert "No such file or directory" in made.stderr
