"""The commands that answer one question, where `TARGET` alone diagnoses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from kubectl_dnsdebug.model import Purpose
from kubectl_dnsdebug.terminal import conclude, live
from kubectl_dnsdebug.terminal.flags import (
    PLAIN_FORMATS,
    WALK_FORMATS,
    connection_flags,
    deep_flags,
    keeping_flags,
    offer,
    probing_flags,
    report_flags,
)
from kubectl_dnsdebug.terminal.settings import Diagnosing


def _answer_flags(*forms: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """How one answer is printed, in one of those formats, and kept."""
    flags = [
        click.option("-o", "--output", type=click.Choice(forms), default="table", help="Format."),
        click.option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            help="Colour.",
        ),
        click.option(
            "--save", type=click.Path(dir_okay=False), help="Keep the evidence in a file."
        ),
        click.option(
            "--anonymize", is_flag=True, help="Tokens for names and addresses, in all that is told."
        ),
    ]

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for flag in reversed(flags):
            command = flag(command)
        return command

    return add


def _ask(given: dict[str, Any], word: str, purpose: Purpose) -> None:
    """Stand in the one pod that the word means, and conclude."""
    from kubectl_dnsdebug.terminal import keep

    keep.probe(given["save"])
    with live.session(given) as session:
        found = live.targets(session, [word])
        request = live.request(given, found, purpose)
        evidence = live.watched_run(session, found, request, given)
    conclude.conclude(evidence, given)


@click.command(cls=Diagnosing)
@click.argument("name")
@click.option(
    "--from",
    "target",
    required=True,
    shell_complete=offer("target"),
    help="The pod to look from: web, pod/web, or something with pods, such as deploy/front.",
)
@probing_flags
@_answer_flags(*WALK_FORMATS)
@connection_flags
def resolve(name: str, target: str, **given: Any) -> None:
    """Walk NAME as glibc, musl and Go would: each candidate, each answer, where each stops."""
    live.must_be_name(name, "NAME")
    _ask({**given, "names": (name,)}, target, Purpose.RESOLVE)


@click.command(cls=Diagnosing)
@click.argument("target", shell_complete=offer("target"))
@deep_flags
@probing_flags
@_answer_flags(*PLAIN_FORMATS)
@connection_flags
def diff(target: str, **given: Any) -> None:
    """Show a pod's resolv.conf beside kubelet's and the host's, each differing line explained.

    TARGET is a pod, or node/NAME for what pods made there now get. With --deep, the node's own
    files stand there too, and where its links lead.
    """
    from kubectl_dnsdebug.collect import nodes
    from kubectl_dnsdebug.terminal import keep
    from kubectl_dnsdebug.terminal import nodes as of_nodes

    if not nodes.named([target]):
        _ask(given, target, Purpose.DIFF)
    of_nodes.must_be_all_nodes([target], [target], {**given, "selector": ""})
    keep.probe(given["save"])
    with live.session(given) as session:
        of_nodes.diff(session, target, given)


@click.command()
@click.option("--ask", is_flag=True, help="Ask each DNS pod too, over a port-forward.")
@keeping_flags
@report_flags
@connection_flags
def cluster(ask: bool, **given: Any) -> None:
    """Read what the API tells of the cluster's DNS. Makes nothing, asks no DNS server.

    With --ask each DNS pod is asked over a port-forward: what it answers, not the way to it.
    """
    from kubectl_dnsdebug.terminal import keep

    conclude.known_slugs(given["ignore"])
    keep.probe(given["save"], given["bundle"])
    with live.session(given) as session:
        evidence = live.api_only(session, ask=ask)
    conclude.conclude(evidence, given)


COMMANDS = (resolve, diff, cluster)
