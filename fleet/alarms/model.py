"""What a press and a case are, as plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


class PressKey(NamedTuple):
    """(unit, boot, seq): the idempotency key of a press through every hop."""

    unit: int
    boot: int
    seq: int

    @property
    def reference(self) -> str:
        """The text that a centre logs and that both logs are compared by, e.g. ``0000002a-3-17``."""
        return f"{self.unit:08x}-{self.boot}-{self.seq}"


@dataclass(frozen=True, slots=True)
class Press:
    """An authentic alarm as received. ``marks`` lists what is odd about it; odd is never a reason to refuse."""

    key: PressKey
    municipality: int
    unit_type: str
    received_at: datetime
    pressed_at: datetime | None
    transport: str
    generation: int
    counter: int
    kind: int
    input: int | None
    count: int | None
    age_s: int | None
    attempt: int | None
    bearer: int | None
    battery: int | None
    flags: int
    clock: int | None
    marks: tuple[str, ...]
    priority: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class StoredPress:
    """The committed fate of a press: its stage (1 stored, 2 accepted, 3 taken) and whether it was a double."""

    key: PressKey
    stage: int
    double: bool


class TakeRefused(RuntimeError):
    """Somebody else was first, or the case is closed. ``case`` is its present state."""

    def __init__(self, case: dict[str, object]) -> None:
        super().__init__(f"case {case['id']} is {case['state']}")
        self.case = case
