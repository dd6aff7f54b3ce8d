"""What watch.sh printed of one series, back into samples.

A line is `NUMBER PUT TOOK OUTCOME`: PUT in hundredths of a second since the watch began, TOOK in
microseconds or - without an answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kubectl_dnsdebug.model import Status

NODATA = "nodata"  # the name is there, a record of that type is not
_LINE = re.compile(r"([0-9]{1,6}) ([0-9]{1,8}) ([0-9]{1,9}|-) ([a-z-]{1,24})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One question of a series. `at`: seconds since the watch began; `ms`: None without an answer.

    `empty`: there was an answer, without a record of the type.
    """

    number: int
    at: float
    status: Status
    ms: float | None = None
    empty: bool = False

    @property
    def lost(self) -> bool:
        """The question went out, and no answer came."""
        return self.status.is_silence

    @property
    def good(self) -> bool:
        return self.status is Status.NOERROR and not self.empty


def read(text: str) -> tuple[Sample, ...]:
    """The samples in their order. A line that is none, as the last one of a cut text, is left out;
    so is a question that was never put."""
    return tuple(
        Sample(
            number=int(found[1]),
            at=int(found[2]) / 100,
            status=status,
            ms=None if found[3] == "-" else int(found[3]) / 1000,
            empty=found[4] == NODATA,
        )
        for line in text.splitlines()
        if (found := _LINE.fullmatch(line)) and (status := _status(found[4])) is not Status.NOT_RUN
    )


def _status(word: str) -> Status:
    if word == NODATA:
        return Status.NOERROR
    try:
        return Status(word)
    except ValueError:
        return Status.NOT_RUN
