"""Pages of the documentation that are written from the code: `make docs`.

docs/rules.md tells of each rule what it means, docs/proof.md on what evidence it was seen to speak
and to be silent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from kubectl_dnsdebug.model import Outcome
from kubectl_dnsdebug.rules import RULES
from kubectl_dnsdebug.terminal import catalogue
from tests import rule_cases
from tests.cluster.faults import FAULTS
from tests.rule_cases import Case

DOCS = Path(__file__).parent.parent / "docs"

HEAD = """# How each rule was proven

A rule counts for what it was seen to do. Each has at least one case in which it names its cause,
and one, mostly of its nearest look-alike, in which it is silent; `tests/cases/` holds the evidence,
and the tests judge it anew at each change. Written from there: after a change run `make docs`.

**Fault**: a real Kubernetes cluster was broken so on purpose and the tool was run against it. The
test suite breaks it again at each full run, see [tests/cluster](../tests/cluster/README.md).
**Run**: recorded on that cluster, by hand. **Composed**: real evidence with words put in place that
the cluster cannot be made to say.

{real} of {all} rules were seen to speak on a real cluster, {made} on composed evidence only.
"""


def rules_page() -> str:
    return catalogue.markdown(RULES)


def proof_page() -> str:
    real = {case.rule for case in _of(Outcome.FOUND) if not case.composed}
    rows = ["| rule | speaks | silent on |", "|---|---|---|"]
    rows += [
        f"| [{rule.slug}](rules.md#{rule.slug}) | {_spoken(rule.slug)} | {_silent(rule.slug)} |"
        for rule in RULES
    ]
    head = HEAD.format(real=len(real), all=len(RULES), made=len(RULES) - len(real))
    return "\n".join((head, *rows, ""))


def _of(outcome: Outcome) -> tuple[Case, ...]:
    return tuple(case for case in rule_cases.ALL if case.outcome is outcome)


def _spoken(slug: str) -> str:
    return _lines(_origin(case) for case in _of(Outcome.FOUND) if case.rule == slug)


def _silent(slug: str) -> str:
    cases = [case for case in _of(Outcome.CLEAR) if case.rule == slug]
    return ", ".join(sorted({case.recorded.partition("/")[2] for case in cases}))


def _origin(case: Case) -> str:
    """On what the case rests. Several cases may rest on one run."""
    name = case.recorded.partition("/")[2]
    if case.composed:
        return f"Composed `{name}`: {case.composed}"
    if name in FAULTS:
        return f"Fault `{name}`: {FAULTS[name].title}"
    return f"Run `{name}`"


def _lines(parts: Iterable[str]) -> str:
    return "<br>".join(sorted(dict.fromkeys(parts), key=lambda part: part[0] == "C"))


PAGES: Mapping[str, Callable[[], str]] = {"rules.md": rules_page, "proof.md": proof_page}


def write() -> None:
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), "utf-8")


if __name__ == "__main__":
    write()
