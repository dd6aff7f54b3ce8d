"""The house around the code: what the files say of each other stays true."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

import kubectl_dnsdebug

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
