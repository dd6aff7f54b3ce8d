"""The settings file: who wins over whom, and that a wrong file is never taken for none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from kubectl_dnsdebug import cli
from kubectl_dnsdebug.terminal import settings

WORDS = ["pod/web"]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("KUBECTL_DNSDEBUG_IMAGE", raising=False)
    file = tmp_path / "kubectl-dnsdebug" / "config.toml"
    file.parent.mkdir()
    return file


def given(*words: str) -> dict[str, Any]:
    """What the command is run with."""
    command = cli.root.commands["diagnose"]
    with command.make_context("diagnose", [*WORDS, *words]) as context:
        return dict(context.params)


def test_without_a_file_the_default_counts(file: Path) -> None:
    assert not file.exists()
    assert given()["image"] == settings.DEFAULT_IMAGE
    assert given()["pull_secrets"] == ()
    assert given()["timeout"] == 60.0


def test_a_flag_wins_over_the_environment_that_over_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('image = "file:1"\nimage-pull-secret = "mirror"\ntimeout = 60\n')
    assert given()["image"] == "file:1"
    assert given()["pull_secrets"] == ("mirror",)
    assert given()["timeout"] == 60.0
    monkeypatch.setenv("KUBECTL_DNSDEBUG_IMAGE", "")
    assert given()["image"] == "file:1"
    monkeypatch.setenv("KUBECTL_DNSDEBUG_IMAGE", "environment:1")
    assert given()["image"] == "environment:1"
    assert given("--image", "flag:1")["image"] == "flag:1"
    assert given("--image-pull-secret", "mine")["pull_secrets"] == ("mine",)
    assert given("--timeout", "20")["timeout"] == 20.0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("image = agnhost\n", "line 1"),
        ("image = 5\n", "image must be a text"),
        ('image-pull-secret = ["a"]\n', "image-pull-secret must be a text"),
        ('timeout = "long"\n', "timeout must be a number of seconds"),
        ("timeout = true\n", "timeout must be a number of seconds"),
        ('imgae = "x"\n', "imgae is not one of image, image-pull-secret, timeout"),
        ("\udcff", "decode"),
    ],
)
def test_a_wrong_file_is_wrong_usage(
    file: Path, capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(SystemExit) as end:
        cli.main(WORDS)
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert str(file) in said
    assert says in said
    assert "Traceback" not in said


def test_what_cannot_be_read_is_no_empty_file(file: Path) -> None:
    file.mkdir()
    with pytest.raises(click.UsageError, match="directory"):
        settings.read(file)


def test_a_wrong_file_hides_no_help_and_stops_no_other_command(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("nonsense")
    for words in (["pod/web", "--help"], ["explain"], ["rbac"]):
        with pytest.raises(SystemExit) as end:
            cli.main(words)
        assert end.value.code == 0
        assert "nonsense" not in capsys.readouterr().err


def test_it_stands_where_the_user_keeps_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home-of-me")
    monkeypatch.setenv("USERPROFILE", "/home-of-me")
    expected = Path("/home-of-me/.config/kubectl-dnsdebug/config.toml")
    assert settings.path({}) == settings.path({"XDG_CONFIG_HOME": ""}) == expected
