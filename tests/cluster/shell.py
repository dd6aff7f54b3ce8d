"""Run programs: wait for one, or start a daemon that outlives us without holding our output."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

Argument = str | Path


class ClusterError(Exception):
    """The test cluster could not do what was asked; the message says what to look at."""


def run(
    *argv: Argument,
    check: bool = True,
    stdin: str | None = None,
    timeout: float = 120,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, output captured.

    Raises ClusterError with all it said when it fails (unless `check` is off) or takes longer
    than `timeout` seconds.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=env,
            cwd=cwd,
            check=False,
        )
    except FileNotFoundError:
        raise ClusterError(f"{words[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise ClusterError(f"no end after {timeout:g} s: {' '.join(words)}") from None
    if check and done.returncode:
        said = (done.stdout + done.stderr).strip()
        raise ClusterError(f"exit {done.returncode}: {' '.join(words)}\n{said}")
    return done


def batch(*lines: str, prefix: Sequence[Argument] = ()) -> None:
    """Run shell lines that are ours in one shell, stopping at the first that fails."""
    run(*prefix, "sh", "-ec", "\n".join(lines))


def start(
    argv: Sequence[Argument], *, log: Path, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a daemon that writes to `log` and holds nothing of ours open."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            close_fds=True,
            env={**os.environ, **(env or {})},
        )


def wait_for(
    what: str, condition: Callable[[], object], *, timeout: float, interval: float = 0.1
) -> None:
    """Ask until `condition` is true; ClusterError naming `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise ClusterError(f"waited {timeout:g} s in vain: {what}")
        time.sleep(interval)
