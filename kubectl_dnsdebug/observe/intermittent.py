"""Faults that come and go, as a watch shows them: what rules start from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.observe.watched import Series, Watch, What, watched

_IN_A_ROW = 4  # lost questions of one flow that are no chance while others pass
_MEANWHILE = 8  # answered questions from other ports, for that
_ENOUGH = 10  # questions without a loss that make a server sound


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckFlow:
    """A source port from which nothing came back while all other ports were fine.

    `since` is when it began, in seconds of the watch; `lasts`: to the end of it.
    """

    fixed: Series
    fresh: Series
    since: float
    lost: int
    meanwhile: int
    lasts: bool


def stuck_flows(watch: Watch) -> Iterator[StuckFlow]:
    """One for each source port at most, the last time it was stuck."""
    direct = watch.of(What.DIRECT)
    for fixed in watch.of(What.FIXED):
        fresh = next(iter(watch.of(What.FRESH, server=fixed.server)), None)
        for run in reversed([*fixed.silences()]) if fresh else ():
            others = fresh.between(run[0].at, run[-1].at).samples if fresh else ()
            # What took every port with it proves nothing; from then on only this one is lost.
            from_then = max((s.at for s in others if s.lost), default=run[0].at)
            alone = [s for s in run if s.at >= from_then]
            meanwhile = sum(s.at >= from_then and not s.lost for s in others)
            if any(watch.fair(d).between(from_then, run[-1].at).lost for d in direct):
                continue  # a flow keeps to one DNS pod, which may be the silent one
            if fresh and len(alone) >= _IN_A_ROW and meanwhile >= _MEANWHILE:
                yield StuckFlow(
                    fixed=fixed,
                    fresh=fresh,
                    since=run[0].at,
                    lost=len(alone),
                    meanwhile=meanwhile,
                    lasts=run[-1] == fixed.samples[-1],
                )
                break


def weak_replicas(watch: Watch) -> Iterator[tuple[Series, Series]]:
    """A DNS pod that is silent now and then though it is an endpoint, and one that never is."""
    fair = [watch.fair(each) for each in watch.of(What.DIRECT)]
    sound = [each for each in fair if each.asked >= _ENOUGH and not each.lost]
    for each in fair:
        if each.lossy and sound:
            yield each, sound[0]


def loses_directly(seen: Observed) -> bool:
    """Whether a watch saw a DNS pod, while it was an endpoint, lose questions put to itself."""
    watch = watched(seen)
    return watch is not None and any(watch.fair(s).lossy for s in watch.of(What.DIRECT))


def stalls(watch: Watch) -> Iterator[tuple[Series, Series]]:
    """A look-up of a C library that waits for seconds, and the server that loses no single
    question."""
    sound = [
        each
        for each in watch.of(What.FRESH)
        if each.asked >= _ENOUGH and not each.lost and not each.slow
    ]
    if not sound or any(watch.fair(each).lost for each in watch.of(What.DIRECT, What.FIXED)):
        return
    for each in watch.of(What.LIBC):
        if each.stalls:
            yield each, sound[0]


def lost_in_upheavals(watch: Watch) -> tuple[Series, ...]:
    """The series that lost something, where all that was lost was so while DNS servers changed."""
    spans = watch.upheavals()
    lossy = [s for s in watch.series if s.what not in (What.DIRECT, What.LIBC) and s.lossy]
    if not spans or any(each.without(spans).lost for each in lossy):
        return ()
    return tuple(lossy)
