"""What could not be said, and why."""

from __future__ import annotations

import re
from collections.abc import Iterable
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


# What to do about a gap, by the words of those who said why: ours, the kubelet's, the API server's.
_WAYS_OUT = (
    ("not allowed", "`kubectl dnsdebug rbac` prints the roles that allow more"),
    (
        "ErrImagePull|ImagePullBackOff|ErrImageNeverPull|InvalidImageName",
        "--image names an image that the node can pull; a pull secret goes with "
        "--mode sibling --image-pull-secret NAME",
    ),
    (
        "exceeded quota|failed quota",
        "the quota of the namespace leaves no room: --dry-run shows what is made, and its size",
    ),
    (
        "denied the request|security context constraint",
        "a policy of the cluster refuses what is made: --dry-run shows it, for whoever keeps that "
        "policy",
    ),
    ("did not finish in time", "--timeout SECONDS gives a slow node more time"),
)


def ways_out(reasons: Iterable[str]) -> list[str]:
    """What to do about these reasons, in their order, each way once."""
    found = (way for said in reasons for words, way in _WAYS_OUT if re.search(words, said))
    return list(dict.fromkeys(found))
