"""The life of a unit: which change follows from which state. Pure; time and actor are the caller's.

```
 made ─► in_stock ◄─────────────── restock ───────────────┐
            │ assign ▲ unassign                           │
            ▼        │                                    │
         assigned ───┘                                    │
            │ pair (also from in_stock) ▲ abandon         │
            ▼                           │                 │
         pairing ───────────────────────┘                 │
            │ prove: every button, by the centre          │
            ▼                                             │
 ┌────── active ◄──► absent (until a date)                │
 │          │ replace      │                              │
 │          ▼              │                              │
 │       replaced ◄────────┘                              │
 │ return   │ return                                      │
 └────► returned ─► cleaned (person data are gone) ───────┘
 retire: from every state in which nobody relies on the unit; its keys are revoked with it
```
*Active* has one way in: `prove`, and only pairing says it. Being revoked is no state: a unit that was stolen while it
was active is still the one that its wearer lacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args

State = Literal[
    "made", "in_stock", "assigned", "pairing", "active", "absent", "replaced", "returned", "cleaned", "retired"
]
Event = Literal[
    "receive", "assign", "unassign", "pair", "abandon", "prove", "leave", "come_back", "replace", "return", "clean",
    "restock", "retire",
]  # fmt: skip

STATES: Final[tuple[State, ...]] = get_args(State)
EVENTS: Final[tuple[Event, ...]] = get_args(Event)

_MOVES: Final[Mapping[Event, Mapping[State, State]]] = {
    "receive": {"made": "in_stock"},
    "assign": {"in_stock": "assigned"},
    "unassign": {"assigned": "in_stock"},
    "pair": {"in_stock": "pairing", "assigned": "pairing"},
    "abandon": {"pairing": "in_stock"},
    "prove": {"pairing": "active"},
    "leave": {"active": "absent", "absent": "absent"},
    "come_back": {"absent": "active"},
    "replace": {"active": "replaced", "absent": "replaced"},
    "return": {"active": "returned", "absent": "returned", "replaced": "returned"},
    "clean": {"returned": "cleaned"},
    "restock": {"cleaned": "in_stock"},
    "retire": {
        "made": "retired", "in_stock": "retired", "replaced": "retired", "returned": "retired", "cleaned": "retired",
    },
}  # fmt: skip

RELIED_ON: Final[frozenset[State]] = frozenset({"active", "absent"})
"""Somebody relies on a unit in these."""
WORN: Final[frozenset[State]] = frozenset({"pairing", "active", "absent", "replaced"})
"""A unit in these may be in somebody's home: its presses are his."""
PERSON_FREE: Final[frozenset[State]] = frozenset({"made", "in_stock", "cleaned", "retired"})
"""A unit in these is linked to nobody."""

_DO: Final[Mapping[State, str]] = {
    "made": "receive it into stock first",
    "in_stock": "assign or pair it first",
    "assigned": "pair it, or take the assignment back",
    "pairing": "finish the pairing or give it up first",
    "active": "somebody relies on it: pair another unit in its place, or take it back, first",
    "absent": "its wearer is away and comes back to it: end the absence, or take the unit back, first",
    "replaced": "take it back first",
    "returned": "clean it first: it still holds who had it",
    "cleaned": "put it back into stock first",
    "retired": "it is at the end of its life: use another unit",
}


@dataclass(frozen=True, slots=True)
class Life:
    """Where a unit is. ``until``: the end of an absence, in that state only. ``planned``: whether it is meant for a
    certain recipient while it is assigned or pairing."""

    state: State
    until: datetime | None = None
    planned: bool = False


@dataclass(frozen=True, slots=True)
class Moved:
    """The new life, and what has to be done with it in the same transaction.

    ``wipe``: everything that says who had the unit goes; ``revoke``: its keys end.
    """

    life: Life
    wipe: bool = False
    revoke: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing changes; ``reason`` says what to do instead."""

    reason: str


def move(life: Life, event: Event, now: datetime, *, until: datetime | None = None) -> Moved | Refused:
    """What an event makes of a unit's life. ``until`` belongs to ``leave`` and must lie ahead of ``now``."""
    target = _MOVES[event].get(life.state)
    if target is None:
        return Refused(
            f"a unit that is {life.state.replace('_', ' ')} cannot {event.replace('_', ' ')}: {_DO[life.state]}"
        )
    if event == "leave":
        if until is None or until <= now:
            return Refused("an absence has an end that lies ahead: nobody is away for ever without a word")
        return Moved(Life("absent", until))
    if event == "assign":
        return Moved(Life("assigned", planned=True))
    if event == "pair":
        return Moved(Life("pairing", planned=life.planned))
    if event == "abandon" and life.planned:
        return Moved(Life("assigned", planned=True))
    return Moved(Life(target), wipe=event in ("clean", "retire"), revoke=event == "retire")


def overdue(life: Life, now: datetime) -> bool:
    """Whether an absence has ended by the clock: the unit is active again, and supervised."""
    return life.state == "absent" and life.until is not None and life.until <= now
