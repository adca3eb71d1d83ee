"""What an ordered drill has come to, by the clock and by the proof of its button."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.technicians.decide import DRILL_ANSWER, DRILL_PRESS, drill_due, drill_outcome
from fleet.technicians.model import DrillOrder, DrillOutcome

AT = datetime(2027, 3, 1, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def order(*, expires: int | None = 15, answered: int | None = None, result: int | None = None) -> DrillOrder:
    return DrillOrder(
        7, 0, AT, None if expires is None else AT + expires * MINUTE,
        None if answered is None else AT + answered * MINUTE, result,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given_order", "due", "why"),
    [
        (order(), AT + 15 * MINUTE, "the unit did not answer"),
        (order(expires=None), AT + DRILL_ANSWER, "the unit did not answer"),
        (order(answered=3, result=0), AT + 3 * MINUTE + DRILL_PRESS, "no test came"),
        (order(answered=14, result=0), AT + 14 * MINUTE + DRILL_PRESS, "no test came"),
        (order(answered=3, result=2), AT + 3 * MINUTE, "the unit did not take the order"),
    ],
)
def test_when_it_is_due_and_why_it_was_missed(given_order: DrillOrder, due: datetime, why: str) -> None:
    assert drill_due(given_order) == due
    assert drill_outcome(given_order, False, due - timedelta(microseconds=1)) is None
    assert drill_outcome(given_order, False, due) == DrillOutcome(False, why)


minutes = st.integers(0, 3000)


@given(expires=st.none() | minutes, answered=st.none() | minutes, result=st.integers(0, 255), at=minutes)
def test_a_proof_is_the_last_word_and_a_missed_drill_stays_missed(
    expires: int | None, answered: int | None, result: int, at: int
) -> None:
    given_order = order(expires=expires, answered=answered, result=None if answered is None else result)
    assert drill_outcome(given_order, True, AT + at * MINUTE) == DrillOutcome(True)
    now, later = (drill_outcome(given_order, False, AT + (at + more) * MINUTE) for more in (0, 500))
    assert now is None or now == later
    assert drill_outcome(given_order, False, AT + 10_000 * MINUTE) is not None
