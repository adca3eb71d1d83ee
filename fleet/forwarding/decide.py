"""Pure decisions of forwarding: what the centre is told, and what follows from its answer."""

from __future__ import annotations

from datetime import datetime

from fleet.alarms.decide import DURESS, MAN_DOWN, MANUAL, NO_MOVEMENT, PULL_CORD, TEST
from fleet.forwarding.model import Fate, Outcome, Owed

BACK_OFF_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
REFUSED_AGAIN_S = 60.0
LONGEST_DELAY_S = max(*BACK_OFF_S, REFUSED_AGAIN_S)
SILENT_FLAG = 4

# The category names of protocols.centre.alarm; a kind that is not here is told as personal help, never withheld.
CATEGORY = {
    MANUAL: "PERSONAL_HELP",
    DURESS: "DURESS",
    MAN_DOWN: "FALL",
    NO_MOVEMENT: "INACTIVITY",
    PULL_CORD: "PERSONAL_HELP",
    TEST: "TEST_MANUAL",
}


def category_of(unit_type: str, kind: int) -> str:
    """The category a centre is told. A manual press on a worn personal alarm is an attack, not a fall at home."""
    if unit_type == "personal" and kind == MANUAL:
        return "PERSONAL_ATTACK"
    return CATEGORY.get(kind, "PERSONAL_HELP")


def is_silent(owed: Owed) -> bool:
    """Nothing may sound at the wearer's end: duress always, others where the unit says so."""
    return owed.kind == DURESS or bool(owed.flags & SILENT_FLAG)


def sequence_of(outbox: int) -> int:
    """The DC-09 sequence 1..9999. It belongs to the outbox row, so every repetition carries the same one."""
    return (outbox - 1) % 9999 + 1


def sends_minimal(owed: Owed) -> bool:
    """After a refusal the same bytes must not go again: the next attempt carries the bare alarm only."""
    return owed.last_outcome == Outcome.REFUSED.value


def fate_of(outcome: Outcome, attempts: int) -> Fate:
    """What follows from an attempt. An alarm is owed for ever: there is no last attempt.

    A refused alarm is tried once more at once in its minimal form, then every minute; a centre that does not answer
    is tried with a growing delay and nothing else is sent to it meanwhile.
    """
    if outcome is Outcome.DELIVERED:
        return Fate(delivered=True, delay_s=0.0, centre_is_down=False)
    if outcome is Outcome.REFUSED:
        return Fate(delivered=False, delay_s=0.0 if attempts <= 1 else REFUSED_AGAIN_S, centre_is_down=False)
    return Fate(delivered=False, delay_s=back_off(attempts), centre_is_down=True)


def back_off(attempts: int) -> float:
    """Seconds until the next attempt after ``attempts`` (at least 1) that got no answer."""
    return BACK_OFF_S[min(max(attempts, 1), len(BACK_OFF_S)) - 1]


def told_age_s(owed: Owed) -> int:
    """Seconds from press to receipt as the unit knew them. Fixed by the row, so every repetition is equal."""
    return owed.age_s if owed.age_s is not None else 0


def occurred_at(owed: Owed) -> datetime:
    """When the centre is told it was pressed: by the unit's age where known, else when it came in."""
    return owed.pressed_at or owed.received_at
