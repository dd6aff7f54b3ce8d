"""The last step to stdout: what it can show, and text that survives whatever it is."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO


def style(colour: str, stream: TextIO | None = None) -> Any:
    """What the stream, stdout by default, can show; `colour` is auto, always or never."""
    import shutil

    from kubectl_dnsdebug.report.render import Style

    stream = stream or sys.stdout
    terminal = stream.isatty()
    wanted = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    try:
        "→✓".encode(stream.encoding or "ascii")
        unicode = terminal
    except UnicodeEncodeError:
        unicode = False
    return Style(
        width=shutil.get_terminal_size((100, 24)).columns if terminal else 100,
        colour=colour == "always" or (colour == "auto" and wanted),
        unicode=unicode,
    )


def show(text: str) -> None:
    """Print a whole text."""
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough; the exit code still tells
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except UnicodeEncodeError:
        sys.stdout.buffer.write(text.encode(sys.stdout.encoding or "ascii", "backslashreplace"))
