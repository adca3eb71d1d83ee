"""What an open case looks like to escalation, and what follows when its timer has run out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """A case whose timer is due. ``place`` is the step to take, ``due_at`` when it was to be taken."""

    case: int
    municipality: int
    unit: int
    unit_type: str
    priority: int
    state: str
    test: bool
    opened_at: datetime
    accepted: bool
    reports_taken: str | None
    responsible_centre: int | None
    routine: int | None
    routine_at: datetime | None
    started_at: datetime
    place: int
    round: int
    repeats: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Timer:
    """The timer afterwards; ``due_at`` None ends it."""

    place: int
    repeats: int
    due_at: datetime | None
