"""The reference pages name what there is: fields of the JSON report, rules, flags."""

from __future__ import annotations

import json
import re
import shlex
from importlib import resources
from pathlib import Path

import pytest

from kubectl_dnsdebug import cli
from kubectl_dnsdebug.rules import RULES

DOCS = Path(__file__).parent.parent / "docs"
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


@pytest.mark.parametrize("name", ["json.md", "faq.md"])
def test_the_commands_of_a_page_are_understood(name: str) -> None:
    commands = re.findall(r"^\$ kubectl dnsdebug (.+)$", (DOCS / name).read_text("utf-8"), re.M)
    assert commands
    for command in commands:
        words = shlex.split(command)
        known = words[0] in cli.root.commands
        chosen = cli.root.commands[words[0] if known else "diagnose"]
        parser = chosen.make_parser(cli.root.make_context("root", [], resilient_parsing=True))
        parser.parse_args(words[1:] if known else words)
