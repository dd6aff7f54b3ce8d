"""The runner's log, back into transcripts: the other half of `runner.sh`.

Lines are `ID $ argv`, `ID > text`, `ID . exit-code line-count` and `ID ! why it did not run`; `=`
is the runner itself. A record whose lines do not add up was torn or cut, and says so instead of
passing for a short answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import resources

from kubectl_dnsdebug.model import Transcript

BEGIN = "= begin dnsdebug-runner/1"
END = "= end "
CUT = "its output was cut or torn on the way"
LONGEST = 64_000  # characters of one transcript: more than any DNS message prints


def runner() -> str:
    """The shell text that probing containers run, less its comments: it stays in the pod's spec."""
    text = resources.files("kubectl_dnsdebug").joinpath("runner.sh").read_text("utf-8")
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#")) + "\n"


@dataclass
class _Record:
    argv: tuple[str, ...] = ()
    lines: list[str] = field(default_factory=list)
    exit_code: int | None = None
    failure: str = ""


def read(lines: Iterable[str], vantage: str) -> tuple[Transcript, ...]:
    """Transcripts of one container's log, in the order in which they began.

    A probe of which nothing came back is not here; `missing` makes its transcript.
    """
    records: dict[str, _Record] = {}
    for line in lines:
        key, _, rest = line.rstrip("\r\n").partition(" ")
        sign, _, text = rest.partition(" ")
        if key == "=":
            continue
        record = records.setdefault(key, _Record())
        match sign:
            case "$":
                record.argv = tuple(text.split())
            case ">":
                record.lines.append(text)
            case ".":
                code, _, count = text.partition(" ")
                whole = count == str(len(record.lines))
                if whole and code.isdigit():
                    record.exit_code = int(code)
                else:
                    record.failure = CUT
            case "!":
                record.failure = text
            case _:
                record.failure = CUT
    return tuple(
        Transcript(
            id=f"{vantage}#{key}",
            vantage=vantage,
            probe=key,
            argv=record.argv,
            out="\n".join(record.lines)[:LONGEST],
            exit_code=record.exit_code,
            failure=record.failure or ("" if record.exit_code is not None else CUT),
        )
        for key, record in records.items()
    )


def finished(lines: Iterable[str]) -> bool:
    """Whether the runner came to its end, so that no probe is still to come."""
    return any(line.startswith(END) for line in lines)
