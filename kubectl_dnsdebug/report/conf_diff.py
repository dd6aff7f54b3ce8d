"""The answer of `diff`: one resolv.conf against the one of kubelet and the one of the host."""

from __future__ import annotations

from typing import Any

from kubectl_dnsdebug.model import Evidence, Missing, Subject
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.report.exits import Exit
from kubectl_dnsdebug.report.pictures import Comparison, comparison, comparison_json

SCHEMA = "dnsdebug.diff/v1"


def build(evidence: Evidence) -> Comparison:
    """The three files of the request's pod; what could not be had stands in its gaps."""
    seen = Observed(evidence)
    subject = Subject.parse(evidence.request.targets[0])
    try:
        return comparison(seen, seen.target(subject))
    except Missing as gap:
        return Comparison(
            pod=subject, has=None, expected=None, host=None, differences=(), gaps=(str(gap),)
        )


def exit_code(found: Comparison) -> int:
    """A difference counts though something is missing; equality only where all of it was seen."""
    if found.differences:
        return Exit.CAUSES
    if found.has is None or found.expected is None or found.expected.partial:
        return Exit.INCONCLUSIVE
    return Exit.HEALTHY


def as_json(found: Comparison) -> dict[str, Any]:
    """The public shape of a diff."""
    return {
        "schema": SCHEMA,
        "target": str(found.pod),
        "exit_code": exit_code(found),
        **comparison_json(found),
    }
