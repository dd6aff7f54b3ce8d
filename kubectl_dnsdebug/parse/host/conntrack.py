"""The node's table of flows: where a question went, and from where its answer is awaited."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

_PAIR = re.compile(r"(src|dst|sport|dport)=(\S+)")
_SECONDS = re.compile(r"\budp\s+17\s+(\d+)\s")
_COUNTER = re.compile(r"\b([a-z_]+)=(\d+)")
AGAIN = "again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One UDP flow. `answers_from` is who must answer: after translation a DNS pod.

    `seconds` is how long the entry still lives without a packet.
    """

    client: str
    port: int
    server: str
    answers_from: str
    seconds: int
    answered: bool

    @property
    def key(self) -> tuple[str, int, str]:
        return self.client, self.port, self.server


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    """The flows to one address: how many there were, and those that were told.

    `later` are further looks, each some two seconds after the one before.
    """

    total: int
    told: tuple[Flow, ...]
    later: tuple[tuple[Flow, ...], ...]

    def in_use(self, flow: Flow) -> bool:
        """Whether a packet renewed it between two looks."""
        alike = [
            each.seconds
            for look in self.later
            for each in look
            if each.key == flow.key and each.answers_from == flow.answers_from
        ]
        return any(now >= before - 1 for before, now in pairwise((flow.seconds, *alike)))


def flows(text: str) -> Flows | None:
    """What `witness flows` prints; None when that was cut before its end."""
    return _looks(text, _flow)


def connections(text: str) -> Flows | None:
    """What `witness connections` prints of IPVS; None without IPVS, or when it was cut."""
    return _looks(text, _of_ipvs)


def _looks(text: str, read: Callable[[str], Flow | None]) -> Flows | None:
    first, *later = text.split(f"\n{AGAIN}\n")
    count = re.search(r"^flows (\d+) odd \d+$", first, re.MULTILINE)
    if count is None:
        return None
    told, *others = (tuple(filter(None, map(read, each.splitlines()))) for each in (first, *later))
    return Flows(total=int(count[1]), told=told, later=tuple(others))


def _flow(line: str) -> Flow | None:
    pairs = _PAIR.findall(line)
    alive = _SECONDS.search(line)
    if [key for key, _ in pairs] != ["src", "dst", "sport", "dport"] * 2 or alive is None:
        return None
    values = [value for _, value in pairs]
    if not values[2].isdigit():
        return None
    return Flow(
        client=values[0],
        port=int(values[2]),
        server=values[1],
        answers_from=values[4],
        seconds=int(alive[1]),
        answered="[UNREPLIED]" not in line,
    )


def _of_ipvs(line: str) -> Flow | None:
    words = line.split()
    if len(words) != 6 or not words[2].isdigit() or not words[5].isdigit():
        return None
    return Flow(
        client=words[1],
        port=int(words[2]),
        server=words[3],
        answers_from=words[4],
        seconds=int(words[5]),
        answered=True,  # IPVS does not say
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What became of new flows since the node started, and of those of some two seconds.

    `later` is empty where there was only one look.
    """

    first: Mapping[str, int]
    later: Mapping[str, int]

    def total(self, name: str) -> int | None:
        """None where the kernel does not count it."""
        return (self.later or self.first).get(name)

    def rise(self, name: str) -> int:
        """How many came in between the two looks."""
        return self.later.get(name, 0) - self.first.get(name, 0) if self.later else 0


def counters(text: str) -> Counters:
    """What `witness counters` prints: `conntrack -S` twice, each summed over the processors."""
    first, _, later = text.partition(f"\n{AGAIN}\n")
    return Counters(first=_summed(first), later=_summed(later))


def _summed(text: str) -> Mapping[str, int]:
    found: Counter[str] = Counter()
    for line in text.splitlines():
        found.update({name: int(count) for name, count in _COUNTER.findall(line) if name != "cpu"})
    return found
