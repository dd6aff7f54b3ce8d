"""The house around the code: what the files say of each other stays true."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import click
import pytest

import kubectl_dnsdebug
from kubectl_dnsdebug import cli
from kubectl_dnsdebug.collect import permissions

ROOT = Path(__file__).parent.parent
SKIPPED = {".git", ".venv", "build", "dist", "__pycache__"}
SKIPPED |= {".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
TEXT_SUFFIXES = {"", ".c", ".go", ".json", ".md", ".mod", ".py", ".sh", ".toml", ".txt", ".yaml"}
TEXT_FILES = sorted(
    path
    for path in ROOT.rglob("*")
    if path.is_file()
    and path.suffix in TEXT_SUFFIXES
    and not SKIPPED & set(path.relative_to(ROOT).parts)
)
PYTHON_FILES = [path for path in TEXT_FILES if path.suffix == ".py"]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_changelog_opens_with_this_version() -> None:
    top = re.search(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert top is not None
    assert top[1] == kubectl_dnsdebug.__version__


def test_the_version_has_one_home() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in project["project"]


def test_what_is_installed_is_pinned_with_hashes() -> None:
    pinned = {}
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-go.txt"):
        text = (ROOT / name).read_text()
        entries = re.findall(
            r"^([a-z0-9-]+)==(\S+)[^\n]*\\\n((?:    --hash=.*\n)+)", text, re.MULTILINE
        )
        assert len(entries) == len(re.findall(r"^[a-z]", text, re.MULTILINE))
        pinned[name] = {package: version for package, version, _hashes in entries}
    assert pinned["requirements.txt"].items() <= pinned["requirements-dev.txt"].items()

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    names = {re.split(r"[<>=]", requirement)[0].lower() for requirement in wanted}
    assert names <= pinned["requirements-dev.txt"].keys(), "run: make lock"


def test_a_wheel_has_every_module_and_the_runner(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "docs").mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "docs/kubectl-dnsdebug.1"):
        shutil.copy(ROOT / name, source / name)
    package = ROOT / "kubectl_dnsdebug"
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package, source / package.name, ignore=skip)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", tmp_path, source], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    suffixes = (".py", ".sh", ".json", ".j2", ".css")
    ours = {relative(path) for path in package.rglob("*") if path.suffix in suffixes}
    assert ours <= packed


@pytest.mark.parametrize("path", PYTHON_FILES, ids=relative)
def test_a_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), "a module needs a docstring"


def test_every_make_target_named_in_the_docs_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    named = {
        f"{doc.name}: make {target}"
        for doc in ROOT.glob("*.md")
        for target in re.findall(
            r"`(?:sudo )?make ([a-z-]+)|^ *\$? ?make ([a-z-]+)", doc.read_text()
        )
        for target in target
        if target and target not in targets
    }
    assert not named


def test_the_readme_names_every_command_flag_and_role_and_no_other() -> None:
    readme = (ROOT / "README.md").read_text()
    commands = {name: each for name, each in cli.root.commands.items() if not each.hidden}
    assert set(re.findall(r"`kubectl dnsdebug ([a-z]+)[ `]", readme)) == set(commands)

    def flags(command: click.Command, *, hidden: bool) -> set[str]:
        options = [each for each in command.params if isinstance(each, click.Option)]
        names = {name for each in options if hidden or not each.hidden for name in each.opts}
        return {name for name in names if name.startswith("--")}

    told = set(re.findall(r"--[a-z][a-z-]+", readme))
    assert flags(cli.root.commands["diagnose"], hidden=False) <= told
    every = [flags(command, hidden=True) for command in cli.root.commands.values()]
    assert told <= set().union(*every)

    roles = {role["metadata"]["name"]: role for role in permissions.roles()}
    assert set(re.findall(r"^\| `(dnsdebug-[a-z]+)`", readme, re.MULTILINE)) == set(roles)


# Traces of one person's machine say nothing to the next reader. Joined here so that this file
# has none itself.
TRACES = {
    "a path of one machine": "/(" + "|".join(["work", "root", "home/[a-z]+"]) + ")/",
    "a package registry's host": "|".join(
        ["pypi" + r"\.org", "python" + "hosted", "proxy" + r"\.golang"]
    ),
}


@pytest.mark.parametrize("what", TRACES)
def test_no_file_has_a_trace_of_a_machine(what: str) -> None:
    seen = [relative(path) for path in TEXT_FILES if re.search(TRACES[what], path.read_text())]
    assert not seen
