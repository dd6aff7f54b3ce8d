"""How well one server could be reached from one place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import comb

from kubectl_dnsdebug.model import Answer, Status, Transport

# Questions lost without one answer that tell a dead way from a lossy one. A bad link loses every
# third packet: then two of two are lost once in nine runs, three of three once in 27, five of five
# once in 243; and a run that calls itself certain must be right oftener than that of a hundred.
PROOF = 5
# A difference that a network which loses packets of everybody shows more often than so is none.
CHANCE = 0.02


@dataclass(frozen=True, slots=True)
class Reach:
    """How often one server was asked from one place, and what came back."""

    server: str
    transport: Transport
    answers: tuple[Answer, ...]

    @property
    def asked(self) -> int:
        return len(self.answers)

    @property
    def answered(self) -> int:
        return sum(a.status.is_answer for a in self.answers)

    @property
    def silent(self) -> int:
        return sum(a.status.is_silence for a in self.answers)

    @property
    def dead(self) -> bool:
        """Asked, and never an answer."""
        return self.silent > 0 and self.answered == 0

    @property
    def flaky(self) -> bool:
        """Some questions answered, some not."""
        return self.silent > 0 and self.answered > 0

    @property
    def fine(self) -> bool:
        return self.answered > 0 and self.silent == 0

    def count(self, *statuses: Status) -> int:
        return sum(a.status in statuses for a in self.answers)

    def saw(self, *statuses: Status) -> bool:
        return self.count(*statuses) > 0

    @property
    def ids(self) -> tuple[str, ...]:
        """The failures first: they prove more."""
        return tuple(a.id for a in sorted(self.answers, key=lambda a: a.status.is_answer))

    @property
    def summary(self) -> str:
        """Such as `3 of 8 answered (5 timeout)`."""
        bad = [a.status.value for a in self.answers if a.status.is_silence]
        kinds = ", ".join(f"{bad.count(kind)} {kind}" for kind in sorted(set(bad)))
        return f"{self.answered} of {self.asked} answered" + (f" ({kinds})" if kinds else "")


def proves_silence(reaches: Iterable[Reach]) -> bool:
    """Whether so many questions were lost, and none answered, that no lossy way explains it.

    A refusal comes from a host, not from a lost packet: one is enough, with no answer beside it.
    """
    told = list(reaches)
    if any(reach.answered for reach in told):
        return False
    refused = any(reach.saw(Status.CONNECTION_REFUSED) for reach in told)
    return refused or sum(reach.silent for reach in told) >= PROOF


def differ(lossy: Iterable[Reach], sound: Iterable[Reach]) -> bool:
    """Whether the first lose so many more than the second that it is no chance."""
    worse, better = list(lossy), list(sound)
    asked, beside = (sum(reach.asked for reach in each) for each in (worse, better))
    lost, others = (sum(reach.silent for reach in each) for each in (worse, better))
    return no_chance(lost, asked, others, beside)


def no_chance(lost: int, asked: int, others_lost: int, others_asked: int) -> bool:
    """Whether so many of these questions were lost and so few of the others that it is no chance:
    were losses dealt to all alike, so many would hit these less than once in fifty runs."""
    of_all = lost + others_lost
    ways = comb(asked + others_asked, of_all)
    hits = range(lost, min(of_all, asked) + 1)
    dealt = sum(comb(asked, n) * comb(others_asked, of_all - n) for n in hits)
    return lost > 0 and dealt < CHANCE * ways


def fits(reaches: Iterable[Reach], share: float) -> bool:
    """Whether so many of the questions were lost as when each is with that probability, or the
    difference is chance."""
    told = list(reaches)
    asked, lost = sum(r.asked for r in told), sum(r.silent for r in told)

    def odds(counts: Iterable[int]) -> float:
        return sum(comb(asked, n) * share**n * (1 - share) ** (asked - n) for n in counts)

    return min(odds(range(lost + 1)), odds(range(lost, asked + 1))) >= CHANCE / 2
