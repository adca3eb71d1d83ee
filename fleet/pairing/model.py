"""The words of pairing, as plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

Kind = Literal["old", "button", "room"]
"""``old``: a press of the unit that the recipient has had so far; ``button``: one where the unit stands; ``room``: one
in a room."""
StepState = Literal["waiting", "ordered", "ready", "proven", "failed", "left_out"]
Why = Literal["not_heard", "refused", "no_press"]
LeftOut = Literal["broken", "lost", "not_there"]

ROOMS = (
    "hallway", "bathroom", "bedroom", "living_room", "kitchen", "laundry", "cellar", "balcony", "garden", "other",
)  # fmt: skip
"""Rooms are codes: what somebody writes freely about a home is personal data."""
USUAL_ROOMS = ("hallway", "bathroom", "bedroom")


@dataclass(frozen=True, slots=True)
class Proof:
    """A test press that a centre has answered. ``received_at`` is the server's, ``seconds`` from finger to centre.

    ``signal`` is the unit's last reported one (dBm), ``attempt`` the attempt that got through.
    """

    unit: int
    input: int
    boot: int
    seq: int
    received_at: datetime
    at: datetime
    bearer: int | None = None
    signal: int | None = None
    attempt: int | None = None
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One press that is asked for. ``number`` is the order to the unit, ``until`` when it is no longer waited for."""

    kind: Kind
    unit: int
    input: int
    room: str | None = None
    state: StepState = "waiting"
    tries: int = 0
    ordered_at: datetime | None = None
    number: int | None = None
    until: datetime | None = None
    why: Why | None = None
    left_out: LeftOut | None = None
    proof: Proof | None = None

    @property
    def over(self) -> bool:
        """Nothing more is asked of it."""
        return self.state in ("proven", "left_out")


@dataclass(frozen=True, slots=True)
class Pairing:
    """A pairing that is under way: its steps are gone through in order, one at a time."""

    pairing: int
    unit: int
    steps: tuple[Step, ...]

    @property
    def step(self) -> int | None:
        """The place of the step that is asked for now; None when all are over."""
        return next((place for place, step in enumerate(self.steps) if not step.over), None)

    def with_step(self, place: int, **changes: object) -> Pairing:
        """The same with one step changed."""
        step = replace(self.steps[place], **changes)  # type: ignore[arg-type]
        return replace(self, steps=(*self.steps[:place], step, *self.steps[place + 1 :]))


@dataclass(frozen=True, slots=True)
class Answer:
    """A unit's answer to an order: 0 is done."""

    result: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Order:
    """Ask this unit to take the next press of this input as a test. ``place`` is the step's."""

    place: int
    unit: int
    input: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Running:
    """Somebody else's pairing, or a unit's: who, since when."""

    pairing: int
    by: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when a pairing is asked for. ``digits`` are the right check digits of the reference; ``meant_for``
    and ``had_by`` are recipients of the unit; ``has`` is the unit of the same type that the recipient has."""

    recipient: int
    digits: str
    same_municipality: bool
    registered: str
    life: str
    meant_for: int | None
    had_by: int | None
    has: int | None
    unit_pairing: Running | None
    recipient_pairing: Running | None


@dataclass(frozen=True, slots=True)
class Refused:
    """The pairing does not begin. ``code`` is for programs and for words in the reader's language; ``sentence`` says in
    English what to do; ``by`` and ``since`` tell of somebody else's pairing."""

    code: str
    sentence: str
    by: str | None = None
    since: datetime | None = None
