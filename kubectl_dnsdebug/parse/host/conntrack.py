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


def counters(text: str) -> Mapping[str, int]:
    """`conntrack -S`, summed over the processors."""
    found: Counter[str] = Counter()
    for line in text.splitlines():
        found.update({name: int(count) for name, count in _COUNTER.findall(line) if name != "cpu"})
    return found
