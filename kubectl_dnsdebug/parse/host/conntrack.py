"""The node's table of flows: where a question went, and from where its answer is awaited."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

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

    `later` is a second look at the odd ones.
    """

    total: int
    told: tuple[Flow, ...]
    later: tuple[Flow, ...]

    def in_use(self, flow: Flow) -> bool:
        """Whether a packet renewed it between the two looks, some two seconds apart."""
        return any(
            each.key == flow.key
            and each.answers_from == flow.answers_from
            and each.seconds >= flow.seconds - 1
            for each in self.later
        )


def flows(text: str) -> Flows | None:
    """What `witness flows` prints; None when that was cut before its end."""
    first, _, second = text.partition(f"\n{AGAIN}\n")
    count = re.search(r"^flows (\d+) odd \d+$", first, re.MULTILINE)
    if count is None:
        return None
    return Flows(total=int(count[1]), told=_read(first), later=_read(second))


def _read(text: str) -> tuple[Flow, ...]:
    return tuple(filter(None, map(_flow, text.splitlines())))


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


def connections(text: str) -> Flows | None:
    """What `witness connections` prints of IPVS; None without IPVS, or when it was cut."""
    first, _, second = text.partition(f"\n{AGAIN}\n")
    count = re.search(r"^flows (\d+) odd \d+$", first, re.MULTILINE)
    if count is None:
        return None
    return Flows(total=int(count[1]), told=_of_ipvs(first), later=_of_ipvs(second))


def _of_ipvs(text: str) -> tuple[Flow, ...]:
    found = (line.split() for line in text.splitlines())
    return tuple(
        Flow(
            client=words[1],
            port=int(words[2]),
            server=words[3],
            answers_from=words[4],
            seconds=int(words[5]),
            answered=True,  # IPVS does not say
        )
        for words in found
        if len(words) == 6 and words[2].isdigit() and words[5].isdigit()
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
