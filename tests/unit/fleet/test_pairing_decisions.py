"""Pairing as a machine: every button or nothing, nothing without an order, and a word that helps at every refusal."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.pairing import decide
from fleet.pairing.model import ROOMS, USUAL_ROOMS, Answer, Facts, Pairing, Proof, Running, Step

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
S = timedelta(seconds=1)
NEW, OLD = 10, 7
GOOD = Facts(
    recipient=5, digits="47", same_municipality=True, registered="active", life="in_stock", meant_for=None, had_by=None,
    has=None, unit_pairing=None, recipient_pairing=None,
)  # fmt: skip
BUSY = Running(3, "person:4", NOW)


def pairing(
    rooms: tuple[str, ...] = USUAL_ROOMS, inputs: tuple[int, ...] = (0, 1, 2), old: int | None = OLD
) -> Pairing:
    return Pairing(1, NEW, decide.plan(NEW, "social", inputs, rooms, old))


def proof(step: Step, seq: int, at: datetime) -> Proof:
    return Proof(step.unit, step.input, 1, seq, at, at + 2 * S)


def go(found: Pairing, until: int | None = None) -> Pairing:
    """Everything is answered and pressed at once, up to this place."""
    at, seq, number = NOW, 0, 100
    proofs: list[Proof] = []
    while (place := found.step) is not None and place != until:
        found, orders = decide.advance(found, proofs, {}, at)
        if not orders:
            continue
        number, seq, at = number + 1, seq + 1, at + 5 * S
        found = found.with_step(orders[0].place, number=number)
        proofs.append(proof(found.steps[orders[0].place], seq, at))
    return found


def test_the_plan_covers_old_unit_place_rooms_and_every_button() -> None:
    assert [(s.kind, s.unit, s.input, s.room) for s in pairing().steps] == [
        ("old", OLD, 0, None), ("button", NEW, 0, None), ("room", NEW, 1, "hallway"), ("room", NEW, 2, "bathroom"),
        ("room", NEW, 1, "bedroom"),
    ]  # fmt: skip
    worn = decide.plan(NEW, "personal", (0,), ("hallway", "kitchen"), None)
    assert [(s.kind, s.input, s.room) for s in worn] == [("room", 0, "hallway"), ("room", 0, "kitchen")]
    alone = decide.plan(NEW, "social", (0,), USUAL_ROOMS, None)
    assert [(s.kind, s.input) for s in alone] == [("button", 0)]


@given(
    st.sampled_from(["social", "personal", "tracker", "camera", "technical"]),
    st.frozensets(st.integers(0, 9), min_size=1),
    st.lists(st.sampled_from(ROOMS), unique=True, max_size=decide.MOST_ROOMS),
    st.booleans(),
)
def test_whatever_the_plan_is_every_button_is_in_it(
    unit_type: str, inputs: frozenset[int], rooms: list[str], has_old: bool
) -> None:
    steps = decide.plan(NEW, unit_type, inputs, rooms, OLD if has_old else None)
    assert {s.input for s in steps if s.unit == NEW} == inputs
    found = Pairing(1, NEW, steps)
    for left in range(len(steps)):
        assert not decide.done(go(found, left), inputs)
    assert decide.done(go(found), inputs)
    assert not decide.done(go(found), inputs | {99}), "a button that was registered meanwhile"


def test_rooms_are_codes_and_few() -> None:
    for rooms in (("hallway", "hallway"), ("Annas sovrum",), ROOMS[:9]):
        with pytest.raises(ValueError, match="rooms"):
            decide.plan(NEW, "social", (0, 1), rooms, None)


@given(st.data())
def test_no_press_counts_without_its_own_order(data: st.DataObject) -> None:
    """Presses at any time, of any unit and button, in any number: a step is proven only by one after its order."""
    found, at = pairing(), NOW
    proofs: list[Proof] = []
    for seq in range(data.draw(st.integers(0, 25))):
        at += data.draw(st.integers(0, 200)) * S
        unit, number = data.draw(st.sampled_from([NEW, OLD, 99])), data.draw(st.integers(0, 3))
        if data.draw(st.booleans()):
            proofs.append(Proof(unit, number, 1, seq, at, at))
        answers = {one.number: Answer(0, at) for one in found.steps if one.number and data.draw(st.booleans())}
        act = data.draw(st.sampled_from(["tick", "tick", "again", "moved"]))
        found = {"again": decide.again, "moved": decide.moved, "tick": lambda p: p}[act](found)
        found, orders = decide.advance(found, proofs, answers, at)
        for one in orders:
            found = found.with_step(one.place, number=1000 + seq)
        assert decide.advance(found, proofs, answers, at)[1] == ()
        counted = [one.proof for one in found.steps if one.proof is not None]
        assert len({(p.unit, p.boot, p.seq) for p in counted}) == len(counted), "a press proves one step"
        for step in found.steps:
            assert (step.state == "proven") == (step.proof is not None)
            if step.proof is not None:
                assert step.ordered_at is not None and step.proof.received_at > step.ordered_at
                assert (step.proof.unit, step.proof.input) == (step.unit, step.input)


def test_an_order_that_is_not_taken_and_a_button_that_nobody_pressed_say_so() -> None:
    found, orders = decide.advance(pairing(old=None), [], {}, NOW)
    assert [(one.unit, one.input) for one in orders] == [(NEW, 0)]
    found = found.with_step(0, number=1)
    unheard, _ = decide.advance(found, [], {}, NOW + decide.ORDER_FOR)
    assert (unheard.steps[0].state, unheard.steps[0].why) == ("failed", "not_heard")
    refused, _ = decide.advance(found, [], {1: Answer(2, NOW)}, NOW + S)
    assert (refused.steps[0].state, refused.steps[0].why) == ("failed", "refused")
    ready, _ = decide.advance(found, [], {1: Answer(0, NOW + S)}, NOW + S)
    assert ready.steps[0].state == "ready"
    silent, more = decide.advance(ready, [], {}, NOW + S + decide.PRESS_FOR)
    assert (silent.steps[0].state, silent.steps[0].why, more) == ("failed", "no_press", ())
    late, more = decide.advance(silent, [proof(silent.steps[0], 1, NOW + 100 * S)], {}, NOW + 102 * S)
    assert late.steps[0].state == "proven", "the unit's own window is longer"
    assert [(one.place, one.input) for one in more] == [(1, 1)]
    assert decide.again(silent).steps[0].state == "waiting"


def test_a_move_asks_for_the_rooms_anew_and_for_nothing_else() -> None:
    found = decide.moved(go(pairing(), 4))
    assert [s.state for s in found.steps] == ["proven", "proven", "waiting", "waiting", "waiting"]
    assert decide.done(go(pairing()), (0, 1, 2)) and not decide.done(decide.moved(go(pairing())), (0, 1, 2))


def test_an_old_unit_that_is_broken_is_left_out_with_a_reason_and_the_new_one_never_is() -> None:
    found = decide.leave_out_old(pairing(), "broken")
    assert (found.steps[0].state, found.steps[0].left_out, found.step) == ("left_out", "broken", 1)
    assert decide.done(go(found), (0, 1, 2))
    for other in (found, pairing(old=None)):
        with pytest.raises(ValueError, match="old unit"):
            decide.leave_out_old(other, "lost")
    nothing = Pairing(1, NEW, (replace(found.steps[0]),))
    assert not decide.done(nothing, ()), "left out is no proof"


def test_a_button_that_is_registered_meanwhile_is_asked_for() -> None:
    assert [one.input for one in decide.missing(pairing(inputs=(0, 1)), (0, 1, 2, 3))] == [2, 3]


@pytest.mark.parametrize(
    ("change", "digits", "code"),
    [
        ({}, "47", None),
        ({}, "48", "wrong_digits"),
        ({}, "", "wrong_digits"),
        ({"same_municipality": False}, "47", "other_municipality"),
        ({"registered": "revoked"}, "47", "revoked"),
        ({"unit_pairing": BUSY}, "47", "unit_busy"),
        ({"recipient_pairing": BUSY}, "47", "recipient_busy"),
        ({"life": "active", "had_by": 5}, "47", "paired_already"),
        ({"life": "absent", "had_by": 6}, "47", "had_by_another"),
        ({"life": "assigned", "meant_for": 6}, "47", "meant_for_another"),
        ({"life": "assigned", "meant_for": 5}, "47", None),
        ({"life": "made"}, "47", "not_ready"),
        ({"life": "returned"}, "47", "not_ready"),
        ({"life": "retired"}, "47", "not_ready"),
        ({"life": "active", "registered": "revoked"}, "48", "wrong_digits"),
    ],
)
def test_who_may_begin(change: dict[str, object], digits: str, code: str | None) -> None:
    found = decide.begin(replace(GOOD, **change), digits)  # type: ignore[arg-type]
    assert (None if found is None else found.code) == code
    if found is not None:
        assert ": " in found.sentence, "a refusal says what to do"


def test_a_proof_is_named_by_its_presses_and_the_fee_by_local_clocks() -> None:
    one, other = go(pairing()), go(pairing(rooms=("kitchen",)))
    assert decide.proof_id(one).startswith("P-1-") and decide.proof_id(one) == decide.proof_id(go(pairing()))
    assert decide.proof_id(one) != decide.proof_id(other)
    late = datetime(2027, 3, 1, 23, 30, tzinfo=UTC)
    assert decide.fee_from(late, ZoneInfo("Europe/Stockholm")).isoformat() == "2027-03-02"
