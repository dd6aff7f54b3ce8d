"""Nodes as targets: one, some or all of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from kubectl_dnsdebug import evidence
from kubectl_dnsdebug.model import DnsdebugError, Purpose, Request
from kubectl_dnsdebug.terminal import conclude, live
from kubectl_dnsdebug.terminal.output import show
from kubectl_dnsdebug.terminal.progress import counted, progress
from kubectl_dnsdebug.terminal.settings import DEFAULT_IMAGE
from kubectl_dnsdebug.terminal.signals import Interrupted, signals_raise

if TYPE_CHECKING:
    from kubectl_dnsdebug.api.cluster import Session
    from kubectl_dnsdebug.collect.node_plan import NodePlan
    from kubectl_dnsdebug.collect.nodes import Nodes

ASK_FROM = 50  # nodes from which on the plan is shown before, and must be agreed to


def must_be_all_nodes(words: Sequence[str], nodes: Sequence[str], given: dict[str, Any]) -> None:
    """Raise UsageError for what one run cannot do together."""
    if len(nodes) < len(words):
        raise click.UsageError("pods and nodes are diagnosed apart: name only one kind of them")
    if given["selector"] and list(words) != ["nodes"]:
        raise click.UsageError("-l chooses among all nodes: `nodes -l k=v`, without names")
    if given["mode"] != "ephemeral":
        raise click.UsageError("--mode is for pods: nodes are always looked at by pods of our own")


def diff(session: Session, word: str, given: dict[str, Any]) -> None:
    """resolv.conf of fresh pods of one node, to the end of the program."""
    from kubectl_dnsdebug.collect import node_plan, nodes

    found = nodes.resolve(session, [word])
    if len(found.names) != 1 or found.picked_by:
        raise click.UsageError("diff compares one node: diff node/NAME")
    request = replace(_request(session, found, {**given, "names": ()}), purpose=Purpose.DIFF)
    secrets = tuple(given["pull_secrets"])
    draft = node_plan.draft(session, found, request, live.made_by(), secrets)
    text, code = _run(session, draft)
    conclude.conclude(evidence.load(text), given, code)


def diagnose(session: Session, words: Sequence[str], given: dict[str, Any]) -> None:
    """From the user's words to the end of the program."""
    from kubectl_dnsdebug.collect import node_plan, nodes
    from kubectl_dnsdebug.terminal import dry_run

    secrets = tuple(given["pull_secrets"])
    with progress() as say:
        say("reading the cluster")
        found = nodes.resolve(session, words, given["selector"])
        request = _request(session, found, given)
        draft = node_plan.draft(session, found, request, live.made_by(), secrets)
    if given["dry_run"]:
        show(dry_run.of_nodes(draft))
        return
    if len(draft.fit) > ASK_FROM and not given["yes"]:
        _agree(dry_run.plan(draft))
    text, code = _run(session, draft)
    del found, draft  # thousands of nodes are not held twice
    conclude.conclude(evidence.load(text), given, code)


def _request(session: Session, found: Nodes, given: dict[str, Any]) -> Request:
    from kubectl_dnsdebug.collect import node_plan

    source = click.get_current_context().get_parameter_source("timeout")
    usual = source in (ParameterSource.DEFAULT, None)
    return Request(
        targets=tuple(f"node/{name}" for name in found.names),
        picked_by=(found.picked_by,) if found.picked_by else (),
        names=given["names"],
        image=given["image"] or DEFAULT_IMAGE,
        timeout=node_plan.timeout(len(found.names)) if usual else given["timeout"],
        deep=given["deep_namespace"] if given["deep"] else "",
        home=session.namespace,
        purpose=Purpose.NODES,
    )


def _agree(plan: str) -> None:
    click.echo(plan, err=True)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError("so many nodes need a word: repeat with --yes")
    click.confirm("Go on?", abort=True, err=True)


def _run(session: Session, draft: NodePlan) -> tuple[str, int | None]:
    """The evidence file, and the code to leave with after an interruption: it has what came in
    before."""
    from kubectl_dnsdebug.collect import cleanup
    from kubectl_dnsdebug.collect.ledger import Ledger
    from kubectl_dnsdebug.collect.node_run import NodeRun

    ledger = Ledger()
    code, stopped = None, ""
    with signals_raise(ledger.by_hand), counted(len(draft.fit)) as tell:
        run = NodeRun(session, draft, ledger, tell)
        try:
            run.go()
        except (Interrupted, DnsdebugError) as stop:
            code = stop.code if isinstance(stop, Interrupted) else None
            stopped = "the run was interrupted" if code else f"the run broke off: {stop}"
        finally:
            cleanup.settle(session, ledger)  # the signal may have come while it was doing this
    if code:
        click.echo("interrupted: this is what had come in; the pods are removed", err=True)
    return evidence.dump(run.evidence(stopped)), code
