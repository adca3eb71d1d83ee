"""What a unit is made of, and its life, in PostgreSQL. Functions work in the caller's transaction.

Every change of a life is checked by `fleet.registry.life`, stands in the unit's own log and in the audit, all in one
transaction. A unit that is cleaned or retired is linked to nobody afterwards; its log stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from fleet.evidence.audit import record
from fleet.registry.life import RELIED_ON, Event, Life, Refused, move
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.registry", "units.sql")

InputKind = Literal["own", "pendant", "cord"]
OWN: Final = 0
MACHINE: Final = "machine:registry"


class LifeError(ValueError):
    """The change is refused; the message says what to do instead."""


@dataclass(frozen=True, slots=True)
class Input:
    """A button: 0 is the unit's own."""

    input: int
    kind: InputKind
    serial: str | None = None


@dataclass(frozen=True, slots=True)
class Sim:
    """A SIM card in a slot (1 or 2); ``iccid`` has 18 to 20 digits."""

    slot: int
    iccid: str
    issuer: str = ""


async def describe(
    connection: Connection,
    unit: int,
    *,
    board: str | None = None,
    modem: str | None = None,
    owner: str | None = None,
    inputs: Iterable[Input] | None = None,
    sims: Iterable[Sim] = (),
) -> None:
    """Says what a unit is made of; None leaves what is known. ``inputs`` are all of its buttons, its own included.

    Raises LookupError for an unknown unit.
    """
    place: dict[str, Any] = {"unit_id": unit}
    if not await fetch_all(connection, SQL["describe"], {**place, "board": board, "modem": modem, "owner": owner}):
        raise LookupError(f"unit {unit:08x} is unknown")
    if inputs is not None:
        buttons = list(inputs)
        await connection.execute(SQL["forget_inputs"], {**place, "keep": [one.input for one in buttons]})
        for one in buttons:
            values = {"input": one.input, "kind": one.kind, "serial": one.serial}
            await connection.execute(SQL["set_input"], {**place, **values})
    for sim in sims:
        values = {"slot": sim.slot, "iccid": sim.iccid, "issuer": sim.issuer}
        await connection.execute(SQL["set_sim"], {**place, **values})


async def inputs_of(connection: Connection, unit: int) -> tuple[Input, ...]:
    """The buttons of a unit; its own alone where nothing has been said."""
    rows = await fetch_all(connection, SQL["inputs"], {"unit_id": unit})
    return tuple(Input(row["input"], row["kind"], row["serial"]) for row in rows) or (Input(OWN, "own"),)


async def sims_of(connection: Connection, unit: int) -> tuple[Sim, ...]:
    """The SIM cards of a unit, as far as they are known."""
    return tuple(Sim(**row) for row in await fetch_all(connection, SQL["sims"], {"unit_id": unit}))


async def is_known(connection: Connection, unit: int) -> bool:
    """Whether there is such a unit for this actor."""
    return bool(await fetch_all(connection, SQL["known"], {"unit_id": unit}))


async def life_of(connection: Connection, unit: int) -> str | None:
    """Where a unit is in its life; None for an unknown one. It stays so until the caller's transaction ends."""
    rows = await fetch_all(connection, SQL["lock_unit"], {"unit_id": unit})
    return str(rows[0]["life"]) if rows else None


async def municipality_of(connection: Connection, unit: int) -> int:
    """Whose unit it is. Raises LookupError for one that is not there for this actor."""
    rows = await fetch_all(connection, SQL["lock_unit"], {"unit_id": unit})
    if not rows:
        raise LookupError(f"unit {unit:08x} is unknown")
    return int(rows[0]["municipality_id"])


async def is_relied_on(connection: Connection, unit: int) -> bool:
    """Whether somebody relies on the unit now; it stays so until the caller's transaction ends."""
    rows = await fetch_all(connection, SQL["lock_unit"], {"unit_id": unit})
    return bool(rows) and rows[0]["life"] in RELIED_ON


async def planned_for(connection: Connection, unit: int) -> int | None:
    """The recipient that a unit is meant for while it is assigned or pairing."""
    rows = await fetch_all(connection, SQL["planned_for"], {"unit_id": unit})
    return int(rows[0]["recipient_id"]) if rows else None


async def life_log(connection: Connection, unit: int, most: int = 100) -> list[dict[str, Any]]:
    """What has happened to a unit, newest first: at, event, was, became, until, actor."""
    return await fetch_all(connection, SQL["life_log"], {"unit_id": unit, "most": most})


async def change_life(
    connection: Connection,
    unit: int,
    event: Event,
    actor: str,
    at: datetime,
    *,
    until: datetime | None = None,
    recipient: int | None = None,
    grounds: str | None = None,
) -> Life:
    """Moves a unit on. ``until`` belongs to ``leave``, ``recipient`` to ``assign`` and ``pair``, ``grounds`` to
    ``prove``.

    Raises LookupError for a unit that is not there, or not for this actor; LifeError for a move that is not drawn in
    `life.py`, or for a recipient of another municipality.
    """
    rows = await fetch_all(connection, SQL["lock_unit"], {"unit_id": unit})
    if not rows:
        raise LookupError(f"unit {unit:08x} is unknown")
    row = rows[0]
    moved = move(Life(row["life"], row["life_until"], row["planned"]), event, at, until=until)
    if isinstance(moved, Refused):
        raise LifeError(moved.reason)
    if row["state"] == "revoked" and event in ("receive", "assign", "pair", "prove", "restock"):
        raise LifeError("the unit's keys are revoked: nothing that it sends is believed. Make it anew, or retire it")
    place: dict[str, Any] = {"unit_id": unit, "municipality_id": row["municipality_id"], "at": at}
    life = moved.life
    values = {**place, "life": life.state, "until": life.until}
    if event == "prove":
        if not grounds:
            raise ValueError("a unit becomes active on grounds only: name them")
        await connection.execute(SQL["set_grounds"], {**values, "grounds": grounds})
    else:
        await connection.execute(SQL["set_life"], values)
    await _links(connection, event, place, recipient, bool(row["planned"]))
    if moved.wipe:
        await connection.execute(SQL["wipe_links"], place)
        await connection.execute(SQL["wipe_pairings"], place)
    if moved.revoke:
        await _revoke(connection, place)
    entry = {**place, "event": event, "was": row["life"], "became": life.state, "until": life.until, "actor": actor}
    await connection.execute(SQL["log_life"], entry)
    await record(
        connection, actor=actor, action=f"unit.{event}", municipality_id=row["municipality_id"],
        subject=f"unit:{unit:08x}", detail={"was": row["life"], "became": life.state, "grounds": grounds}, at=at,
    )  # fmt: skip
    return life


async def revoke(connection: Connection, unit: int, actor: str, at: datetime) -> None:
    """Ends the unit's keys and certificates: every door refuses it once this is committed and announced, and what it
    has open is closed. Its life stays what it is: whoever had it lacks it. Raises LookupError."""
    rows = await fetch_all(connection, SQL["lock_unit"], {"unit_id": unit})
    if not rows:
        raise LookupError(f"unit {unit:08x} is unknown")
    row = rows[0]
    place = {"unit_id": unit, "municipality_id": row["municipality_id"], "at": at}
    await _revoke(connection, place)
    entry = {**place, "event": "revoke", "was": row["life"], "became": row["life"], "until": None, "actor": actor}
    await connection.execute(SQL["log_life"], entry)
    await record(
        connection, actor=actor, action="unit.revoke", municipality_id=row["municipality_id"],
        subject=f"unit:{unit:08x}", detail={"life": row["life"]}, at=at,
    )  # fmt: skip


async def end_absences(connection: Connection, at: datetime, most: int = 1000) -> int:
    """Makes units active again whose absence has ended by the clock; returns how many."""
    rows = await fetch_all(connection, SQL["absences_over"], {"at": at, "most": most})
    for row in rows:
        await change_life(connection, row["unit_id"], "come_back", MACHINE, at)
    return len(rows)


async def _links(
    connection: Connection, event: Event, place: dict[str, Any], recipient: int | None, planned: bool
) -> None:
    """Who the unit is meant for, or had by, after this event."""
    if event in ("assign", "pair"):
        if recipient is None:
            raise ValueError("a unit is assigned to somebody: name the recipient")
        known = [row["recipient_id"] for row in await fetch_all(connection, SQL["planned_for"], place)]
        if known and known != [recipient]:
            raise LifeError("the unit is meant for another recipient: take that assignment back first")
        if not known and not await fetch_all(connection, SQL["plan_for"], {**place, "recipient_id": recipient}):
            raise LifeError("the recipient is not one of this unit's municipality: choose another one")
    elif event == "prove":
        if not await fetch_all(connection, SQL["promote"], place):
            raise LifeError("the unit is meant for nobody: pair it with a recipient")
    elif event == "unassign" or (event == "abandon" and not planned):
        await connection.execute(SQL["unplan"], place)
    elif event in ("replace", "return"):
        await connection.execute(SQL["end_link"], place)


async def _revoke(connection: Connection, place: dict[str, Any]) -> None:
    await connection.execute(SQL["revoke"], place)
    await connection.execute(SQL["revoke_certificates"], place)
    await connection.execute(SQL["announce"], {"unit": f"{place['unit_id']:08x}"})
