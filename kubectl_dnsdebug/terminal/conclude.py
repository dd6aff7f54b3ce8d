"""From evidence to the end of the program: the same for a live run and a replay."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import click

from kubectl_dnsdebug.model import DnsdebugError, Evidence, Purpose, Severity
from kubectl_dnsdebug.terminal.flags import PLAIN_FORMATS, WALK_FORMATS
from kubectl_dnsdebug.terminal.output import show, style

if TYPE_CHECKING:
    from kubectl_dnsdebug.report.render import Style


def known_slugs(slugs: Sequence[str]) -> None:
    """Raise UsageError for a rule that is none."""
    from kubectl_dnsdebug.rules import RULES

    known = {rule.slug for rule in RULES}
    for slug in slugs:
        if slug not in known:
            raise click.UsageError(
                f"--ignore {slug}: no such rule; `kubectl dnsdebug explain` lists them"
            )


def conclude(evidence: Evidence, given: dict[str, Any], code: int | None = None) -> NoReturn:
    """Reason, print, keep, and leave with the code that says what was found; with `code` if given,
    since a run that was interrupted did not find all."""
    if given["anonymize"]:
        from kubectl_dnsdebug.anonymize import anonymize

        evidence = anonymize(evidence, os.urandom(32))
    try:
        if evidence.request.purpose in _VIEWS:
            _answer(evidence, given)
        _report(evidence, given, code)
    except Exception as wrong:
        # A bug of the report must not cost the evidence: it cannot be had again, and shows the bug.
        if given["save"] and not isinstance(wrong, click.ClickException | DnsdebugError):
            from kubectl_dnsdebug.terminal import keep

            keep.save(evidence, given["save"])
        raise


def _report(evidence: Evidence, given: dict[str, Any], code: int | None) -> NoReturn:
    from kubectl_dnsdebug.report import report
    from kubectl_dnsdebug.report.render import RENDERERS
    from kubectl_dnsdebug.rules import BY_API_ALONE, RULES
    from kubectl_dnsdebug.terminal import keep

    made = report.build(
        evidence,
        RULES,
        fail_on=Severity(given["fail_on"]),
        ignore=tuple(given["ignore"]),
        by_api=BY_API_ALONE,
    )
    show(RENDERERS[given["output"]](made, style(given["color"])))
    keep.keep(evidence, made, given["save"], given["bundle"])
    sys.exit(made.exit_code if code is None else code)


def _answer(evidence: Evidence, given: dict[str, Any]) -> NoReturn:
    """What was asked for was no diagnosis, but one picture."""
    from kubectl_dnsdebug.terminal import keep

    purpose, form = evidence.request.purpose, given["output"]
    view, forms = _VIEWS[purpose]
    if form not in forms or given.get("bundle"):
        raise click.UsageError(
            f"this is evidence of `{purpose}`, which is printed as {', '.join(forms)}"
        )
    text, code = view(evidence, form, style(given["color"]))
    show(text)
    if given["save"]:
        keep.save(evidence, given["save"])
    sys.exit(code)


def _walk(evidence: Evidence, form: str, look: Style) -> tuple[str, int]:
    from kubectl_dnsdebug.report import walks
    from kubectl_dnsdebug.report.render import data, walk

    found = walks.build(evidence)
    if form == "html":
        from kubectl_dnsdebug.report.render import as_html

        return as_html.render_walk(found, evidence, look), found.exit_code
    if form == "markdown":
        from kubectl_dnsdebug.report.render import walk_markdown

        return walk_markdown.render(found, look), found.exit_code
    text = (
        walk.render(found, look) if form == "table" else data.text(walks.as_json(found), form, look)
    )
    return text, found.exit_code


def _diff(evidence: Evidence, form: str, look: Style) -> tuple[str, int]:
    from kubectl_dnsdebug.report import conf_diff
    from kubectl_dnsdebug.report.render import data, side_by_side

    found = conf_diff.build(evidence)
    if form == "table":
        return side_by_side.render(found, look), conf_diff.exit_code(found)
    return data.text(conf_diff.as_json(found), form, look), conf_diff.exit_code(found)


_VIEWS = {Purpose.RESOLVE: (_walk, WALK_FORMATS), Purpose.DIFF: (_diff, PLAIN_FORMATS)}
