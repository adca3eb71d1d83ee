"""What a routine is, as plain frozen values: who is told what, in which order, with which time limits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

WEEK = 7 * 24 * 60
"""Minutes of a week; minute 0 is Monday 00:00 in the zone of the row."""

PRIMARY = "primary_centre"
SECONDARY = "secondary_centre"
CENTRES = (PRIMARY, SECONDARY)
"""Words of a step that stand for the centres of the unit's route; every other word names a role."""

SHIFT_LEAD = "shift_lead"
PARTS = ("unit", "time", "case", "kind", "municipality")
"""What a message may say. None of it tells who the wearer is."""

UNIT_TYPES = ("any", "social", "personal", "tracker", "camera", "technical")
HOURS = ("any", "office", "on_call")


@dataclass(frozen=True, slots=True)
class Window:
    """Minutes of the week, from inclusive to exclusive."""

    starts: int = 0
    ends: int = WEEK


@dataclass(frozen=True, slots=True)
class Step:
    """One step: all of ``tell`` at once; without a human receipt in ``limit_s`` the step ``next`` follows.

    ``next`` None ends the chain; a step that follows itself is repeated until somebody takes the case.
    """

    place: int
    tell: tuple[str, ...]
    limit_s: int
    next: int | None
    say: tuple[str, ...] = ("unit", "time")


@dataclass(frozen=True, slots=True)
class Routine:
    """One version of a routine. ``priority`` 0 is any; ``municipality`` 0 holds where a municipality has none.

    ``routine`` is None for the one that is built in.
    """

    routine: int | None
    municipality: int
    name: str
    unit_type: str
    priority: int
    hours: str
    window: Window
    zone: str
    valid_from: datetime
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a routine is asked for."""

    municipality: int
    unit_type: str
    priority: int


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody who can be told. ``address`` is a number, a mail address, or a centre's name."""

    recipient: int
    name: str
    channel: str
    address: str
    centre: int | None
    language: str


@dataclass(frozen=True, slots=True)
class Holding:
    """A recipient who holds a role: from when, at which minutes of the week, in which order."""

    role: str
    municipality: int
    zone: str
    valid_from: datetime
    window: Window
    place: int
    recipient: Recipient
