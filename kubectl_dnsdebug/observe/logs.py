"""What the DNS servers' logs say, and of when: a line is proof of its time, not of now.

The kubelet stamps every line. A complaint counts as present while the run of the container that
made it lasts (or, of a pod that is not ready, the crash that ended it), and while it is heard
again; what ended before the last restart or the last edit of the Corefile is told as past at most.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass

from kubectl_dnsdebug.model import Confidence, Missing
from kubectl_dnsdebug.observe.objects import Pod
from kubectl_dnsdebug.observe.observed import Observed

RECENT = 300  # seconds: long enough for what repeats by itself, short enough to be about now
# A server that still suffers says so again within a minute: our own questions make it fail again,
# health is checked each second, the API is asked again after 30 s and at most as much jitter.
FRESH = 75
# A container that crashes is started again after 5 minutes at the latest, and runs for a while.
CRASH = 600
DAY = 86_400.0
_STAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)")
_UPSTREAM = re.compile(
    r"plugin/errors: \d+ (?P<name>\S+) (?P<type>[A-Z0-9]+): "
    # Sent in vain, or never connected: over TCP and TLS that is all that is said.
    r"(?:.*->|(?P<dial>dial (?:udp|tcp)) )"
    r"\[?(?P<upstream>[0-9A-Fa-f.:]+?)\]?:(?P<port>\d+): (?P<why>.+)"
)

Line = tuple[str, str]  # the id of the log's fact, and the line as it stands there


def age(seen: Observed, stamp: str) -> float:
    """Seconds from an RFC 3339 stamp (or a line that begins with one) to the collection; infinite
    without one."""
    then, now = seconds(stamp), seconds(seen.evidence.collected_at)
    return float("inf") if then is None or now is None else now - then


def seconds(stamp: str) -> float | None:
    """A RFC 3339 stamp (or a line that begins with one) as seconds of Unix; None without one."""
    found = _STAMP.match(stamp)
    try:
        return float(calendar.timegm(tuple(map(int, found.groups())))) if found else None
    except ValueError:
        return None  # such as the month 13


def message(line: str) -> str:
    """A log line without the stamp, short enough for a sentence."""
    stamp, _, rest = line.partition(" ")
    return (rest if _STAMP.match(stamp) else line).strip()[:240]


def lines(seen: Observed, *words: str, pod: Pod | None = None) -> tuple[Line, ...]:
    """Those with all the words, of one pod if given, however old. Never Missing."""
    of_pod = (
        {f"log/{pod.namespace}/{pod.name}", f"log-previous/{pod.namespace}/{pod.name}"}
        if pod
        else None
    )
    return tuple(
        (id, line) for id, line in seen.log_lines(*words) if of_pod is None or id in of_pod
    )


def recent(
    seen: Observed, *words: str, pod: Pod | None = None, within: float = RECENT
) -> tuple[Line, ...]:
    """Those of the lines that are not older than so many seconds and of the present run: a pod that
    became ready since has left what its earlier run said behind."""
    return tuple(
        (id, line)
        for id, line in lines(seen, *words, pod=pod)
        if age(seen, line) <= within and not _left_behind(seen, id)
    )


def _left_behind(seen: Observed, id: str) -> bool:
    pod = pod_of(seen, id)
    return id.startswith("log-previous/") and (pod is None or pod.ready)


def pod_of(seen: Observed, id: str) -> Pod | None:
    """The DNS pod whose log a fact is. Never Missing."""
    try:
        found = [p for p in seen.dns_pods if id.endswith(f"/{p.namespace}/{p.name}")]
    except Missing:
        found = []
    return next(iter(found), None)


def edited_after(seen: Observed, line: str) -> str:
    """When the DNS configuration was last edited, if that was after the line; else empty."""
    last = max(_edits(seen), default="")
    return last if last and age(seen, last) < age(seen, line) else ""


def _edits(seen: Observed) -> list[str]:
    return [
        str(fact.data["changed"]) for fact in seen.of_kind("configmap") if fact.data.get("changed")
    ]


def goes_on(seen: Observed, found: Sequence[Line]) -> bool:
    """Whether a complaint is still made: heard within the last minute, and not before the last edit
    of the configuration."""
    last = max((line for _, line in found), default="")
    return age(seen, last) <= FRESH and not edited_after(seen, last)


def when(seen: Observed, found: Sequence[Line]) -> str:
    """`of late` while it goes on, else until when it went on."""
    if goes_on(seen, found):
        return "of late"
    return f"until {clock(max(line for _, line in found))} and not since"


def of_crash(seen: Observed, line: str) -> tuple[Confidence, str]:
    """How sure the last words of a container that crashes make its cause, and what would settle
    it: nobody knows yet how it starts with a configuration that was edited since."""
    edit = edited_after(seen, line)
    if not edit and not _edits(seen) and age(seen, line) > RECENT:
        return Confidence.LIKELY, "when the configuration was last edited, which was not to be read"
    if not edit:
        return Confidence.CERTAIN, ""
    return (
        Confidence.LIKELY,
        f"the pod's next start: its configuration was edited at {clock(edit)}, after it said so",
    )


def clock(stamp: str) -> str:
    """The time of day of a stamp, such as `08:31 UTC`."""
    parts = _STAMP.match(stamp)
    return f"{parts[4]}:{parts[5]} UTC" if parts else "an unknown time"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamError:
    """A question that a DNS server forwarded in vain. `id` is the log's fact, `why` the system's
    words."""

    id: str
    line: str
    name: str
    upstream: str
    why: str


def upstream_errors(
    seen: Observed, pod: Pod | None = None, within: float = RECENT
) -> tuple[UpstreamError, ...]:
    """What the servers logged of late about upstreams that gave no answer. Never Missing."""
    return tuple(
        UpstreamError(
            id=id,
            line=line,
            name=found["name"].lower(),
            upstream=found["upstream"],
            why=": ".join(filter(None, (found["dial"], found["why"].strip()))),
        )
        for id, line in recent(seen, "plugin/errors:", pod=pod, within=within)
        if (found := _UPSTREAM.search(line))
    )
