"""Pairing as a pure machine: whether it may begin, what is asked for next, what counts as proof, when it is done.

It never makes a live alarm a test: a press counts only if the unit itself sent it as a test, in the window that an
order of this pairing has opened, and a centre has answered it. Whatever is in doubt stays what it was, and the pairing
waits.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta, tzinfo

from fleet.pairing.model import (
    ROOMS,
    Answer,
    Facts,
    LeftOut,
    Order,
    Pairing,
    Proof,
    Refused,
    Step,
)

ORDER_FOR = timedelta(seconds=90)
"""An order that a unit has not taken by then is not sent any more: nobody stands there and waits."""
PRESS_FOR = timedelta(seconds=60)
"""So long a press is waited for once the unit has said that its window is open. The unit's own window is two minutes: a
press that comes late still counts."""
COUNTS_FOR = timedelta(minutes=10)
"""A proof whose press came longer after its order than this proves another thing."""
REPEAT_AFTER = timedelta(seconds=6)
"""An order that has got no answer is pushed again."""
GIVES_UP = timedelta(hours=24)
"""A pairing that is not proven by then is over: the unit is not active, and what was before holds."""

OWN = 0
CARRIED = frozenset({"personal", "tracker"})
"""These are worn: their own button is tried in the rooms."""
MOST_ROOMS = 8
_DONE = 0


def begin(facts: Facts, digits: str) -> Refused | None:
    """Whether a pairing may begin; None: it may. Every refusal says what to do."""
    if not _at_hand(digits, facts.digits):
        return Refused(
            "wrong_digits",
            "the check digits do not belong to this reference: compare both with the order in the home; you may have "
            "picked another person",
        )
    if not facts.same_municipality:
        return Refused("other_municipality", "unit and recipient are of different municipalities: take another unit")
    if facts.registered != "active":
        return Refused("revoked", "this unit's keys have ended and nobody would believe it: take another unit")
    for running, code, sentence in (
        (facts.unit_pairing, "unit_busy", "somebody is pairing this unit already: talk to them, or take another unit"),
        (
            facts.recipient_pairing, "recipient_busy",
            "somebody is pairing a unit with this person already: talk to them before you go on",
        ),
    ):  # fmt: skip
        if running is not None:
            return Refused(code, sentence, running.by, running.since)
    if facts.life in ("active", "absent"):
        if facts.had_by == facts.recipient:
            return Refused(
                "paired_already", "this person has this unit already, and it is proven: there is nothing to do"
            )
        return Refused(
            "had_by_another",
            "another person relies on this unit: look at the label; if it was taken back, register that first",
        )
    if facts.meant_for is not None and facts.meant_for != facts.recipient:
        return Refused("meant_for_another", "this unit was prepared for another person: compare label and order")
    if facts.life not in ("in_stock", "assigned"):
        return Refused(
            "not_ready",
            "this unit is not ready for use: it is to be received, cleaned or restocked first; take another",
        )
    return None


def plan(unit: int, unit_type: str, inputs: Collection[int], rooms: Sequence[str], old: int | None) -> tuple[Step, ...]:
    """The presses that a pairing asks for: the old unit, the unit's own button where it stands, each room with one of
    the buttons that are carried about, and every button that no room has used.

    Raises ValueError for rooms that are none.
    """
    if len(rooms) > MOST_ROOMS or len(set(rooms)) != len(rooms) or set(rooms) - set(ROOMS):
        raise ValueError(f"rooms are at most {MOST_ROOMS} different ones of {', '.join(ROOMS)}")
    carried = sorted(number for number in inputs if number != OWN)
    if unit_type in CARRIED:
        carried = [OWN, *carried] if OWN in inputs else carried
    steps = [Step("old", old, OWN)] if old is not None else []
    if OWN in inputs and OWN not in carried:
        steps.append(Step("button", unit, OWN))
    in_rooms = [carried[place % len(carried)] for place in range(len(rooms))] if carried else []
    steps += [Step("room", unit, number, room) for number, room in zip(in_rooms, rooms, strict=False)]
    steps += [Step("button", unit, number) for number in carried if number not in in_rooms]
    return tuple(steps)


def advance(
    pairing: Pairing, proofs: Sequence[Proof], answers: Mapping[int, Answer], now: datetime
) -> tuple[Pairing, tuple[Order, ...]]:
    """The pairing as it is now, and orders that are to go out. Asked again with the same it changes nothing.

    ``proofs`` are test presses of its units that a centre has answered, ``answers`` what units have said to orders, by
    number.
    """
    used = {_key(step.proof) for step in pairing.steps if step.proof is not None}
    for place, step in enumerate(pairing.steps):
        if step.state in ("ordered", "ready", "failed"):
            proof = next((one for one in proofs if _key(one) not in used and _proves(one, step)), None)
            if proof is not None:
                used.add(_key(proof))
                pairing = pairing.with_step(place, state="proven", proof=proof, why=None, until=None)
    now_asked = pairing.step
    if now_asked is None:
        return pairing, ()
    place, step = now_asked, pairing.steps[now_asked]
    if step.state == "waiting":
        until = now + ORDER_FOR
        ordered = pairing.with_step(
            place, state="ordered", tries=step.tries + 1, ordered_at=now, number=None, until=until, why=None
        )
        return ordered, (Order(place, step.unit, step.input, until),)
    if step.state == "ordered":
        answer = answers.get(step.number) if step.number is not None else None
        if answer is not None and answer.result == _DONE:
            return pairing.with_step(place, state="ready", until=answer.at + PRESS_FOR), ()
        if answer is not None:
            return pairing.with_step(place, state="failed", why="refused"), ()
        if step.until is not None and now >= step.until:
            return pairing.with_step(place, state="failed", why="not_heard"), ()
    elif step.state == "ready" and step.until is not None and now >= step.until:
        return pairing.with_step(place, state="failed", why="no_press"), ()
    return pairing, ()


def moved(pairing: Pairing) -> Pairing:
    """The unit stands somewhere else now: what was tried from the rooms says nothing any more."""
    return replace(
        pairing, steps=tuple(_anew(step) if step.kind == "room" or not step.over else step for step in pairing.steps)
    )


def again(pairing: Pairing) -> Pairing:
    """What has failed is asked for once more."""
    return replace(pairing, steps=tuple(_anew(step) if step.state == "failed" else step for step in pairing.steps))


def leave_out_old(pairing: Pairing, why: LeftOut) -> Pairing:
    """The old unit cannot be pressed. Raises ValueError where it was pressed, or where there is none."""
    for place, step in enumerate(pairing.steps):
        if step.kind == "old" and not step.over:
            return pairing.with_step(place, state="left_out", left_out=why, until=None, why=None)
    raise ValueError("there is no old unit to be left out")


def done(pairing: Pairing, inputs: Collection[int]) -> bool:
    """Whether the unit may become active: every step is over, and every button of the unit is proven by itself.

    ``inputs`` are the unit's buttons as they are registered now: one that was added meanwhile is not proven.
    """
    pressed = {step.input for step in pairing.steps if step.state == "proven" and step.unit == pairing.unit}
    return pairing.step is None and bool(pressed) and set(inputs) <= pressed


def missing(pairing: Pairing, inputs: Collection[int]) -> tuple[Step, ...]:
    """Steps for buttons that were registered after the pairing had begun."""
    planned = {step.input for step in pairing.steps if step.unit == pairing.unit}
    return tuple(Step("button", pairing.unit, number) for number in sorted(set(inputs) - planned))


def proof_id(pairing: Pairing) -> str:
    """The name of the proof: the pairing's number, and a digest of the presses that it rests on."""
    keys = [f"{one.unit:08x}-{one.boot}-{one.seq}" for step in pairing.steps if (one := step.proof) is not None]
    return f"P-{pairing.pairing}-{hashlib.sha256(' '.join([str(pairing.pairing), *keys]).encode()).hexdigest()[:8]}"


def fee_from(proven_at: datetime, zone: tzinfo) -> date:
    """The first day for which a fee may be charged: the day of the proof by the municipality's clocks."""
    return proven_at.astimezone(zone).date()


def _at_hand(digits: str, expected: str) -> bool:
    """Whether whoever asks has the order of this recipient before him."""
    return hmac.compare_digest(digits.strip().encode(), expected.encode())


def _proves(proof: Proof, step: Step) -> bool:
    if (proof.unit, proof.input) != (step.unit, step.input) or step.ordered_at is None:
        return False
    return step.ordered_at < proof.received_at <= step.ordered_at + COUNTS_FOR


def _key(proof: Proof) -> tuple[int, int, int]:
    return proof.unit, proof.boot, proof.seq


def _anew(step: Step) -> Step:
    return Step(step.kind, step.unit, step.input, step.room, tries=step.tries)
