"""What could not be said, and why."""

from __future__ import annotations

from dataclasses import dataclass

from kubectl_dnsdebug.model import Subject

# None of these is a rule.
UNEXPLAINED = "unexplained"  # names fail, and no known cause fits
UNTESTED = "untested"  # a node was asked for, and could not be tested
DEEP = "deep"  # a node was to be looked at, and could not be
WATCH = "watch"  # something that could not be followed while it was watched
ASKED = "ask"  # a DNS pod that could not be asked itself
UNPROBED = "unprobed"  # rules that need answers, where none were asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """What could not be said, and why. `matters` when it could have been an error or a warning."""

    rule: str
    subject: Subject
    reason: str
    matters: bool
