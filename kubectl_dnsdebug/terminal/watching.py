"""`watch`: for faults that come and go. What it sees is told at once; the report comes last."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from kubectl_dnsdebug.terminal import conclude, live
from kubectl_dnsdebug.terminal.flags import (
    connection_flags,
    deep_flags,
    keeping_flags,
    offer,
    probing_flags,
    report_flags,
)
from kubectl_dnsdebug.terminal.output import style
from kubectl_dnsdebug.terminal.settings import Diagnosing
from kubectl_dnsdebug.terminal.signals import interrupt_sets, signals_raise

if TYPE_CHECKING:
    from kubectl_dnsdebug.api.cluster import Session
    from kubectl_dnsdebug.collect.targets import Target
    from kubectl_dnsdebug.model import Evidence, Request
    from kubectl_dnsdebug.observe.watched import Watch

# Seconds. Nobody can end an ephemeral container, so that it must be short by itself.
SHORTEST, LONGEST = 5.0, 900.0
PERIOD = 2.5  # seconds between two lines where there is no terminal
_LENGTH = re.compile(r"(?:(\d+)m)?(?:(\d+)s?)?")


def seconds(_: click.Context, __: click.Parameter, text: str) -> float:
    """A length as kubectl writes them: 90, 90s, 2m, 1m30s. Raises UsageError."""
    found = _LENGTH.fullmatch(text)
    length = float(int(found[1] or 0) * 60 + int(found[2] or 0)) if found and text else 0.0
    if not SHORTEST <= length <= LONGEST:
        raise click.UsageError(
            f"--for {text!r} must be a time from {SHORTEST:.0f}s to {LONGEST / 60:.0f}m, such as "
            "90s or 2m: a container in a pod cannot be removed, so it must end soon by itself"
        )
    return length


@click.command(cls=Diagnosing)
@click.argument("target", shell_complete=offer("target"))
@click.option(
    "--for",
    "length",
    default="1m",
    show_default=True,
    callback=seconds,
    help="How long, up to 15m; Ctrl-C ends it earlier.",
)
@click.option("--name", "names", multiple=True, help="A name to watch besides the standard ones.")
@deep_flags
@probing_flags
@keeping_flags
@report_flags
@connection_flags
def watch(target: str, length: float, **given: Any) -> None:
    """Ask from inside a pod for a while: for failures and delays that come and go.

    Ctrl-C ends the watch, not the report.
    """
    from kubectl_dnsdebug.terminal import keep

    for name in given["names"]:
        live.must_be_name(name, "--name")
    conclude.known_slugs(given["ignore"])
    keep.probe(given["save"], given["bundle"])
    with live.session(given) as session:
        found = live.targets(session, [target])
        request = live.request({**given, "watch": length}, found)
        evidence = _run(session, found[0], request, given)
    conclude.conclude(evidence, given)


def _run(session: Session, target: Target, request: Request, given: dict[str, Any]) -> Evidence:
    """Watch, then diagnose: the verdict is about the cluster as it is at the end."""
    from kubectl_dnsdebug import evidence
    from kubectl_dnsdebug.collect import cleanup, watching
    from kubectl_dnsdebug.collect import run as collect
    from kubectl_dnsdebug.collect.ledger import Ledger

    ledger, stop = Ledger(), threading.Event()
    made_by, secrets = live.made_by(), tuple(given["pull_secrets"])
    with signals_raise(ledger.by_hand):
        try:
            with interrupt_sets(stop), _told() as (tell, say):
                say("reading the cluster")
                draft = collect.draft(session, [target], request, made_by, secrets)
                seen = watching.watch(
                    session, draft, target, made_by, ledger, tell, say, stop, secrets
                )
        except BaseException:
            cleanup.settle(session, ledger)
            raise
        if seen.pod_gone:
            got = watching.without_pod(draft, target)
        else:
            got = live.watched_run(session, [target], request, given)
    return evidence.load(evidence.dump(watching.join(got, seen)))


@contextmanager
def _told() -> Iterator[tuple[Callable[[Watch], None], Callable[[str], None]]]:
    """What to tell a watch with, and what to say a state with."""
    from kubectl_dnsdebug.report import watch as picture
    from kubectl_dnsdebug.report.render import watch as render

    if not sys.stderr.isatty():
        last = 0.0

        def line(seen: Watch) -> None:
            nonlocal last
            if time.monotonic() - last >= PERIOD:
                last = time.monotonic()
                say(render.line(picture.build(seen)))

        def say(text: str) -> None:
            print(f"dnsdebug: {text}", file=sys.stderr, flush=True)  # noqa: T201

        yield line, say
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(stderr=True), transient=True, auto_refresh=False) as screen:

        def show(text: str) -> None:
            screen.update(Text.from_ansi(text), refresh=True)

        look = style("auto", sys.stderr)
        yield lambda seen: show(render.live(picture.build(seen), look)), show
