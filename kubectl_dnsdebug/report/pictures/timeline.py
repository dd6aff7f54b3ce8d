"""What happened when, oldest first: starts and ends of containers, warnings, complaints of logs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from kubectl_dnsdebug.model import Missing
from kubectl_dnsdebug.observe import logs
from kubectl_dnsdebug.observe.objects import Pod, at, items
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.report.pictures.proofs import TELLING
from kubectl_dnsdebug.report.pictures.target import targets

MOST = 30  # moments that are kept: the latest
# In a complaint of CoreDNS: the question, and its own port. Both differ where the fault is one.
_VARYING = re.compile(r"(?<=plugin/errors: )\d+ \S+ [A-Z0-9]+: |:\d+(?=->)")


# What a ReplicaSet or DaemonSet adds to a name.
_SUFFIX = re.compile(r"(-[a-f0-9]{6,10})?-[a-z0-9]{5}$")


class Happening(StrEnum):
    START = "start"
    END = "end"
    CHANGE = "change"  # a DNS server reads another configuration
    WARNING = "warning"  # an event
    LOG = "log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One thing that happened, or the last of `times` alike of which the first was at `since`.

    Stamps are RFC 3339; `age` is in seconds before the first question of the run, negative after.
    """

    stamp: str
    age: float
    kind: Happening
    about: str
    text: str
    times: int = 1
    since: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """`earlier` is how many older moments were left out."""

    moments: tuple[Moment, ...]
    earlier: int = 0


def timeline(seen: Observed) -> Timeline:
    """Of the target pods, the DNS servers and the warnings that were read. Never Missing."""
    pods = _pods(seen)
    present = {str(pod.subject) for pod in pods}
    found = [each for pod in pods for each in _containers(seen, pod)]
    found += _together(_warnings(seen), lambda each: (_workload(each.about, present), _head(each)))
    found += _together(set(_logs(seen)), lambda each: (each.about, _VARYING.sub("", each.text)))
    found = [each for each in found if math.isfinite(each.age)]
    found.sort(key=_order)
    return Timeline(moments=tuple(found[-MOST:]), earlier=max(0, len(found) - MOST))


def _order(moment: Moment) -> tuple[float, str, str, str]:
    return (-moment.age, moment.stamp, moment.about, moment.text)


def _pods(seen: Observed) -> tuple[Pod, ...]:
    try:
        servers = seen.dns_pods
    except Missing:
        servers = ()
    return tuple({each.subject: each for each in (*targets(seen), *servers)}.values())


def _containers(seen: Observed, pod: Pod) -> Iterator[Moment]:
    for status in at(pod.raw, "status", "containerStatuses", default=()):
        yield from _of_container(seen, pod, status)


def _of_container(seen: Observed, pod: Pod, status: object) -> Iterator[Moment]:
    name, restarts = at(status, "name", default=""), at(status, "restartCount", default=0)

    def moment(stamp: str, kind: Happening, text: str) -> Moment:
        age = logs.age(seen, stamp)
        return Moment(stamp=stamp, age=age, kind=kind, about=str(pod.subject), text=text)

    for state in ("lastState", "state"):
        if ended := at(status, state, "terminated"):
            why = at(ended, "reason", default="ended")
            text = f"container {name} ended: {why}, exit code {at(ended, 'exitCode')}"
            yield moment(at(ended, "finishedAt", default=""), Happening.END, text)
    if started := at(status, "state", "running", "startedAt"):
        again = f" again (restart {restarts})" if restarts else ""
        yield moment(started, Happening.START, f"container {name} started{again}")


def _warnings(seen: Observed) -> Iterator[Moment]:
    for fact in seen.evidence.facts:
        if not fact.id.startswith(("events/", "node-events/")):
            continue
        for event in items(fact.data):
            stamp = str(event.get("lastTimestamp") or event.get("eventTime"))
            count = event.get("count")
            about = event.get("involvedObject") or {}
            place = (str(about.get("kind", "")).lower(), about.get("namespace"), about.get("name"))
            yield Moment(
                stamp=stamp,
                age=logs.age(seen, stamp),
                kind=Happening.WARNING,
                about="/".join(filter(None, place)),
                text=f"{event.get('reason', '')}: {event.get('message', '')}",
                times=count if isinstance(count, int) else 1,
            )


def _logs(seen: Observed) -> Iterator[Moment]:
    for id, line in seen.log_lines():
        text = logs.message(line)
        change = text == "[INFO] Reloading"
        if change or (TELLING.search(text) and not text.startswith("[INFO]")):
            stamp = line.partition(" ")[0]
            yield Moment(
                stamp=stamp,
                age=logs.age(seen, stamp),
                kind=Happening.CHANGE if change else Happening.LOG,
                about=f"pod/{id.partition('/')[2]}",
                text="its configuration changed" if change else text,
            )


def _head(warning: Moment) -> str:
    return warning.text.partition(":")[0]


def _workload(about: str, present: Collection[str]) -> str:
    """Pods that are gone are told together: a rollout leaves the warnings of all it replaced."""
    if about in present or not about.startswith("pod/"):
        return about
    return _SUFFIX.sub("-*", about)


def _together(
    moments: Iterable[Moment], likeness: Callable[[Moment], tuple[str, str]]
) -> Iterator[Moment]:
    """One moment for all that are alike: the last, which knows the first and how many."""
    groups: dict[tuple[str, str], list[Moment]] = {}
    for each in sorted(moments, key=_order):
        groups.setdefault(likeness(each), []).append(each)
    for (about, _), alike in groups.items():
        first, last = alike[0], alike[-1]
        yield replace(
            last,
            about=last.about if first.about == last.about else about,
            times=sum(each.times for each in alike),
            since=first.stamp if len(alike) > 1 else "",
        )
