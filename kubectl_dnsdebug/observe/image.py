"""What the target's own image shows of the resolver that its programs use."""

from __future__ import annotations

from kubectl_dnsdebug.model import Missing, Subject
from kubectl_dnsdebug.observe.observed import Observed

_APP = "app"  # the probe that reads the files of the target's own root


def libc(seen: Observed, subject: Subject) -> str:
    """The libc of the target's image: `musl 1.2.5`, `glibc`, or empty when it could not be seen."""
    told = _told(seen, subject)
    version = next((line.removeprefix("musl ") for line in told if line.startswith("musl ")), "")
    if version or any("ld-musl" in line for line in told):
        return f"musl {version}".strip()
    return "glibc" if any(line.startswith("loader ") for line in told) else ""


def lines(seen: Observed, subject: Subject, path: str) -> tuple[str, ...]:
    """The lines of a file of the target's image; none when it is not there or could not be seen."""
    told = _told(seen, subject)
    return tuple(line.removeprefix(f"{path} ") for line in told if line.startswith(f"{path} "))


def setting(seen: Observed, subject: Subject, path: str, key: str) -> str:
    """What follows a keyword on its line of such a file, without comment; empty without one."""
    bare = (line.partition("#")[0].split() for line in lines(seen, subject, path))
    return next((" ".join(words[1:]) for words in bare if words[:1] == [key]), "")


def _told(seen: Observed, subject: Subject) -> list[str]:
    try:
        vantage = seen.own(subject)
    except Missing:
        return []
    texts = (
        t.out for t in seen.evidence.transcripts if t.vantage == vantage.id and t.probe == _APP
    )
    return next(texts, "").splitlines()
