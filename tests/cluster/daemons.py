"""The long-running processes of a cluster, known by name, found again by another run of ours."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.layout import Layout
from tests.cluster.shell import Argument, ClusterError, start, wait_for


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the process state on, or nothing once it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(") ")[2].split()


def lives(pid: int) -> bool:
    """Whether the process runs. A zombie, which waits for its parent to notice, does not."""
    fields = _stat(pid)
    return fields is not None and fields[0] not in "ZX"


def _birth(pid: int) -> str:
    """When the process began, in clock ticks since boot: tells it from a later one of its id."""
    fields = _stat(pid)
    return fields[19] if fields else ""


def identity(pid: int) -> str:
    """What tells the process from every other of this machine, until it boots anew."""
    return f"{pid} {_birth(pid)}"


def is_alive(who: str) -> bool:
    """Whether the process of this identity still runs."""
    pid = int(who.split()[0])
    return lives(pid) and identity(pid) == who


def kill_all(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Daemons:
    """The daemons of one cluster, each with a file `pids/NAME` that holds its id and birth."""

    layout: Layout

    def _file(self, name: str) -> Path:
        return self.layout.state / "pids" / name

    def names(self) -> list[str]:
        return sorted(file.name for file in (self.layout.state / "pids").glob("*"))

    def start(
        self, name: str, argv: Sequence[Argument], *, env: Mapping[str, str] | None = None
    ) -> None:
        process = start(argv, log=self.layout.log(name), env=env)
        file = self._file(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(identity(process.pid))
        # The daemon outlives this object on purpose; its exit status is nobody's business.
        process.returncode = 0

    def pid(self, name: str) -> int | None:
        """Process id of the daemon, or nothing when it does not run (any more)."""
        try:
            who = self._file(name).read_text()
            return int(who.split()[0]) if is_alive(who) else None
        except (OSError, ValueError, IndexError):
            return None

    def ended(self) -> list[str]:
        """Those that were started and not stopped, and do not run any more."""
        return [name for name in self.names() if self.pid(name) is None]

    def require(self, name: str) -> int:
        pid = self.pid(name)
        if pid is None:
            raise ClusterError(f"{name} does not run; see {self.layout.log(name)}")
        return pid

    def signal(self, name: str, number: signal.Signals) -> None:
        os.kill(self.require(name), number)

    def stop(self, name: str, *, grace: float = 5) -> None:
        """End the daemon: by SIGTERM, and by SIGKILL after `grace` seconds."""
        pid = self.pid(name)
        self._file(name).unlink(missing_ok=True)
        if pid is None:
            return
        # A stopped process (SIGSTOP) gets its SIGTERM only once it continues.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGCONT)
        try:
            wait_for(f"{name} ends", lambda: _reaped(pid), timeout=grace, interval=0.02)
        except ClusterError:
            kill_all([pid])
            wait_for(f"{name} ends", lambda: _reaped(pid), timeout=grace)


def _reaped(pid: int) -> bool:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return not lives(pid)
