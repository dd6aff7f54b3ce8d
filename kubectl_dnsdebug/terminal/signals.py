"""Signals as an exception, so that a run that is told to stop still cleans up."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn


class Interrupted(BaseException):
    """A signal asked us to stop; raised in the main thread: all unwinds and is cleaned up."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number


class signals_raise:
    """Within it SIGINT, SIGTERM and SIGHUP raise Interrupted, once: cleaning up ignores them."""

    def __enter__(self) -> None:
        self._before = {n: signal.signal(n, self._raise) for n in _stop_signals()}

    def _raise(self, number: int, frame: FrameType | None) -> NoReturn:
        for each in _stop_signals():
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted(number)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _stop_signals() -> list[signal.Signals]:
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    return [getattr(signal, name) for name in names if hasattr(signal, name)]
