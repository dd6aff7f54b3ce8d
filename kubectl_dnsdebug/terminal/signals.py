"""Signals as an exception, so that a run that is told to stop still cleans up."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from types import FrameType
from typing import NoReturn

_TWICE = 1.0  # seconds in which a second Ctrl-C may be a key that was pressed twice


class Interrupted(BaseException):
    """A signal asked us to stop; raised in the main thread: all unwinds and is cleaned up."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number


class signals_raise:
    """Within it SIGINT, SIGTERM and SIGHUP raise Interrupted, once: cleaning up ignores them.

    But for a Ctrl-C that comes some time after the first: whoever cannot wait is told what
    `left` lists, and the program is gone.
    """

    def __init__(self, left: Callable[[], Iterable[str]] = tuple) -> None:
        self._left = left

    def __enter__(self) -> None:
        self._before = {n: signal.signal(n, self._raise) for n in _stop_signals()}

    def _raise(self, number: int, frame: FrameType | None) -> NoReturn:
        self._since = time.monotonic()
        for each in _stop_signals():
            signal.signal(each, signal.SIG_IGN)
        signal.signal(signal.SIGINT, self._give_up)
        raise Interrupted(number)

    def _give_up(self, number: int, frame: FrameType | None) -> None:
        if time.monotonic() < self._since + _TWICE:
            return
        lines = [f"not removed yet: {line}" for line in self._left()]
        # Past all buffers: the thread that was interrupted may hold their locks.
        os.write(2, "".join(f"{line}\n" for line in lines).encode())
        os._exit(128 + number)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


class interrupt_sets:
    """Within it the first Ctrl-C sets an event and ends nothing; later ones do as before."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGINT, self._set)

    def _set(self, number: int, frame: FrameType | None) -> None:
        self._event.set()
        signal.signal(signal.SIGINT, self._before)

    def __exit__(self, *_: object) -> None:
        if signal.getsignal(signal.SIGINT) == self._set:
            signal.signal(signal.SIGINT, self._before)


def _stop_signals() -> list[signal.Signals]:
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    return [getattr(signal, name) for name in names if hasattr(signal, name)]
