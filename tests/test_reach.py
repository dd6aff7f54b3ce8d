"""How many lost questions prove what."""

from __future__ import annotations

import pytest

from kubectl_dnsdebug.model import Answer, Status, Transport
from kubectl_dnsdebug.observe.reach import PROOF, Reach, differ, fits, proves_silence

TIMEOUT, OK, REFUSED = Status.TIMEOUT, Status.NOERROR, Status.CONNECTION_REFUSED


def reach(*statuses: Status) -> Reach:
    return Reach(
        "10.0.0.1",
        Transport.UDP,
        tuple(
            Answer(
                id=f"v#{n}", vantage="v", tool="dig", server="10.0.0.1", port=53,
                transport=Transport.UDP, name="a.", type="A", status=status,
            )
            for n, status in enumerate(statuses)
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("reaches", "proven"),
    [
        ([reach(TIMEOUT, TIMEOUT)], False),
        ([reach(TIMEOUT, TIMEOUT, TIMEOUT), reach(TIMEOUT)], False),
        ([reach(*[TIMEOUT] * PROOF)], True),
        ([reach(*[TIMEOUT] * 3), reach(TIMEOUT, TIMEOUT)], True),
        ([reach(*[TIMEOUT] * 9), reach(OK)], False),
        ([reach(REFUSED)], True),
        ([reach(REFUSED, OK)], False),
        ([], False),
    ],
)
def test_silence_is_proven_by_enough_of_it(reaches: list[Reach], proven: bool) -> None:
    assert proves_silence(reaches) is proven


def test_a_bad_link_would_pass_for_a_dead_one_less_than_once_in_a_hundred_runs() -> None:
    assert (1 / 3) ** PROOF < 0.01 < (1 / 3) ** (PROOF - 1)


@pytest.mark.parametrize(
    ("lossy", "sound", "told"),
    [
        ([TIMEOUT] * 2 + [OK] * 16, [OK] * 14, False),
        ([TIMEOUT] * 9 + [OK] * 9, [OK] * 14, True),
        ([TIMEOUT] * 9 + [OK] * 9, [TIMEOUT] * 6 + [OK] * 8, False),
        ([OK] * 9, [OK] * 9, False),
        ([TIMEOUT] * 9, [], False),
        ([], [], False),
    ],
)
def test_a_difference_is_more_than_chance(
    lossy: list[Status], sound: list[Status], told: bool
) -> None:
    assert differ([reach(*lossy)], [reach(*sound)]) is told


@pytest.mark.parametrize(
    ("lost", "share", "fit"),
    [(9, 1 / 2, True), (5, 1 / 3, True), (14, 1 / 3, False), (2, 1 / 2, False), (18, 1, True)],
)
def test_losses_fit_the_share_that_must_be_lost(lost: int, share: float, fit: bool) -> None:
    assert fits([reach(*[TIMEOUT] * lost, *[OK] * (18 - lost))], share) is fit
