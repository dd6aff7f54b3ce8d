"""The commands of the pages, typed on a real cluster: page by page, as a reader would."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.cluster import Cluster
from tests.docs_commands import PAGES, ROOT, How, examples, how, shown
from tests.scenarios.conftest import DNSUTILS, Tool

TEXTS = {str(page.relative_to(ROOT)): shown(page) for page in PAGES} | {"--help": examples()}
COMMANDS = {
    name: [each for each in commands if how(each) is How.CLUSTER]
    for name, commands in TEXTS.items()
}
# What the pages call by a name that readers put their own for.
STANDS_FOR = {
    "deploy/NAME": "deploy/front",
    "node/NAME": "node/w1",
    "NAME": "api",
    "registry.example.com/mirror/agnhost:2.53": DNSUTILS,
    "registry.example.com/mirror/agnhost@sha256:...": DNSUTILS,
    "kubectl dnsdebug -n shop <TAB>": "kubectl __complete dnsdebug -n shop ''",
}
PATIENCE = "10s"  # of a reader who watches
# A page says that kubectl does not take it so.
REFUSED = {"kubectl -n shop dnsdebug web"}
# No such name out there: a cause, and rightly named.
UNANSWERED = "db.example.com"


@pytest.fixture
def reader(cluster: Cluster, tool: Tool, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of somebody who works in the namespace of the examples."""
    config = yaml.safe_load(Path(tool.env["KUBECONFIG"]).read_text())
    for context in config["contexts"]:
        context["context"]["namespace"] = "shop"
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    shutil.copy(ROOT / "tests/cases/healthy/healthy/evidence.json", tmp_path)
    own = {"KUBECONFIG": str(tmp_path / "config"), "PASSWORD": "secret", "HOME": str(tmp_path)}
    yield {**tool.env, **own}
    cluster.kubectl.delete("secret", "mirror", "-n", "shop", "--ignore-not-found")


@pytest.mark.parametrize("page", [name for name, commands in COMMANDS.items() if commands])
def test_a_page_from_top_to_bottom(
    reader: dict[str, str], tool: Tool, page: str, tmp_path: Path
) -> None:
    for command in COMMANDS[page]:
        typed = command
        for shown_as, own in STANDS_FOR.items():
            typed = typed.replace(shown_as, own)
        if " watch " in typed:
            typed = re.sub(r" --for \S+", "", typed) + f" --for {PATIENCE}"
        if typed.startswith("export "):
            name, _, value = typed.removeprefix("export ").partition("=")
            reader[name] = value
            continue
        ran = subprocess.run(
            ["bash", "-c", typed],
            env=reader,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        story = f"{typed}\n{ran.stdout}\n{ran.stderr}"
        assert "Traceback" not in ran.stderr, story
        if command in REFUSED:
            assert ran.returncode != 0, story
            assert "flags cannot be placed before plugin name" in ran.stderr, story
            continue
        # Inconclusive is right too, on a machine that is too busy to answer in time.
        assert ran.returncode in ((0, 3, 4) if UNANSWERED in typed else (0, 3)), story
        assert ran.stdout, story
    assert not tool.leftovers()
    assert page != "docs/faq.md" or (tmp_path / "dns.zip").exists()
