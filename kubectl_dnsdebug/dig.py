"""What dig, nslookup and getent printed, as typed answers. The text decides; exit codes mislead."""

from __future__ import annotations

from kubectl_dnsdebug.model import Answer, Transcript


def read(transcript: Transcript) -> tuple[Answer, ...]:
    """One Answer for each question in `argv`, in that order (nslookup and getent: one for each family asked).

    Never raises on what a tool printed: text without an outcome is GARBLED, a command that never ran NOT_RUN.
    Raises ValueError when argv is no command of dig, nslookup or getent.
    getent hides the resolver's reason: no address is Status.NO_ADDRESS, which is neither NXDOMAIN nor silence.
    """
    raise NotImplementedError
