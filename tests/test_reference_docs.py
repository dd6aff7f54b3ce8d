"""The reference pages name what there is: fields of the JSON report, rules, flags."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import pytest

from kubectl_dnsdebug import cli
from kubectl_dnsdebug.rules import RULES
from tests.docs_commands import DOCS, PAGES, ROOT, WHY_NOT, How, examples, how, ours, shown

CASE = sorted(ROOT.glob("tests/cases/healthy/*/evidence.json"))[0]
SLUGS = {rule.slug for rule in RULES}


def test_the_json_page_names_every_field_of_a_report_and_of_a_cause() -> None:
    package = resources.files("kubectl_dnsdebug")
    schema = json.loads(package.joinpath("report/report.schema.json").read_text("utf-8"))
    page = (DOCS / "json.md").read_text("utf-8")
    top, cause = (re.split(r"^## ", page, flags=re.M)[n] for n in (1, 2))
    for text, fields in ((top, schema), (cause, schema["$defs"]["cause"])):
        named = {
            field
            for row in re.findall(r"^\| (`.+?) \|", text, re.MULTILINE)
            for field in re.findall(r"`(\w+)`", row)
        }
        assert named == set(fields["properties"])


def test_every_rule_is_a_cause_of_some_symptom_and_no_other_is_named() -> None:
    page = (DOCS / "faq.md").read_text("utf-8")
    prose = re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"`([a-z0-9]+(?:-[a-z0-9]+)+)`", prose))
    assert named == SLUGS


# -- commands --------------------------------------------------------------------------------------

SHOWN = [(page.name, command) for page in PAGES for command in shown(page)]
SHOWN += [("--help", command) for command in examples()]


def tried(*ways: How) -> list[tuple[str, str]]:
    return [each for each in SHOWN if how(each[1]) in ways]


def words(command: str) -> list[str]:
    """What our command is given, with something for the placeholders."""
    something = {
        "RULE": "coredns-loop",
        "[RULE]": "coredns-loop",
        "FILE": "evidence.json",
        "<TAB>": "web",
    }
    return [something.get(each, each) for each in shlex.split(ours(command) or "")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a reader stands: with saved evidence, without settings."""
    shutil.copy(CASE, tmp_path / "evidence.json")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


def test_somebody_runs_every_command_or_it_is_said_why_not() -> None:
    assert [each for each in SHOWN if how(each[1]) is None] == []
    commands = [command for _, command in SHOWN]
    assert not [each for each in WHY_NOT if not any(c.startswith(each) for c in commands)]


@pytest.mark.parametrize(("page", "command"), [each for each in SHOWN if ours(each[1])])
def test_a_command_of_a_page_is_understood(folder: Path, page: str, command: str) -> None:
    given = words(command)
    if given[0] in ("--help", "--version"):
        return
    known = given[0] in cli.root.commands
    name = given[0] if known else "diagnose"
    root = cli.root.make_context("kubectl dnsdebug", [], resilient_parsing=True)
    context = cli.root.commands[name].make_context(name, given[known:], parent=root)
    assert known or context.params["targets"] or context.params["selector"]


@pytest.mark.parametrize(("page", "command"), tried(How.HERE))
def test_a_command_that_needs_no_cluster_is_run(
    folder: Path, capsys: pytest.CaptureFixture[str], page: str, command: str
) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(words(command))
    said = capsys.readouterr()
    assert end.value.code in ((0, 3, 4) if "replay" in command else (0,))
    assert said.out
    assert said.err == ""


@pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
@pytest.mark.parametrize("command", sorted({command for _, command in tried(How.MAKE)}))
def test_make_knows_what_to_do(command: str) -> None:
    _, *given = shlex.split(command.removeprefix("sudo "))
    subprocess.run(["make", "--dry-run", *given], cwd=ROOT, check=True, capture_output=True)


def test_the_recipes_work_on_a_report(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which("jq") is None:
        pytest.skip("no jq here")
    with pytest.raises(SystemExit):
        cli.main(["replay", "evidence.json", "-o", "json"])
    report = capsys.readouterr().out
    recipes = re.findall(r"`(jq .+?)`( on `\.causes`)?", (DOCS / "json.md").read_text("utf-8"))
    assert recipes
    for recipe, part in recipes:
        shell = recipe.replace("\\|", "|")
        given = json.dumps(json.loads(report)["causes"]) if part else report
        subprocess.run(["sh", "-c", shell], input=given, text=True, check=True)


# -- pages -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert not [link for link in links if ":" not in link and not (page.parent / link).exists()]


def test_every_page_is_in_the_index() -> None:
    linked = set(re.findall(r"\]\((\w[\w.-]*\.md)\)", (DOCS / "README.md").read_text("utf-8")))
    assert linked == {page.name for page in DOCS.glob("*.md")} - {"README.md"}
