"""The time line in words: when, how long before the run's first question, and where the run was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kubectl_dnsdebug.report.pictures.timeline import Happening, Moment
from kubectl_dnsdebug.report.report import Report

_KIND = {
    Happening.START: ("good", "STARTED"),
    Happening.END: ("bad", "ENDED"),
    Happening.CHANGE: ("info", "CHANGED"),
    Happening.WARNING: ("doubtful", "WARNING"),
    Happening.LOG: ("bad", "LOG"),
}
_DAY = 86_400
_WORDS = {
    "survey": "the API was read",
    "watch": "the pod was watched",
    "probes": "questions were asked",
    "afterwards": "logs were read, all that was made was removed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line. `mark` is empty for the run itself."""

    stamp: str
    clock: str
    relative: str
    css: str
    mark: str
    about: str
    text: str
    likes: str = ""


def entries(report: Report) -> Iterator[Entry]:
    """Oldest first, the run in its place."""
    began = str(report.target["collected_at"])
    asked = sum(report.timing.get(phase, 0.0) for phase in ("probes", "afterwards"))
    moments = report.timeline.moments
    yield from (_entry(each, began, asked) for each in moments if each.age > 0)
    yield Entry(
        stamp=began,
        clock=_clock(began, began),
        relative="",
        css="run",
        mark="",
        about="",
        text="this run",
        likes="; ".join(f"{words} for {took:.1f} s" for words, took in phases(report)),
    )
    yield from (_entry(each, began, asked) for each in moments if each.age <= 0)


def phases(report: Report) -> list[tuple[str, float]]:
    """What the run did, and for how many seconds."""
    return [
        (_WORDS.get(phase, phase), seconds)
        for phase, seconds in report.timing.items()
        if phase != "total"
    ]


def _entry(moment: Moment, began: str, asked: float) -> Entry:
    css, mark = _KIND[moment.kind]
    often = f"{moment.times} times" if moment.times > 1 else ""
    first = f"the first at {_clock(moment.since, began)}" if moment.since else ""
    return Entry(
        stamp=moment.stamp,
        clock=_clock(moment.stamp, began),
        relative=_relative(moment.age, asked),
        css=css,
        mark=mark,
        about=moment.about,
        text=moment.text,
        likes=", ".join(filter(None, (often, first))),
    )


def _clock(stamp: str, began: str) -> str:
    """The time of day; with the day where it is not the run's."""
    day, _, clock = stamp[:19].partition("T")
    return clock if day == began[:10] else f"{day} {clock}"


def _relative(age: float, asked: float) -> str:
    if age > 0:
        return f"{_long(age)} before"
    return f"{_long(-age)} into the run" if -age <= asked + 1 else f"{_long(-age)} after"


def _long(seconds: float) -> str:
    for size, unit in ((_DAY, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
