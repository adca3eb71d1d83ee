"""The verdict of A5 on a contact that closes more often in one run than a message can tell."""

import pytest

from sim.scenarios.a5_judge import MOST_TOLD, _counted, _least_counted
from sim.scenarios.evidence import Stored


def told(*counts):
    return [Stored(float(place), 1, 1, place, 1, 0, count) for place, count in enumerate(counts)]


@pytest.mark.parametrize(
    ("counts", "presses"),
    [
        ((1, 4, 7), 7),
        ((1, 4, 1, 2), 6),
        ((1, 1, 1), 3),
        ((1, 240, 255, 255, 255), 255),
        ((250, 255, 255, 3, 9), 264),
    ],
)
def test_what_the_counts_of_messages_amount_to(counts, presses):
    assert _counted(told(*counts)) == presses


def test_of_a_longer_run_only_what_can_be_told_is_wanted():
    every_two_minutes = [120.0 * number for number in range(311)]
    assert _least_counted(every_two_minutes) == MOST_TOLD
    broken = [*every_two_minutes[:200], *(at + 600 for at in every_two_minutes[200:])]
    assert _least_counted(broken) == 311, "two runs are told whole"
    assert _least_counted([]) == 0
