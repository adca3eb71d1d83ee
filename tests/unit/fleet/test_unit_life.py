"""A unit's life: only the drawn moves, one way into active, nobody stranded, person data gone before re-use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.registry.life import (
    EVENTS,
    PERSON_FREE,
    RELIED_ON,
    STATES,
    Event,
    Life,
    Moved,
    Refused,
    move,
    overdue,
)

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def go(life: Life, event: Event, now: datetime = NOW) -> Moved | Refused:
    return move(life, event, now, until=now + DAY if event == "leave" else None)


def walk(events: list[Event]) -> list[tuple[Life, Event, Moved]]:
    """The moves that were made; refused ones change nothing."""
    life, made = Life("made"), []
    for event in events:
        found = go(life, event)
        if isinstance(found, Moved):
            made.append((life, event, found))
            life = found.life
    return made


def test_a_whole_life() -> None:
    events: list[Event] = [
        "receive", "assign", "pair", "prove", "leave", "come_back", "replace", "return", "clean", "restock", "pair",
        "abandon", "retire",
    ]  # fmt: skip
    assert [found.life.state for _, _, found in walk(events)] == [
        "in_stock", "assigned", "pairing", "active", "absent", "active", "replaced", "returned", "cleaned", "in_stock",
        "pairing", "in_stock", "retired",
    ]  # fmt: skip


@given(st.lists(st.sampled_from(EVENTS), max_size=60))
def test_active_is_reached_by_a_proof_alone_and_re_use_only_over_a_wipe(events: list[Event]) -> None:
    holds_person = False
    for before, event, found in walk(events):
        assert found.life.state in STATES
        if found.life.state == "active" and before.state not in RELIED_ON:
            assert (before.state, event) == ("pairing", "prove")
        if found.life.state in RELIED_ON:
            holds_person = True
        if found.wipe:
            holds_person = False
        if found.life.state in PERSON_FREE and before.state != "pairing":
            assert not holds_person, f"{before.state} {event}"
        assert found.revoke == (found.life.state == "retired")
        assert (found.life.until is not None) == (found.life.state == "absent")
    if events and walk(events) and walk(events)[-1][2].life.state == "retired":
        assert all(isinstance(go(Life("retired"), event), Refused) for event in EVENTS)


@given(st.sampled_from(STATES), st.sampled_from(EVENTS))
def test_a_refusal_says_what_to_do(state: str, event: Event) -> None:
    found = go(Life(state), event)  # type: ignore[arg-type]
    if isinstance(found, Refused):
        assert ": " in found.reason and len(found.reason) > 30


@pytest.mark.parametrize("state", sorted(RELIED_ON))
def test_nobody_who_relies_on_a_unit_loses_it_by_a_clerk(state: str) -> None:
    for event in ("retire", "clean", "unassign", "assign", "pair", "restock"):
        assert isinstance(go(Life(state), event), Refused)  # type: ignore[arg-type]


def test_an_absence_has_an_end_and_ends_by_the_clock() -> None:
    for until in (None, NOW, NOW - DAY):
        assert isinstance(move(Life("active"), "leave", NOW, until=until), Refused)
    found = move(Life("active"), "leave", NOW, until=NOW + DAY)
    assert isinstance(found, Moved)
    assert not overdue(found.life, NOW + DAY / 2) and overdue(found.life, NOW + DAY)
    assert not overdue(Life("active"), NOW)


def test_a_pairing_that_is_given_up_leaves_the_unit_where_it_was() -> None:
    for events, back in (
        (["receive", "pair", "abandon"], "in_stock"),
        (["receive", "assign", "pair", "abandon"], "assigned"),
    ):
        assert walk(events)[-1][2].life.state == back  # type: ignore[arg-type]
