"""One node's turn in a sweep: its pods, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from kubectl_dnsdebug.model import Fact, Missing, Role, State
from kubectl_dnsdebug.parse import summary
from kubectl_dnsdebug.plan.node_spots import FIRST_WAVE
from kubectl_dnsdebug.plan.spots import Spot


@dataclass(kw_only=True)
class Visit:
    """`open` are the roles of which nothing is known for good, `running` those whose container has
    started. Times are monotonic seconds."""

    node: str
    number: int
    until: float  # when it is given up
    ask_at: float = 0.0  # when the events are asked why nothing starts,
    pause: float = 0.0  # and the pause before they were
    born: float = 0.0  # when its pods were made
    taken: bool = False  # whether the kubelet knows of them
    checked: bool = False  # whether its pods are being read before it is given up
    second: bool = False  # whether the second wave is on its way
    hopeless: bool = False  # nothing else would start either
    spots: dict[Role, Spot] = field(default_factory=dict)
    open: set[Role] = field(default_factory=set)
    running: set[Role] = field(default_factory=set)
    told: dict[Role, str] = field(default_factory=dict)
    failures: dict[Role, str] = field(default_factory=dict)
    last_seen: dict[Role, str] = field(default_factory=dict)

    @property
    def wants_more(self) -> bool:
        """Whether the second wave may tell what the first one did not."""
        if self.second or self.hopeless:
            return False
        try:
            ill = any(role in FIRST_WAVE for role in self.failures)
            return ill or not all(map(_well, self.told.values()))
        except Missing:
            return True

    @property
    def fact(self) -> Fact:
        """`swept/NODE`: what each role told, and why others told nothing."""
        data = {
            "summaries": {role.value: text for role, text in self.told.items()},
            "failures": {role.value: why for role, why in self.failures.items()},
        }
        return Fact(id=f"swept/{self.node}", state=State.GOT, data=data)


def _well(text: str) -> bool:
    return summary.read(text).well
