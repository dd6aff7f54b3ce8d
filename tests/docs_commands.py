"""Every command that the pages show, and how it is tried: none is shown that nobody ran."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from kubectl_dnsdebug import cli

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *DOCS.glob("*.md"),
        *ROOT.glob("images/*/*.md"),
        *ROOT.glob("benchmarks/*.md"),
    ]
)
# What our own command can answer without a cluster.
OFFLINE = {"explain", "rbac", "replay", "version", "--help", "--version"}


class How(StrEnum):
    """Who runs a command of a page."""

    HERE = "here"  # a unit test, as it stands
    CLUSTER = "cluster"  # the scenarios
    PACKAGE = "package"  # the tests of what is released, where there is an archive
    MAKE = "make"  # make says what it would do
    NOT = "not"  # nobody: WHY_NOT


# Programs that another project tests, with what would be needed; the beginning decides.
WHY_NOT = {
    "kubectl krew install": "needs a release in krew's index; its install is imitated",
    "pipx install .": "asks a package index; the wheel that it makes is built and run",
    "pip ": "asks a package index",
    "crane ": "copies between registries; between two of this machine where there is a crane",
    "skopeo ": "copies between registries",
    "docker ": "needs a Docker daemon and Debian's packages; the release builds the image",
    "ctr ": "needs the archive of an image from a registry",
    "gh ": "needs a release",
    "sha256sum ": "needs the files of a release",
    "eval ": "the completion tests ask as each shell does",
    "_KUBECTL_DNSDEBUG_COMPLETE=": "the completion tests ask as each shell does",
    "python -m benchmarks": "measures for minutes; what it calls is tested",
}
_PACKAGE = ("ln ", "mkdir ", "tar ", "kubectl dnsdebug --version")
_PROGRAMS = r"kubectl|pipx?|crane|skopeo|docker|ctr|gh|sha256sum|eval|make|_KUBECTL_DNSDEBUG_\w+="


def consoles(page: Path) -> Iterator[str]:
    """Each command that a page shows typed, on one line; at # too, root's prompt."""
    for block in re.findall(r"^```console\n(.*?)^```", page.read_text("utf-8"), re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith(("$ ", "# ")):
                yield re.split(r"\s+# ", line[2:])[0].strip()


def inline(page: Path) -> Iterator[str]:
    """Each command in a sentence or a table."""
    if page.name == "comparison.md":  # which speaks of other tools
        return
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    for found in re.findall(rf"`((?:{_PROGRAMS})[^`]*)`", text):
        # A program's name alone, or a command of kubectl's with nothing behind it, is a word.
        if len(found.split()) > (2 if found.startswith("kubectl") else 1):
            yield found.replace("\\|", "|")


def shown(page: Path) -> tuple[str, ...]:
    """All of a page, in its order, each once."""
    return tuple(dict.fromkeys((*consoles(page), *inline(page))))


def ours(command: str) -> str | None:
    """What is said to our command; None of another program's."""
    given = command.partition("kubectl dnsdebug ")
    return given[2] if given[1] and not given[0] else None


def examples() -> tuple[str, ...]:
    """The commands that --help shows."""
    return tuple(re.findall(r"^  (kubectl dnsdebug .+)$", cli.EXAMPLES, re.M))


def how(command: str) -> How | None:
    """None for a command that nobody thought of."""
    plain = command.removeprefix("sudo ")
    if plain.startswith(_PACKAGE):
        return How.PACKAGE
    if plain.startswith("make "):
        return How.MAKE
    if any(plain.startswith(each) for each in WHY_NOT):
        return How.NOT
    words = shlex.split(plain)
    if ours(plain) is not None:
        return How.HERE if words[2] in OFFLINE else How.CLUSTER
    return How.CLUSTER if words[0] in ("kubectl", "export") else None
