"""What the target's own image shows of the resolver that its programs use."""

from __future__ import annotations

from kubectl_dnsdebug.model import Missing, Subject
from kubectl_dnsdebug.observe.observed import Observed


def libc(seen: Observed, subject: Subject) -> str:
    """The libc of the target's image: `musl 1.2.5`, `glibc`, or empty when it could not be seen."""
    try:
        vantage = seen.own(subject)
    except Missing:
        return ""
    text = next(
        (t.out for t in seen.evidence.transcripts if t.vantage == vantage.id and t.probe == "app"),
        "",
    )
    lines = text.splitlines()
    version = next((line.removeprefix("musl ") for line in lines if line.startswith("musl ")), "")
    if version or any("ld-musl" in line for line in lines):
        return f"musl {version}".strip()
    return "glibc" if any(line.startswith("loader ") for line in lines) else ""
