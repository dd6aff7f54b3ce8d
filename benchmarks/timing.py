"""How a measurement is taken and shown: several runs, their median and their span."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

RUNS = 7


class Amount(NamedTuple):
    """A number and the unit it is shown in."""

    value: float
    unit: str = "s"


def milliseconds(seconds: float) -> Amount:
    return Amount(seconds * 1000, "ms")


def megabytes(size: int) -> Amount:
    """Of a number of bytes."""
    return Amount(size / 1e6, "MB")


def timed(action: Callable[[], object]) -> float:
    """Seconds that the action takes."""
    began = time.monotonic()
    action()
    return time.monotonic() - began


def show(what: str, *amounts: Amount) -> None:
    """One line; of several the median and the span."""
    values = [amount.value for amount in amounts]
    unit = amounts[0].unit
    digits = 0 if unit == "ms" else 2
    middle = f"{statistics.median(values):.{digits}f}"
    span = f" ({min(values):.{digits}f}-{max(values):.{digits}f})" if len(values) > 1 else ""
    print(f"{what:56}{middle:>6} {unit}{span}", flush=True)
