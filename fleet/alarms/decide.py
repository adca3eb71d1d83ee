"""Pure decisions about presses: what is odd about one, when it was pressed, how urgent it is."""

from __future__ import annotations

from datetime import datetime, timedelta

# Alarm kinds of docs/wire.md. A code that is not here passes and is marked.
MANUAL, DURESS, MAN_DOWN, NO_MOVEMENT, PULL_CORD, TEST = 1, 2, 3, 4, 5, 9
KNOWN_KINDS = frozenset({MANUAL, DURESS, MAN_DOWN, NO_MOVEMENT, PULL_CORD, TEST})

FLAG_AGE_IS_LOWER_BOUND = 1
FLAG_TEST = 2
FLAG_SILENT = 4
FLAG_STUCK = 8
FLAG_LATE = 16

ACUTE, HIGH, NORMAL, TECHNICAL = 1, 2, 3, 4

# A unit clock further off than this is marked. It is never used for anything else (decision D3).
CLOCK_TOLERANCE = timedelta(minutes=2)
# An alarm that is older than this when it comes was late on the way.
LATE_AFTER = timedelta(seconds=60)


STUCK = "stuck"
UNPROVEN = "freshness_unproven"

MACHINE = "machine"
"""The actor that answers tests; a person never does."""


def is_test(kind: int, flags: int) -> bool:
    """A test or a drill: told to the centre as a test, answered by machine, never in an operator's queue.

    A duress is never one, whatever its flags say: nobody is forced to call a threat a test.
    """
    return kind == TEST or (bool(flags & FLAG_TEST) and kind != DURESS)


def priority_of(unit_type: str, kind: int, flags: int = 0) -> int:
    """1 acute .. 4 technical. A worn personal alarm and a duress press are acute at the first press."""
    if is_test(kind, flags):
        return TECHNICAL
    if unit_type == "personal" or kind in (DURESS, MAN_DOWN):
        return ACUTE
    if unit_type in ("camera", "technical"):
        return NORMAL
    return HIGH


def pressed_at(received_at: datetime, age_s: int | None) -> datetime | None:
    """When it was pressed by the server's clock, or None where the age is absent or beyond any calendar."""
    if age_s is None:
        return None
    try:
        return received_at - timedelta(seconds=age_s)
    except OverflowError:
        return None


def marks_of(
    *,
    received_at: datetime,
    kind: int | None,
    age_s: int | None,
    flags: int,
    clock: int | None,
    dropped: tuple[int, ...],
    unknown: tuple[int, ...],
    behind: bool,
) -> tuple[str, ...]:
    """What an operator or a technician should know about a press that came in odd. Order is fixed.

    ``dropped`` and ``unknown`` are wire key numbers; ``behind`` says that the frame's counter was not above the
    stored high-water mark, so that its freshness is not proven.
    """
    found = []
    if clock is not None and abs(clock - received_at.timestamp()) > CLOCK_TOLERANCE.total_seconds():
        found.append("clock_wrong")
    if flags & FLAG_AGE_IS_LOWER_BOUND:
        found.append("age_lower_bound")
    if flags & FLAG_LATE or (age_s is not None and age_s > LATE_AFTER.total_seconds()):
        found.append("late")
    if kind not in KNOWN_KINDS:
        found.append("unknown_kind")
    if dropped:
        found.append("field_dropped")
    if unknown:
        found.append("field_unknown")
    if behind:
        found.append(UNPROVEN)
    if flags & FLAG_SILENT or kind == DURESS:
        found.append("silent")  # whoever threatens the wearer must not hear a call back
    if flags & FLAG_STUCK:
        found.append(STUCK)
    return tuple(found)
