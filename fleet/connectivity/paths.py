"""The ways that units were seen on, kept by the front doors in the transaction of what was received.

Batch statements only: one for what was seen, one for what was proven, however many units a batch holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from fleet.connectivity.model import NO_SIM
from fleet.store.pool import Connection
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.connectivity")

APART: Final = timedelta(minutes=10)
"""A way that was noted less than this ago is not written again: most heartbeats cost no write here."""

LATELY: Final = timedelta(hours=25)
"""What proves a SIM proves the way that it was seen on within this."""

SLOT_OF_BEARER: Final = {1: NO_SIM, 2: NO_SIM, 3: 1, 4: 2}
"""Wi-Fi, Ethernet, SIM 1 and SIM 2 of docs/wire.md. An SMS tells nothing of a data path."""

_RADIO_OF_BEARER: Final = {1: 6, 2: 7}
_HIGHEST_OPERATOR: Final = 999_999


class Seen(NamedTuple):
    """A message as it came: whose, on which bearer of the wire, where, when. None where the unit did not say.
    ``told``: it named SIM cards or a modem, so that what was noted of the way may be another card's."""

    unit: int
    bearer: int | None
    operator: int | None
    radio: int | None
    cell: int | None
    tac: int | None
    at: datetime
    told: bool = False


class Proven(NamedTuple):
    """A proof of a SIM slot (1 or 2) or of what needs none (0); ``proof`` says what it was: alarm:3/77, own:3/78."""

    unit: int
    slot: int
    at: datetime
    proof: str


class Noted:
    """What this process has committed lately, so that a heartbeat on a known way asks the database nothing.

    It forgets by time, and wholly when it is full. It only spares writes: what it does not know is written again.
    """

    def __init__(self, most: int = 500_000) -> None:
        self._most = most
        self._at: dict[tuple[int, ...], tuple[datetime, int | None]] = {}

    def news(self, seen: Sequence[Seen]) -> list[Seen]:
        """Those that may change something."""
        return [one for one in seen if not self._knows(one)]

    def keep(self, seen: Sequence[Seen]) -> None:
        """These are committed."""
        if len(self._at) + len(seen) > self._most:
            self._at.clear()
        for one in seen:
            key = _key(one)
            before = self._at.get(key)
            if before is None or before[0] <= one.at:
                self._at[key] = (one.at, one.cell if one.cell is not None or before is None else before[1])

    def _knows(self, one: Seen) -> bool:
        before = self._at.get(_key(one))
        return (
            not one.told
            and before is not None
            and before[0] <= one.at < before[0] + APART
            and (one.cell is None or one.cell == before[1])
        )


async def note_seen(connection: Connection, seen: Sequence[Seen]) -> None:
    """Keeps the ways of these, inside the caller's transaction and behind their rows in ``unit_states``.

    A message that names no network renews the one that its SIM was last seen on; where there is none it says nothing.
    """
    newest: dict[tuple[int, int, int, int], Seen] = {}
    again: dict[tuple[int, int], datetime] = {}
    for one in seen:
        slot = SLOT_OF_BEARER.get(-1 if one.bearer is None else one.bearer)
        place = None if slot is None else _place(one, slot)
        if place is not None:
            if place not in newest or newest[place].at <= one.at:
                cell = one.cell if one.cell is not None or place not in newest else newest[place].cell
                newest[place] = one._replace(cell=cell)
        elif slot is not None:
            again[one.unit, slot] = max(one.at, again.get((one.unit, slot), one.at))
    if newest:
        columns: dict[str, Any] = {
            name: [place[number] for place in newest]
            for number, name in enumerate(("unit_id", "slot", "operator", "radio"))
        }
        columns |= {name: [getattr(one, name) for one in newest.values()] for name in ("cell", "tac", "at")}
        await connection.execute(SQL["keep_paths"], {**columns, "apart": APART})
    if again:
        columns = {"unit_id": [unit for unit, _ in again], "slot": [slot for _, slot in again]}
        await connection.execute(SQL["touch_paths"], {**columns, "at": list(again.values()), "apart": APART})


async def note_proven(connection: Connection, proven: Sequence[Proven]) -> None:
    """Marks the ways that these prove, inside the caller's transaction, behind `note_seen`."""
    newest: dict[tuple[int, int], Proven] = {}
    for one in proven:
        before = newest.get((one.unit, one.slot))
        if before is None or before.at <= one.at:
            newest[one.unit, one.slot] = one
    if newest:
        columns: dict[str, Any] = {
            name: [getattr(one, field) for one in newest.values()]
            for name, field in (("unit_id", "unit"), ("slot", "slot"), ("at", "at"), ("proof", "proof"))
        }
        await connection.execute(SQL["prove_paths"], {**columns, "lately": LATELY})


def _key(seen: Seen) -> tuple[int, ...]:
    return seen.unit, seen.bearer or 0, seen.operator or 0, seen.radio or 0


def _place(seen: Seen, slot: int) -> tuple[int, int, int, int] | None:
    if slot == NO_SIM:
        return seen.unit, NO_SIM, 0, _RADIO_OF_BEARER[seen.bearer or 1]
    if not seen.operator or not seen.radio or not 0 < seen.operator <= _HIGHEST_OPERATOR:
        return None
    return seen.unit, slot, seen.operator, seen.radio
