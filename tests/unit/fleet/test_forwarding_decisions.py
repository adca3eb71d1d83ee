"""The pure decisions of forwarding and routines, as properties."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.escalation.decide import applies, repeat_after, timer_after, turn, waits
from fleet.escalation.model import Timer, Waiting
from fleet.forwarding.decide import compare, step, turned_unfit
from fleet.forwarding.message import Notice, text_of
from fleet.forwarding.model import Health, Policy, Sign, State
from fleet.routines.decide import (
    DEFAULT_STEPS,
    check_steps,
    choose,
    holders,
    minute_of_week,
    next_due,
    offsets,
    within,
)
from fleet.routines.document import weeks
from fleet.routines.model import Holding, Recipient, Routine, Step, Subject, Window

START = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
POLICY = Policy()
GOOD_SIGNS = (Sign.DELIVERED, Sign.PROBE_ANSWERED)
signs = st.lists(st.tuples(st.sampled_from(Sign), st.floats(0, 120)), max_size=60)


def history(seen: list[tuple[Sign, float]]) -> list[tuple[Sign, Health, Health, datetime]]:
    at, health = START, Health(State.GOOD, START, START)
    found = []
    for sign, seconds in seen:
        at += timedelta(seconds=seconds)
        after = step(health, sign, at, POLICY)
        found.append((sign, health, after, at))
        health = after
    return found


@given(signs)
def test_a_centre_that_was_down_has_to_answer_ten_probes_in_a_row(seen: list[tuple[Sign, float]]) -> None:
    row = 0
    for sign, before, after, _at in history(seen):
        if sign is Sign.PROBE_ANSWERED:
            row += 1
        elif sign not in GOOD_SIGNS:
            row = 0
        if before.state in (State.DOWN, State.PROBING) and after.fit:
            assert row >= POLICY.good_probes
            assert after.state is State.FAILING_BACK


@given(signs)
def test_two_signs_of_silence_in_a_row_are_never_overlooked(seen: list[tuple[Sign, float]]) -> None:
    last_two = [Sign.DELIVERED, Sign.DELIVERED]
    for sign, _before, after, _at in history(seen):
        last_two = [last_two[1], sign]
        if not set(last_two) & set(GOOD_SIGNS):
            assert after.state is State.DOWN
        if sign not in GOOD_SIGNS:
            assert not after.fit, "after one silence new alarms go elsewhere"


@given(signs)
def test_it_is_always_probed_again_within_the_interval(seen: list[tuple[Sign, float]]) -> None:
    for _sign, before, after, at in history(seen):
        assert after.probe_at <= at + timedelta(seconds=POLICY.probe_s)
        if after.state is State.DOUBTED:
            assert after.probe_at == at, "a doubt is settled at once"
        if after.state is not before.state:
            assert after.since == at
        assert turned_unfit(before, after) == (before.fit and not after.fit)


@pytest.mark.parametrize("sign", [Sign.PROBE_ANSWERED, Sign.PROBE_UNANSWERED])
@pytest.mark.parametrize("state", [State.GOOD, State.DOWN, State.PROBING, State.FAILING_BACK])
def test_how_long_a_probe_waited_puts_the_next_one_off_by_nothing(state: State, sign: Sign) -> None:
    due = START + timedelta(seconds=POLICY.probe_s)  # as whoever claimed the probe has written it at START
    health = Health(state, START - timedelta(hours=1), due, good_probes=3, doubts=1, doubted_at=START)
    assert step(health, sign, START + timedelta(seconds=4), POLICY).probe_at == due
    late = due + timedelta(seconds=1)
    assert step(health, sign, late, POLICY).probe_at == late + timedelta(seconds=POLICY.probe_s)


@given(signs)
def test_one_answer_settles_a_doubt_and_a_trial(seen: list[tuple[Sign, float]]) -> None:
    for sign, before, after, _at in history(seen):
        if before.state in (State.DOUBTED, State.FAILING_BACK) and sign in GOOD_SIGNS:
            assert after.state is State.GOOD


def test_a_second_doubt_in_a_while_is_none() -> None:
    doubted = step(Health(State.GOOD, START, START), Sign.ALARM_UNANSWERED, START, POLICY)
    cleared = step(doubted, Sign.PROBE_ANSWERED, START + timedelta(seconds=1), POLICY)
    soon, late = START + timedelta(seconds=300), START + timedelta(seconds=700)
    assert step(cleared, Sign.ALARM_UNANSWERED, soon, POLICY).state is State.DOWN
    assert step(cleared, Sign.ALARM_UNANSWERED, late, POLICY).state is State.DOUBTED


references = st.sets(st.sampled_from([f"0000000{n}-1-1" for n in range(8)]))


@given(references, references, references)
def test_reconciliation_accounts_for_every_reference(stored: set[str], in_a: set[str], in_b: set[str]) -> None:
    believed = {reference: (["A"] if reference in in_a else []) for reference in stored}
    found = compare(believed, {"A": sorted(in_a), "B": sorted(in_b)})
    assert set(found.lost) == stored - in_a - in_b
    assert set(found.unknown) == (in_a | in_b) - stored
    assert set(found.both) == in_a & in_b
    assert set(found.unnoticed) == stored & in_b
    assert found.unproven == ()
    assert found.agrees == (not found.lost and not found.unknown)


def test_a_reference_twice_at_one_centre_is_doubled() -> None:
    assert compare({"x": ["A"]}, {"A": ["x", "x"]}).doubled == ("x",)
    assert compare({"x": ["A"]}, {"A": []}).unproven == ("x",)


# Routines ------------------------------------------------------------------------------------------------------


def routine(number: int, **more: object) -> Routine:
    values = {
        "municipality": 1, "name": f"r{number}", "unit_type": "any", "priority": 0, "hours": "any", "window": Window(),
        "zone": "Europe/Stockholm", "valid_from": START - timedelta(days=1), "steps": DEFAULT_STEPS, **more,
    }  # fmt: skip
    return Routine(routine=number, **values)  # type: ignore[arg-type]


def test_the_most_specific_and_newest_routine_holds() -> None:
    subject = Subject(1, "personal", 1)
    every = [
        routine(1, municipality=0, unit_type="personal", priority=1),
        routine(2),
        routine(3, unit_type="personal"),
        routine(4, unit_type="personal", valid_from=START - timedelta(hours=1)),
        routine(5, unit_type="personal", valid_from=START + timedelta(hours=1)),
        routine(6, unit_type="social", priority=1),
        routine(7, municipality=2, unit_type="personal", priority=1),
    ]
    assert choose(every, [], subject, START).name == "r4"
    assert choose([*every, routine(8, unit_type="personal", priority=1)], [], subject, START).name == "r8"
    assert choose(every, [], subject, START + timedelta(hours=2)).name == "r5"
    assert choose([], [], subject, START).name == "built in"


def test_the_built_in_chain() -> None:
    assert [after for _, after in offsets(choose([], [], Subject(1, "social", 2), START))] == [0, 60, 180]
    check_steps(DEFAULT_STEPS, ["shift_lead"])
    for wrong in (
        (),
        (Step(2, ("primary_centre",), 60, None),),
        (Step(1, ("x",), 60, None),),
        (Step(1, ("primary_centre",), 60, 4),),
        (Step(1, ("primary_centre",), 0, None),),
        (Step(1, ("primary_centre",), 60, None, ("name",)),),
    ):
        with pytest.raises(ValueError):
            check_steps(wrong, [])


@given(st.datetimes(datetime(2026, 1, 1), datetime(2029, 1, 1)), st.integers(0, 10079), st.integers(1, 10080))
def test_a_minute_of_the_week_is_in_a_window_or_in_the_rest(at: datetime, one: int, other: int) -> None:
    at = at.replace(tzinfo=UTC)
    starts, ends = min(one, other - 1), max(one + 1, other)
    minute = minute_of_week(at, "Europe/Stockholm")
    assert 0 <= minute < 10080
    assert within(Window(starts, ends), at, "Europe/Stockholm") == (starts <= minute < ends)


def test_time_of_week_follows_the_clocks_of_the_place() -> None:
    summer = datetime(2027, 3, 29, 6, 0, tzinfo=UTC)  # Monday 08:00 after the change
    assert minute_of_week(summer, "Europe/Stockholm") == 8 * 60
    assert minute_of_week(summer - timedelta(days=7), "Europe/Stockholm") == 7 * 60
    assert weeks("mon-fri 00:00-24:00") == [Window(0, 5 * 1440)]
    assert weeks("sat 22:00-24:00") == [Window(5 * 1440 + 1320, 6 * 1440)]


def holding(name: str, place: int = 1, municipality: int = 0, since: datetime = START) -> Holding:
    who = Recipient(1, name, "sms", "1", None, "sv")
    return Holding("guard", municipality, "UTC", since, Window(), place, who)


def test_a_role_has_the_holders_of_one_version() -> None:
    old, new = holding("old", since=START - timedelta(days=9)), holding("new")
    own = holding("own", municipality=1)
    later = START + timedelta(minutes=5)
    assert [h.recipient.name for h in holders([old, new], "guard", 1, START - timedelta(1), later)] == ["old"]
    assert [h.recipient.name for h in holders([old, new], "guard", 1, START, later)] == ["new"]
    assert [h.recipient.name for h in holders([old, new, own], "guard", 1, START, later)] == ["own"]
    assert holders([new], "guard", 1, START - timedelta(1), later) == []


def test_those_on_call_take_turns() -> None:
    on_call = [holding("a", 1), holding("b", 1), holding("c", 2)]
    assert [[h.recipient.name for h in turn(on_call, n)] for n in range(3)] == [["a", "b"], ["c"], ["a", "b"]]
    assert turn([], 3) == []


@given(st.integers(1, 3600), st.floats(0, 86400))
def test_lateness_does_not_add_up_and_never_comes_in_a_burst(limit: int, late: float) -> None:
    at = START + timedelta(seconds=late)
    due = next_due(START, Step(1, ("x",), limit, 1), at)
    assert due > at
    assert due <= at + timedelta(seconds=limit)
    if late < limit:
        assert due == START + timedelta(seconds=limit)


def waiting(**more: object) -> Waiting:
    values: dict[str, object] = {
        "case": 1, "municipality": 1, "unit": 1, "unit_type": "social", "priority": 2, "state": "open", "test": False,
        "opened_at": START, "accepted": True, "reports_taken": "console", "responsible_centre": 1, "routine": None,
        "routine_at": None, "started_at": START, "place": 2, "round": 1, "repeats": 0, "due_at": START, **more,
    }  # fmt: skip
    return Waiting(**values)  # type: ignore[arg-type]


def test_who_waits_for_a_person() -> None:
    assert waits(waiting())
    assert not waits(waiting(state="taken"))
    assert not waits(waiting(test=True))
    assert applies(waiting())
    assert not applies(waiting(reports_taken="none"))
    assert applies(waiting(reports_taken="none", place=1))
    assert applies(waiting(reports_taken="none", accepted=False)), "no centre has it: that is no question of a person"


def test_a_step_that_comes_again_slows_down_when_everybody_has_had_a_turn_and_never_ends() -> None:
    last = Step(3, ("shift_lead",), 300, 3)

    def minutes(places: int, times: int) -> list[int]:
        return [repeat_after(last, repeats, places) // 60 for repeats in range(times)]

    assert minutes(1, 11) == [5] * 6 + [10, 20, 40, 60, 60]
    assert minutes(3, 10) == [5] * 6 + [10] * 3 + [20]
    assert minutes(8, 17) == [5] * 8 + [10] * 8 + [20], "first everybody's turn"
    assert repeat_after(last, 10**6, 1) == 3600
    assert repeat_after(Step(3, ("x",), 7200, 3), 5, 1) == 7200, "a routine that wants it slower has it slower"
    assert repeat_after(last, 0, 0) == 300
    case = replace(waiting(place=3), repeats=7)
    assert timer_after(case, last, True, START, 1) == Timer(3, 8, START + timedelta(minutes=20))
    assert timer_after(case, last, True, START, 8) == Timer(3, 8, START + timedelta(minutes=5))
    assert timer_after(waiting(), Step(2, ("x",), 60, 3), True, START, 1).due_at == START + timedelta(seconds=60)


def test_the_timer_after_a_step() -> None:
    last = Step(3, ("x",), 300, 3)
    assert timer_after(waiting(place=3), last, True, START).due_at == START + timedelta(seconds=300)
    assert timer_after(waiting(place=3), last, False, START).due_at == START + timedelta(seconds=300)
    assert timer_after(waiting(), Step(2, ("x",), 60, 3), False, START).due_at == START
    assert timer_after(waiting(), Step(2, ("x",), 60, None), True, START).due_at is None


@pytest.mark.parametrize("language", ["sv", "en"])
def test_a_message_says_what_the_routine_allows_and_no_more(language: str) -> None:
    notice = Notice(1, 7, 1, "sms", "x", "1", language, ("unit", "time"), "Europe/Stockholm", 1, 42, 2, START, "Osby")
    text = text_of(notice)
    assert "0000002a" in text
    assert "Osby" not in text
    assert "7" not in text
    assert "10" in text
