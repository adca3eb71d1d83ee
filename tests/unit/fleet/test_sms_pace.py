"""Receipts by SMS: never more than the minute allows, nothing newest is lost, and every size is bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fleet.ingest.sms_pace import MINUTE_S, MOST_ITEMS, MOST_PRESSES, REMEMBERED_S, Pace, Route

ROUTE = Route("one", "+46700000001")


def test_the_first_receipt_goes_at_once_and_later_ones_are_joined() -> None:
    pace = Pace(most=2)
    pace.heard(7, ROUTE, 0)
    pace.answer(7, [(1, 1, 1)])
    assert [one.items for one in pace.due(0)] == [[(1, 1, 1)]]
    pace.grown(7, [(1, 1, 2)])
    assert [one.items for one in pace.due(1)] == [[(1, 1, 2)]]
    pace.answer(7, [(1, 2, 1)])
    pace.grown(7, [(1, 1, 3), (1, 2, 2)])
    assert pace.due(2) == [] and pace.next_wakeup(2) == MINUTE_S
    assert [sorted(one.items) for one in pace.due(MINUTE_S)] == [[(1, 1, 3), (1, 2, 2)]]
    assert pace.next_wakeup(MINUTE_S) is None


def test_what_was_told_is_told_again_only_to_a_unit_that_asks() -> None:
    pace = Pace(most=9)
    pace.heard(7, ROUTE, 0)
    pace.answer(7, [(1, 1, 2)])
    pace.due(0)
    pace.grown(7, [(1, 1, 1), (1, 1, 2)])
    assert pace.due(1) == []
    pace.answer(7, [(1, 1, 2)])
    assert [one.items for one in pace.due(2)] == [[(1, 1, 2)]]


def test_a_unit_is_forgotten_and_strangers_have_no_room_without_end() -> None:
    pace = Pace(units=3)
    for unit in range(10):
        pace.heard(unit, ROUTE, 0)
    assert [unit for unit in range(10) if pace.knows(unit, 1)] == [7, 8, 9]
    pace.answer(1, [(1, 1, 1)])
    assert pace.due(1) == [], "never heard by SMS, or forgotten: nothing to send to"
    pace.answer(9, [(1, 1, 1)])
    assert not pace.knows(9, REMEMBERED_S) and pace.due(REMEMBERED_S) == []


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["heard", "answer", "grown", "due", "wait"]), st.integers(1, 3), st.integers(1, 60),
        st.integers(1, 3), st.floats(0, 100),
    ),
    max_size=120,
)  # fmt: skip


@given(STEPS, st.integers(1, 4))
def test_the_minute_holds_and_the_newest_stage_is_told(
    steps: list[tuple[str, int, int, int, float]], most: int
) -> None:
    pace, now = Pace(most=most), 0.0
    sent: dict[int, list[float]] = {}
    wanted: dict[tuple[int, int], int] = {}
    told: dict[tuple[int, int], int] = {}

    def carry_out() -> None:
        for one in pace.due(now):
            sent.setdefault(one.unit, []).append(now)
            assert 1 <= len(one.items) <= MOST_ITEMS
            for _, seq, stage in one.items:
                told[one.unit, seq] = max(stage, told.get((one.unit, seq), 0))

    for what, unit, seq, stage, seconds in steps:
        if what == "heard":
            pace.heard(unit, ROUTE, now)
        elif what == "wait":
            now += seconds
        elif what == "due":
            carry_out()
        else:
            getattr(pace, what)(unit, [(1, seq, stage)])
            if pace.knows(unit, now):
                wanted[unit, seq] = max(stage, wanted.get((unit, seq), 0))
    for unit in list(sent):
        times = sent[unit]
        assert all(later - early >= MINUTE_S for early, later in zip(times, times[most:], strict=False))
    known = [unit for unit in (1, 2, 3) if pace.knows(unit, now)]
    for _ in range(MOST_PRESSES):
        due = pace.next_wakeup(now)
        if due is None:
            break
        now = max(now, due)
        for unit in known:
            pace.heard(unit, ROUTE, now)  # it goes on trying
        carry_out()
    assert pace.next_wakeup(now) is None
    for unit in known:
        newest = {key: stage for key, stage in wanted.items() if key[0] == unit}
        if len(newest) <= MOST_PRESSES and all(seq for _, seq in newest):
            missing = {key for key, stage in newest.items() if told.get(key, 0) < stage}
            assert not missing
