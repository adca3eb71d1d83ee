"""What proves that a frame is new. Pure.

Four things can be said of the counter of an authentic frame. Above the key's high-water mark it is new. A little below
it, and of a press that was never stored, it is late: datagrams overtake each other. Further below, or under keys of a
unit that has lost its counters, it may be a recording. And after the database came out of a backup nothing is known of
what was received since that backup: then a frame is new only if it tells of a server time after the restore, because
the unit has that from a receipt which was sealed since.

None of this tells a unit from somebody who has read its key out of it. Where two modems or SIM cards have spoken with
one key and nobody has looked at that yet, a press opens its case as ever, and is marked whatever its counter says.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from fleet.ingest.outcome import Arrived

WINDOW: Final = 8
"""A press whose counter is at most so far below the high-water mark is late and not old."""


class Mark(NamedTuple):
    """What is kept of one key generation: the greatest counter that was received; where its window ends, at the
    latest; when the database was restored, None once something new was received since; and whether its unit's modem or
    SIM has changed and no technician has looked at it: somebody else may hold the key."""

    high: int = -1
    window_from: int = 0
    restored_at: datetime | None = None
    shared: bool = False


Marks = Mapping[tuple[int, int], Mark]
"""(unit, generation) -> what is kept of it."""

_NOTHING: Final = Mark()


def mark_of(arrived: Arrived, marks: Marks) -> Mark:
    """What is kept of the key that sealed this frame."""
    return marks.get((arrived.opened.keys.unit, arrived.opened.generation), _NOTHING)


def is_behind(arrived: Arrived, marks: Marks) -> bool:
    """Whether the counter itself does not say that the frame is new."""
    return arrived.opened.kid_context is not None or arrived.opened.counter <= mark_of(arrived, marks).high


def is_doubted(arrived: Arrived, marks: Marks) -> bool:
    """Whether the database came out of a backup, and this frame is not known to be younger than that."""
    restored_at = mark_of(arrived, marks).restored_at
    return restored_at is not None and not is_since(arrived, restored_at)


def is_since(arrived: Arrived, moment: datetime) -> bool:
    """Whether the frame tells of a server time after this moment: it was sealed after it."""
    echo = getattr(arrived.opened.message, "echo", None)
    return isinstance(echo, int) and echo > int(moment.timestamp())


def is_unproven(arrived: Arrived, marks: Marks) -> bool:
    """Whether a press that was never stored may be a recording, or somebody else's who holds the key: its case is
    marked, and its unit is asked."""
    mark, counter = mark_of(arrived, marks), arrived.opened.counter
    if arrived.opened.kid_context is not None or mark.shared or is_doubted(arrived, marks):
        return True
    return counter <= mark.high and (counter <= mark.high - WINDOW or counter < mark.window_from)
