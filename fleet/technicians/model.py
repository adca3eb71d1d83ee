"""Tasks for technicians and conditions of units, as plain frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

WHOLE_UNIT = -1
"""The part of a condition that is the unit's own, and not one of an input, a SIM or a fault's code."""

Step = Literal["open", "note", "close"]
CaseWord = Literal["stuck", "released"]


class UnitEvent(NamedTuple):
    """An authentic event: whose, which kind of docs/wire.md, when it happened by the server's clock, data and key."""

    unit: int
    municipality: int
    kind: int
    at: datetime
    data: Mapping[int, object]
    boot: int
    seq: int


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be done with the task of this kind and part: opened, noted upon, or closed by the unit itself."""

    step: Step
    kind: str
    part: int | None = None
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Condition:
    """How a part of a unit is since an event; ``active`` False means that the condition has ended."""

    name: str
    part: int
    active: bool
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Consequence:
    """What one event means: at most one condition, at most one task, at most a word for the unit's open case.

    ``input`` is the input that the word is about, None where the event does not say.
    """

    condition: Condition | None = None
    task: Task | None = None
    case: CaseWord | None = None
    input: int | None = None


@dataclass(frozen=True, slots=True)
class DrillOrder:
    """A drill that a unit was ordered: of which input, and what the unit has answered. ``result`` is the wire's."""

    unit: int
    input: int
    ordered_at: datetime
    expires_at: datetime | None
    answered_at: datetime | None
    result: int | None


@dataclass(frozen=True, slots=True)
class DrillOutcome:
    """What an order has come to; ``why`` is empty where the button was proven."""

    proven: bool
    why: str = ""
