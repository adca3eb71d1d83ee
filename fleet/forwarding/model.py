"""What is claimed from the outbox and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from fleet.alarms.model import PressKey


@dataclass(frozen=True, slots=True)
class Centre:
    """An alarm centre as configured."""

    centre: int
    name: str
    protocol: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Owed:
    """One press that one centre still has to be told. ``attempts`` counts the present one."""

    outbox: int
    case: int
    key: PressKey
    attempts: int
    last_outcome: str | None
    received_at: datetime
    pressed_at: datetime | None
    transport: str
    kind: int
    input: int | None
    count: int | None
    age_s: int | None
    battery: int | None
    flags: int
    marks: tuple[str, ...]
    unit_type: str
    priority: int
    presses: int


class Outcome(Enum):
    """What the centre's protocol said of one attempt. Only DELIVERED means that the centre has it."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    NO_ANSWER = "no answer"


@dataclass(frozen=True, slots=True)
class Fate:
    """What to do with an owed press after an attempt: try again in ``delay_s``, unless it was delivered."""

    delivered: bool
    delay_s: float
    centre_is_down: bool
