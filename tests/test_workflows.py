"""The workflows of CI and release: nothing in them moves by itself or may more than it needs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parent.parent / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
# The only jobs that may write: what to, and nothing else.
WRITES = {
    "image": {"packages"},
    "publish": {"contents", "packages", "id-token", "attestations"},
}


def jobs(file: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(file.read_text("utf-8"))["jobs"]
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_what_is_used_is_pinned(file: Path) -> None:
    """Actions by commit, with the version in words beside it; images by digest; no `latest`."""
    text = file.read_text("utf-8")
    used = re.findall(r"uses: (.*)", text)
    assert used
    assert not [each for each in used if not re.fullmatch(r"\S+@[0-9a-f]{40} # v[\d.]+", each)]
    containers = [job["container"] for job in jobs(file).values() if "container" in job]
    assert all(re.search(r"@sha256:[0-9a-f]{64}$", each) for each in containers)
    assert not re.search(r"(ubuntu|macos|windows)-latest", text)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_job_may_do_what_it_needs_and_ends(file: Path) -> None:
    assert yaml.safe_load(file.read_text("utf-8"))["permissions"] == {}
    for name, job in jobs(file).items():
        assert job["timeout-minutes"]
        written = {what for what, how in job["permissions"].items() if how == "write"}
        assert written == WRITES.get(name, set())
        for step in job["steps"]:
            if "actions/checkout@" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_text_of_strangers_becomes_shell(file: Path) -> None:
    """`${{ }}` in a script is pasted before the shell reads it: only what we wrote may stand so."""
    for job in jobs(file).values():
        for step in job["steps"]:
            for pasted in re.findall(r"\$\{\{(.*?)\}\}", step.get("run", "")):
                assert pasted.strip().startswith("runner.os")


@pytest.mark.skipif(shutil.which("actionlint") is None, reason="no actionlint here")
def test_actionlint_has_no_complaint() -> None:
    subprocess.run(["actionlint", *FILES], check=True)
