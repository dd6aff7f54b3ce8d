"""What a watch comes to, in numbers: loss and latency of each series, and when what happened."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from kubectl_dnsdebug.model import CLUSTER, Subject
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.observe.watched import Change, Kind, Series, Watch, What, watched
from kubectl_dnsdebug.parse import samples
from kubectl_dnsdebug.parse.samples import Sample
from kubectl_dnsdebug.report.unknowns import WATCH, Unknown

# Upper bounds of the histogram in ms; the last bar has none. Those of a second and more part the
# steps in which C libraries wait.
BOUNDS = (
    *(0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0),
    *(1000.0, 2400.0, 4800.0, 9600.0, 14_400.0),
)
# What the time of a look-up tells that falls between this bound and the next.
STEPS = {
    2400.0: "2.5 s: musl asked a second time",
    4800.0: "5 s: glibc asked a second time, musl gave up",
    9600.0: "10 s: glibc gave up, or asked the next server",
    14_400.0: "15 s: a third server, or another name of the search list",
}
SLOTS = 60  # of the time line
MOST_CHANGES = 24  # that a page tells; JSON has all
_GLIBC, _MUSL = (5.0, 2), (2.5, 2)  # seconds until it asks again, how often it asks
_HOW = {
    What.FRESH: ", new ports",
    What.FIXED: ", one port",
    What.TCP: ", TCP",
    What.DIRECT: " directly",
    What.OUTSIDE: ", outside",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The numbers of one series. Times are ms, of answers only.

    `apart` were put to a DNS pod about when it was no endpoint, and do not count.
    """

    series: Series
    label: str
    asked: int
    answered: int
    lost: int
    apart: int
    p50: float | None
    p90: float | None
    p99: float | None
    longest: float | None
    slots: tuple[tuple[int, int], ...]  # asked and lost in each slot of the time line
    trouble: str  # what is not as it should be, in words
    others: tuple[tuple[str, int], ...]  # outcomes that are neither good answers nor losses


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Answers that took from `first` to `last` ms (None: any more)."""

    first: float
    last: float | None
    answers: int
    lookups: int  # of a C library
    step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """What a program with this C library would have seen of the questions that got lost.

    `waits` maps seconds that a look-up takes longer to how many do; `failed` found nothing.
    """

    libc: str
    lookups: int
    waits: tuple[tuple[float, int], ...]
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A watch as a report shows it."""

    seconds: float
    asked_for: float
    rows: tuple[Row, ...]
    bars: tuple[Bar, ...]
    clients: tuple[Client, ...]
    changes: tuple[Change, ...]
    gaps: tuple[str, ...]
    subject: Subject = CLUSTER

    @property
    def asked(self) -> int:
        return sum(row.asked for row in self.rows)

    @property
    def lost(self) -> int:
        return sum(row.lost for row in self.rows)


def build(watch: Watch) -> Picture:
    """The picture of a watch, finished or not."""
    span = max(watch.seconds, 1.0)
    dig = [s for s in watch.series if s.what is not What.LIBC]
    libc = watch.of(What.LIBC)
    return Picture(
        seconds=watch.seconds,
        asked_for=watch.asked_for,
        rows=tuple(_row(each, watch, span) for each in watch.series),
        bars=histogram(_times(dig), _times(libc)),
        clients=tuple(_clients(watch)),
        changes=tuple(_merged(watch.changes)),
        gaps=watch.gaps,
    )


def label(series: Series, names: Mapping[str, str]) -> str:
    """Who is asked, and how."""
    if series.what is What.LIBC:
        return f"getent {series.name}"
    who = names.get(series.server, "") if series.what is What.DIRECT else ""
    return who or f"{series.server}{_HOW[series.what]}"


def _row(whole: Series, watch: Watch, span: float) -> Row:
    series = watch.fair(whole)
    times = sorted(_times([series]))
    name = label(series, watch.names)
    others = Counter(
        samples.NODATA if s.empty else s.status.value
        for s in series.samples
        if not s.lost and not s.good
    )
    return Row(
        series=series,
        label=name,
        asked=series.asked,
        answered=series.asked - series.lost,
        lost=series.lost,
        apart=whole.asked - series.asked,
        p50=percentile(times, 50),
        p90=percentile(times, 90),
        p99=percentile(times, 99),
        longest=times[-1] if times else None,
        slots=slots(series.samples, span),
        trouble=_trouble(series, name),
        others=tuple(sorted(others.items())),
    )


def _trouble(series: Series, name: str) -> str:
    if series.what is What.LIBC:
        slow = f"{series.slow} of {series.asked} look-ups"
        return f"{name} waits for seconds ({slow})" if series.stalls else ""
    if series.lossy:
        return f"{series.lost} of {series.asked} questions are lost: {name}"
    if series.wavers:
        said = ", ".join(f"{count} {word}" for word, count in series.outcomes.most_common())
        return f"answers differ: {name} ({said})"
    return ""


_REPEATED = re.compile(r" \(x\d+\)$")


def _merged(changes: Iterable[Change]) -> Iterator[Change]:
    """A warning that repeats itself once, with its last count."""
    kept: dict[tuple[Kind, str, str, float], Change] = {}
    for each in changes:
        same = _REPEATED.sub("", each.state) if each.kind is Kind.EVENT else each.state
        key = (each.kind, each.name, same, 0.0 if each.kind is Kind.EVENT else each.at)
        first = kept.get(key, each)
        kept[key] = replace(each, at=first.at)
    yield from kept.values()


def _times(series: Iterable[Series]) -> list[float]:
    return [s.ms for each in series for s in each.samples if s.ms is not None and not s.lost]


def percentile(times: Sequence[float], part: float) -> float | None:
    """The time within which `part` percent of them came, of sorted times; None without any."""
    if not times:
        return None
    return times[max(0, math.ceil(len(times) * part / 100) - 1)]


def histogram(answers: Iterable[float], lookups: Iterable[float]) -> tuple[Bar, ...]:
    """Bars from the shortest to the longest time that came."""
    counts, waits = Counter(map(_bar, answers)), Counter(map(_bar, lookups))
    taken = {*counts, *waits}
    edges = (0.0, *BOUNDS)
    return tuple(
        Bar(
            first=edges[place],
            last=edges[place + 1] if place < len(BOUNDS) else None,
            answers=counts[place],
            lookups=waits[place],
            step=STEPS.get(edges[place], ""),
        )
        for place in range(len(edges))
        if taken and min(taken) <= place <= max(taken)
    )


def _bar(ms: float) -> int:
    return next((place for place, bound in enumerate(BOUNDS) if ms < bound), len(BOUNDS))


def slots(put: Iterable[Sample], span: float) -> tuple[tuple[int, int], ...]:
    """How many were asked and lost in each slot of the time line."""
    counts = [[0, 0] for _ in range(SLOTS)]
    for each in put:
        slot = counts[slot_of(each.at, span)]
        slot[0] += 1
        slot[1] += each.lost
    return tuple((asked, lost) for asked, lost in counts)


def slot_of(moment: float, span: float) -> int:
    return min(SLOTS - 1, max(0, int(moment / span * SLOTS)))


def _clients(watch: Watch) -> Iterator[Client]:
    """From new ports, as C libraries ask: of the first server of the file that was asked."""
    first = next(iter(watch.of(What.FRESH)), None)
    if first is not None and first.lost:
        for libc, (wait, tries) in (("glibc", _GLIBC), ("musl", _MUSL)):
            yield client(libc, [s.lost for s in first.samples], wait, tries)


def client(libc: str, lost: Sequence[bool], wait: float, tries: int) -> Client:
    """Look-ups that put their questions as these were put, one after the other."""
    waits: Counter[float] = Counter()
    lookups = failed = silent = 0
    for gone in lost:
        silent += gone
        if gone and silent < tries:
            continue
        lookups += 1
        failed += gone
        if silent and not gone:
            waits[silent * wait] += 1
        silent = 0
    return Client(libc=libc, lookups=lookups, waits=tuple(sorted(waits.items())), failed=failed)


def picture(seen: Observed) -> Picture | None:
    """The picture of the watch of this evidence; None where there was none."""
    found = watched(seen)
    if found is None:
        return None
    targets = [Subject.parse(each) for each in seen.evidence.request.targets]
    return replace(build(found), subject=targets[0] if targets else CLUSTER)


def failures(picture: Picture | None, explained: Collection[str] = ()) -> list[tuple[Subject, str]]:
    """What came and went, for the target: the symptom without a cause. `explained` are the ids of
    evidence that some finding rests on."""
    rows = [r for r in picture.rows if r.trouble] if picture else []
    said = [row.trouble for row in rows if row.series.id not in explained]
    if picture is None or not said:
        return []
    more = f"; and {len(said) - 3} more" if len(said) > 3 else ""
    what = f"no known cause fits, yet now and then {'; '.join(said[:3])}{more}"
    return [(picture.subject, f"{what}{_where(rows, picture.rows)}")]


def _where(troubled: Sequence[Row], every: Sequence[Row]) -> str:
    """On which part of the way questions are lost, where the watch tells."""
    direct = [row for row in every if row.series.what is What.DIRECT]
    ill = [row for row in troubled if row.series.what is What.DIRECT]
    through = [row for row in troubled if row.series.what in (What.FRESH, What.FIXED)]
    if len(direct) < 2 or not through:
        return ""
    if len(ill) == len(direct):
        return (
            ". It is so at every server alike: look at what they share, the pod's node and its way "
            "out, or all DNS pods at once"
        )
    if not ill:
        return (
            ". DNS pods that are asked directly lose nothing: look at how the pod's node "
            "translates the Service's address (kube-proxy, connection tracking)"
        )
    return ""


def unknowns(picture: Picture | None) -> Iterator[Unknown]:
    """What could not be watched. Without a single question that matters."""
    if picture is None:
        return
    for gap in picture.gaps:
        yield Unknown(rule=WATCH, subject=picture.subject, reason=gap, matters=not picture.asked)


def told(change: Change) -> str:
    """A change in words."""
    if change.kind is Kind.ENDPOINT:
        who = change.name if change.name == change.address else f"{change.name} {change.address}"
        return f"endpoint {who}: {change.state}"
    if change.kind is Kind.CONFIG:
        return f"ConfigMap {change.name}: {'gone' if change.state == 'gone' else 'changed'}"
    if change.kind is Kind.EVENT:
        return f"warning about {change.name}: {change.state}"
    return f"pod {change.name}: {change.state}"
