"""What a watch saw: series of questions over time, and what changed in the cluster meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from kubectl_dnsdebug.model import Missing, State, Transcript, Transport
from kubectl_dnsdebug.observe.objects import at, items
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse import dig, samples
from kubectl_dnsdebug.parse.samples import Sample

PREFIX = "watch."
CHANGES = "changes/"  # ids of facts about what changed
MARGIN = 5.0  # seconds around a change in which what is lost may be its doing
# As many lost questions, and as large a part of all, that no busy machine explains.
FEW, SELDOM = 2, 0.01
SLOW = 2400.0  # ms: a C library put its question a second time, musl after 2.5 s, glibc after 5 s


class What(StrEnum):
    """What a series asks, see `plan/watching.py`."""

    FRESH = "fresh"
    FIXED = "fixed"
    TCP = "tcp"
    DIRECT = "direct"
    OUTSIDE = "outside"
    LIBC = "libc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One question, put again and again. `id` is the transcript's.

    `server` is empty for a C library, which finds its own. `unheard` counts questions whose outcome
    was lost on the way to us.
    """

    id: str
    what: What
    server: str
    port: int
    transport: Transport
    source_port: int | None
    name: str
    type: str
    samples: tuple[Sample, ...]
    unheard: int = 0

    @property
    def asked(self) -> int:
        return len(self.samples)

    @property
    def lost(self) -> int:
        return sum(each.lost for each in self.samples)

    @property
    def rate(self) -> float:
        """The part that was lost, 0 to 1."""
        return self.lost / self.asked if self.samples else 0.0

    @property
    def slow(self) -> int:
        """How many waited so long that a question of theirs must have been lost."""
        return sum(each.ms is not None and each.ms >= SLOW for each in self.samples)

    @property
    def lossy(self) -> bool:
        return self._often(self.lost)

    @property
    def stalls(self) -> bool:
        return self._often(self.slow)

    @property
    def wavers(self) -> bool:
        """Whether the same question got now a good answer, now another one."""
        bad = sum(not each.lost and not each.good for each in self.samples)
        return self._often(bad) and any(each.good for each in self.samples)

    def _often(self, count: int) -> bool:
        return count >= FEW and count >= SELDOM * self.asked

    def between(self, first: float, last: float) -> Series:
        """The part of it that was asked then."""
        return replace(self, samples=tuple(s for s in self.samples if first <= s.at <= last))

    def without(self, spans: Iterable[tuple[float, float]]) -> Series:
        """The part of it that was asked outside of these spans."""
        away = tuple(spans)
        kept = (s for s in self.samples if not any(a <= s.at <= b for a, b in away))
        return replace(self, samples=tuple(kept))

    def silences(self) -> Iterator[tuple[Sample, ...]]:
        """Each run of questions in a row that were lost."""
        run: list[Sample] = []
        for each in self.samples:
            if each.lost:
                run.append(each)
            elif run:
                yield tuple(run)
                run = []
        if run:
            yield tuple(run)

    @property
    def outcomes(self) -> Counter[str]:
        """How often each outcome came."""
        return Counter(samples.NODATA if s.empty else s.status.value for s in self.samples)


class Kind(StrEnum):
    """What a change is about."""

    ENDPOINT = "endpoint"  # an address behind a DNS Service
    POD = "pod"  # a DNS pod, or the target
    CONFIG = "config"  # a ConfigMap of the DNS pods
    EVENT = "event"  # a warning


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that changed, `at` seconds after the watch began. `fact` is the id of its fact.

    `state` says what it became; of an endpoint `ready`, `not ready` or `gone`.
    """

    fact: str
    at: float
    kind: Kind
    name: str
    state: str
    address: str = ""


GONE = "gone"
READY = "ready"
NOT_READY = "not ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A whole watch. `seconds` is how long it was, `asked_for` how long it should have been.

    `gaps` say what of the cluster could not be followed. `names` are those of DNS pods by address.
    """

    seconds: float
    asked_for: float
    series: tuple[Series, ...]
    changes: tuple[Change, ...]
    gaps: tuple[str, ...]
    names: Mapping[str, str] = field(default_factory=dict)

    def of(self, *whats: What, server: str = "") -> tuple[Series, ...]:
        """Series that ask this; of that server, if given."""
        return tuple(
            s for s in self.series if s.what in whats and (not server or s.server == server)
        )

    def absences(self, address: str) -> tuple[tuple[float, float], ...]:
        """When an address was no ready endpoint, or may have known before the API that it was
        none."""
        spans: list[tuple[float, float]] = []
        away: float | None = None
        for change in self.changes:
            if change.kind is Kind.ENDPOINT and change.address == address:
                if change.state == READY:
                    # What was never announced as gone came new: nobody was there before.
                    spans.append((0.0 if away is None else away - MARGIN, change.at + MARGIN))
                    away = None
                elif away is None:
                    away = change.at
        if away is not None:
            spans.append((away - MARGIN, float("inf")))
        return tuple(spans)

    def fair(self, series: Series) -> Series:
        """The part of a series for which its server can answer: not while it was no endpoint."""
        if series.what is not What.DIRECT:
            return series
        return series.without(self.absences(series.server))

    def upheavals(self) -> tuple[tuple[float, float], ...]:
        """When the DNS servers themselves changed: what is lost about then is no wonder."""
        return tuple(
            (c.at - MARGIN, c.at + MARGIN)
            for c in self.changes
            if c.kind in (Kind.ENDPOINT, Kind.CONFIG)
        )


def watched(seen: Observed) -> Watch | None:
    """The watch of this evidence; None where there was none."""
    asked_for = seen.evidence.request.watch
    if not asked_for:
        return None
    facts = [fact for fact in seen.evidence.facts if fact.id.startswith(CHANGES)]
    changes = [
        Change(
            fact=fact.id,
            at=float(at(each, "at", default=0.0)),
            kind=Kind(at(each, "kind", default=Kind.EVENT.value)),
            name=str(at(each, "name", default="")),
            state=str(at(each, "state", default="")),
            address=str(at(each, "address", default="")),
        )
        for fact in facts
        for each in items(fact.data)
    ]
    return Watch(
        seconds=seen.evidence.timing.get("watch", 0.0),
        asked_for=asked_for,
        series=series(seen.evidence.transcripts),
        changes=tuple(sorted(changes, key=lambda change: change.at)),
        gaps=tuple(f.reason for f in facts if f.state is State.UNKNOWN),
        names=names(seen) | {c.address: c.name for c in changes if c.address},
    )


def names(seen: Observed) -> dict[str, str]:
    """The DNS pods by address. Never Missing."""
    try:
        return {each.ip: each.pod for each in seen.dns_endpoints if each.pod}
    except Missing:
        return {}


def series(transcripts: Iterable[Transcript]) -> tuple[Series, ...]:
    """The series among these, by what they ask. The texts of single failures are none."""
    order = list(What)
    return tuple(sorted(_series(transcripts), key=lambda each: order.index(each.what)))


def _series(transcripts: Iterable[Transcript]) -> Iterator[Series]:
    for each in transcripts:
        what, _, _ = each.probe.removeprefix(PREFIX).partition(".")
        if not each.probe.startswith(PREFIX) or "~" in each.probe or what not in set(What):
            continue
        # `watch SECONDS PERIOD` stands before the words of the tool.
        for question in dig.read(replace(each, argv=each.argv[3:], out="", exit_code=None)):
            got = samples.read(each.out)
            yield Series(
                id=each.id,
                what=What(what),
                server=question.server,
                port=question.port,
                transport=question.transport,
                source_port=question.source_port,
                name=question.name if question.tool == "dig" else each.argv[-1],
                type=question.type,
                samples=got,
                unheard=max((s.number for s in got), default=0) - len(got),
            )
