"""Quiet days and dead units, in small (the whole: `python -m bench.quiet`)."""

from __future__ import annotations

import pytest

from bench.quiet import DAY_S, START_S, Quiet, dead
from fleet.supervision import decide


def test_told_ahead_is_told_the_same() -> None:
    """The fast way of the bench gives the same steps as telling the watch of every heartbeat."""
    fast, plain = (Quiet(150, 300, 3, plain=plain) for plain in (False, True))
    for fleet in (fast, plain):
        fleet.run(START_S + DAY_S // 4)
    assert fast.steps and fast.steps == plain.steps
    assert fast.told == plain.told and fast.incidents == plain.incidents and fast.beats == plain.beats


def test_a_lost_heartbeat_of_a_unit_that_beats_too_seldom_is_no_ticket() -> None:
    fleet = Quiet(500, 300, 1)
    fleet.run(START_S + DAY_S // 2)
    assert not fleet.told and not fleet.incidents and fleet.steps


def test_judged_after_one_heartbeat_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    monkeypatch.setattr(decide, "MISSED", 1)
    fleet = Quiet(500, 300, 1)
    fleet.run(START_S + DAY_S // 2)
    assert fleet.told


def test_a_dead_unit_is_told_in_time() -> None:
    for unit_type in ("social", "personal"):
        found = dead(2, unit_type, 1)
        assert found["told"] == 2 and found["longest_s"] <= found["limit_s"], found
