"""What is going on, on stderr: a live line on a terminal, elsewhere a line for each change."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Gives the function to say a state with."""
    if not sys.stderr.isatty():
        yield lambda text: print(f"dnsdebug: {text}", file=sys.stderr, flush=True)  # noqa: T201
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text("dnsdebug")) as status:
        yield lambda text: status.update(Text(text))
