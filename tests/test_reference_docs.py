"""The reference pages name what there is: fields of the JSON report, rules, flags."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from kubectl_dnsdebug import cli
from kubectl_dnsdebug.rules import RULES

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
CASE = sorted(ROOT.glob("tests/cases/healthy/*/evidence.json"))[0]
PAGES = sorted(
    [
        ROOT / "README.md",
        *DOCS.glob("*.md"),
        *ROOT.glob("images/*/*.md"),
        *ROOT.glob("benchmarks/*.md"),
    ]
)
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


def consoles(page: Path) -> Iterator[str]:
    """Each command that a page shows typed, on one line."""
    for block in re.findall(r"^```console\n(.*?)^```", page.read_text("utf-8"), re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                yield line[2:].split("  # ")[0].strip()


def ours(page: Path) -> Iterator[str]:
    """What a page says of our own command line, typed or in a sentence."""
    text = page.read_text("utf-8")
    yield from re.findall(r"`kubectl dnsdebug ([^`]+)`", text)
    for command in consoles(page):
        if command.startswith("kubectl dnsdebug "):
            yield command.removeprefix("kubectl dnsdebug ")


def words(command: str) -> list[str]:
    """As a shell would split it, with something for the placeholders."""
    something = {
        "RULE": "coredns-loop",
        "[RULE]": "coredns-loop",
        "FILE": "evidence.json",
        "<TAB>": "web",
    }
    return [something.get(each, each) for each in shlex.split(command)]


OURS = sorted({(page.name, command) for page in PAGES for command in ours(page)})
HELP = [("help", each) for each in re.findall(r"^  kubectl dnsdebug (.+)$", cli.EXAMPLES, re.M)]
# They need no cluster, so a page's command is not only understood but run.
OFFLINE = {"explain", "rbac", "replay", "--help", "--version"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a reader stands: with saved evidence, without settings."""
    shutil.copy(CASE, tmp_path / "evidence.json")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(("page", "command"), [*OURS, *HELP])
def test_a_command_of_a_page_is_understood(folder: Path, page: str, command: str) -> None:
    given = words(command)
    if given[0] in ("--help", "--version"):
        return
    known = given[0] in cli.root.commands
    name = given[0] if known else "diagnose"
    root = cli.root.make_context("kubectl dnsdebug", [], resilient_parsing=True)
    context = cli.root.commands[name].make_context(name, given[known:], parent=root)
    assert known or context.params["targets"] or context.params["selector"]


@pytest.mark.parametrize(
    ("page", "command"), [each for each in [*OURS, *HELP] if words(each[1])[0] in OFFLINE]
)
def test_a_command_that_needs_no_cluster_is_run(
    folder: Path, capsys: pytest.CaptureFixture[str], page: str, command: str
) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(words(command))
    said = capsys.readouterr()
    assert end.value.code in ((0, 3, 4) if "replay" in command else (0,))
    assert said.out
    assert said.err == ""


# Not ours to run here: what it does, another project tests.
FOREIGN = {"crane", "ctr", "docker", "export", "kubectl", "pipx", "skopeo"}
# Run by the tests of what is released, where there is an archive.
INSTALLING = {"ln", "mkdir", "tar"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_command_of_another_program_is_a_known_one(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for command in consoles(page):
        program, *given = shlex.split(command.removeprefix("sudo "))
        if program == "make":
            targets = [each for each in given if "=" not in each]
            assert targets
            assert all(re.search(rf"^{each}:", makefile, re.M) for each in targets)
        elif program == "python":
            assert importlib.util.find_spec(given[1])
        else:
            assert program in FOREIGN | INSTALLING


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
