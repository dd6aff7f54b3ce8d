"""How fast many requests may go out, whoever sends them."""

from __future__ import annotations

import threading
import time


class Pace:
    """At most `rate` turns a second on the average, `burst` at once. Safe from several threads."""

    def __init__(self, rate: float, burst: int, over: threading.Event) -> None:
        self._gap = 1 / rate
        self._credit = burst / rate
        self._over = over
        self._lock = threading.Lock()
        self._next = 0.0

    def turn(self) -> bool:
        """Wait for a turn; False when it is `over` before there is one."""
        with self._lock:
            now = time.monotonic()
            self._next = max(self._next + self._gap, now - self._credit)
            pause = self._next - now
        return not (self._over.wait(pause) if pause > 0 else self._over.is_set())
