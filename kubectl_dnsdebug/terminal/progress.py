"""What is going on, on stderr: a live line on a terminal, elsewhere a line for each change."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY = 3.0  # seconds between two lines of a long run that nobody watches


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Gives the function to say a state with."""
    if not sys.stderr.isatty():
        yield _line
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text("dnsdebug")) as status:
        yield lambda text: status.update(Text(text))


@contextmanager
def overdue(text: str) -> Iterator[None]:
    """Says what is waited for where it takes long, before there is any progress to tell of."""
    timer = threading.Timer(EVERY, _line, (text,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def counted(total: int) -> Iterator[Callable[[int, str], None]]:
    """Gives the function to say how many nodes are done, and a word more."""
    what = "node" if total == 1 else "nodes"
    if not sys.stderr.isatty():
        yield _Lines(total, what).say
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn(what), Remaining())
    more = TextColumn("{task.description}", markup=False)
    with Progress(*columns, more, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda done, text: bar.update(task, completed=done, description=text)


class _Lines:
    """At most one line every few seconds."""

    def __init__(self, total: int, what: str) -> None:
        self._total, self._what = total, what
        self._began = self._last = time.monotonic()

    def say(self, done: int, text: str) -> None:
        now = time.monotonic()
        if now - self._last < EVERY:
            return
        self._last = now
        left = (now - self._began) * (self._total - done) / done if done else 0.0
        soon = f", about {left:.0f} s more" if left >= EVERY else ""
        _line(f"{done} of {self._total} {self._what} done, {text}{soon}")


def _line(text: str) -> None:
    print(f"dnsdebug: {text}", file=sys.stderr, flush=True)  # noqa: T201
