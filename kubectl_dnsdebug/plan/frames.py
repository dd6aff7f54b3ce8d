"""The runner's log, back into transcripts: the other half of `runner.sh`.

Lines are `ID $ argv`, `ID > text`, `ID + a piece of text that goes on`, `ID . exit-code line-count`
and `ID ! why it did not run`; `=` is the runner itself. A record whose lines do not add up was torn
or cut, and says so instead of passing for a short answer. Lines of no record are the shell's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from kubectl_dnsdebug.model import Role, Transcript

END = "= end "
CUT = "its output was cut or torn on the way"
LONGEST = 400_000  # characters of one transcript: more than any DNS message prints
_CODE = re.compile(r"[0-9]{1,3}")
_INDENT = re.compile(r"^ +")


@cache
def runner(role: Role = Role.TARGET, *, watching: bool = False) -> str:
    """The shell text that probing containers run: it stays in the pod's spec, so that comments and
    most of the indentation are left out."""
    folder = resources.files("kubectl_dnsdebug.plan")
    of_host = ["host_flows.sh", "host.sh"] if role is Role.HOST else []
    names = [*of_host, *(["watch.sh"] if watching else [])]
    text = "".join(folder.joinpath(name).read_text("utf-8") for name in (*names, "runner.sh"))
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return "".join(f"{_INDENT.sub(' ', line)}\n" for line in lines)


@dataclass
class _Record:
    argv: tuple[str, ...] = ()
    pieces: list[str] = field(default_factory=list)
    exit_code: int | None = None
    failure: str = ""

    def take(self, sign: str, text: str) -> None:
        """One line of it. What comes after the exit code, or twice, shows that it is torn."""
        code, _, count = text.partition(" ")
        if sign == "!":
            self.failure = text
        elif sign == ">" and self.exit_code is None:
            self.pieces.append(text + "\n")
        elif sign == "+" and self.exit_code is None:
            self.pieces.append(text)
        elif sign == "." and count == str(len(self.pieces)) and _CODE.fullmatch(code):
            self.exit_code = int(code)
        else:
            self.failure = CUT


def read(lines: Iterable[str], vantage: str) -> tuple[Transcript, ...]:
    """Transcripts of one container's log, in the order in which they began.

    A probe that never began is not here.
    """
    records: dict[str, _Record] = {}
    for line in lines:
        key, _, rest = line.removesuffix("\n").partition(" ")
        sign, _, text = rest.partition(" ")
        if key in records:
            records[key].take(sign, text)
        elif sign == "$" and key != "=":
            records[key] = _Record(argv=tuple(text.split()))
    return tuple(_transcript(record, key, vantage) for key, record in records.items())


def _transcript(record: _Record, key: str, vantage: str) -> Transcript:
    out = "".join(record.pieces).removesuffix("\n")
    cut = record.exit_code is None or len(out) > LONGEST
    failure = record.failure or (CUT if cut else "")
    return Transcript(
        id=f"{vantage}#{key}",
        vantage=vantage,
        probe=key,
        argv=record.argv,
        out=out[:LONGEST],
        exit_code=None if failure else record.exit_code,
        failure=failure,
    )


def finished(lines: Iterable[str]) -> bool:
    """Whether the runner came to its end, so that no probe is still to come."""
    return any(line.startswith(END) for line in lines)
