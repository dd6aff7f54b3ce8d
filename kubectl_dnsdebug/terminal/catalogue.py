"""The causes as a person reads them: `explain` and docs/rules.md, both from the rules."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubectl_dnsdebug.reason.rule import Rule

# The build of the frozen program writes it, so that `explain` need not load every rule there.
READY = Path(__file__).with_name("catalogue.json")

HEAD = """# The causes

One section for each rule; the heading is the slug that the report, `--ignore` and
`kubectl dnsdebug explain` use. Written from the rules: after a change run `make docs`.

*error* names do not resolve now; *warning* they will fail or crawl under ordinary load or events;
*info* worth knowing.
"""


def texts() -> dict[str, str]:
    """What `explain` prints of each slug, and the list of all under the empty one."""
    if READY.is_file():
        ready: dict[str, str] = json.loads(READY.read_text("utf-8"))
        return ready
    from kubectl_dnsdebug.rules import RULES

    return {"": listing(RULES)} | {rule.slug: text(rule) for rule in RULES}


def means(rule: Rule) -> str:
    """What the rule's module says of the cause: its docstring."""
    return inspect.cleandoc(sys.modules[rule.check.__module__].__doc__ or "")


def entry(rule: Rule) -> tuple[tuple[str, str], ...]:
    """Label and text of all there is to say about one cause. A run fills in words in <angles>."""
    also = ", ".join(rule.explains)
    return (
        ("Means", means(rule)),
        ("Says", _open(rule.message)),
        ("Look by hand", _open(rule.verify)),
        ("Fix", _open(rule.remedy)),
        ("Silent when", rule.silent_when[:1].upper() + rule.silent_when[1:]),
        *((("Also explains", also),) if also else ()),
    )


def _open(template: str) -> str:
    return re.sub(r"\{(\w+)[^}]*\}", r"<\1>", template)


def text(rule: Rule) -> str:
    """One cause for the terminal."""
    lines = [f"{rule.slug} ({rule.severity.value}, of a {rule.scope.value})"]
    for label, words in entry(rule):
        body = words.replace("\n", "\n  ")
        lines += ["", f"{label}:", f"  {body}"]
    return "\n".join(lines)


def _escaped(words: str) -> str:
    """Markdown takes a word in <angles> for a tag, and drops it, but in `code`."""
    parts = words.split("`")
    return "`".join(p if n % 2 else p.replace("<", "\\<") for n, p in enumerate(parts))


def listing(rules: Sequence[Rule]) -> str:
    """All causes, one a line."""
    wide = max((len(rule.slug) for rule in rules), default=0)
    return "\n".join(
        f"{rule.slug:{wide}}  {rule.severity.value:7}  {means(rule).splitlines()[0]}"
        for rule in rules
    )


def markdown(rules: Sequence[Rule]) -> str:
    """docs/rules.md."""
    parts = [HEAD]
    for rule in rules:
        parts.append(f"## {rule.slug}\n\n*{rule.severity.value}, of a {rule.scope.value}*\n")
        for label, words in entry(rule):
            shown = f"\n\n```\n{words}\n```" if label == "Look by hand" else f" {_escaped(words)}"
            parts.append(f"**{label}.**{shown}\n")
    return "\n".join(parts)
