"""Pairings in PostgreSQL: begun once however often they are sent, moved on by what the centre has answered.

Functions take a connection and work in the caller's transaction. `begin` and the acts of the person run with a page's
rights, which cannot make a unit active; `look` and `settle` run as the registry's duty (`watch.py`). Locks are taken in
one order: recipient, unit, pairing, old unit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from psycopg.types.json import Jsonb

from fleet.connectivity import sunset_store
from fleet.evidence.audit import record
from fleet.pairing import decide
from fleet.pairing.document import read, written
from fleet.pairing.model import (
    Answer,
    Facts,
    LeftOut,
    Order,
    Pairing,
    Proof,
    Refused,
    Running,
)
from fleet.registry import units
from fleet.registry.reference import check_digits
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.pairing")

MACHINE: Final = "machine:pairing"
GAVE_UP: Final = "not proven in time"


class PairingRefused(ValueError):
    """The pairing does not begin; ``refused`` says why, and what to do."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.sentence)
        self.refused = refused


class QueueOrder(Protocol):
    """Asks a unit to take the next press of an input as a test; returns the order's number."""

    def __call__(
        self, connection: Connection, unit: int, input: int, actor: str, *, at: datetime, expires_at: datetime
    ) -> Awaitable[int]: ...


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client asks for. ``client_key`` is the client's own: the same wish sent again is the same pairing."""

    client_key: UUID
    unit: int
    recipient: int
    digits: str
    rooms: tuple[str, ...]


async def begin(connection: Connection, wish: Wish, actor: str, at: datetime) -> int:
    """Begins a pairing, or finds the one that this wish has begun before; returns its number.

    Raises PairingRefused; LookupError for a recipient or unit that is not there for this actor; ValueError for rooms.
    """
    place: dict[str, Any] = {"unit_id": wish.unit, "recipient_id": wish.recipient, "client_key": wish.client_key}
    people = await fetch_all(connection, SQL["lock_recipient"], place)
    if not people:
        raise LookupError("there is no such recipient")
    person = people[0]
    place["municipality_id"] = person["municipality_id"]
    known = await _sent_before(connection, wish, place)
    if known is not None:
        return known
    rows = await fetch_all(connection, SQL["facts"], place)
    if not rows:
        raise LookupError("there is no such unit")
    unit = rows[0]
    place["unit_type"] = unit["unit_type"]
    refused = decide.begin(await _facts(connection, person, unit, place), wish.digits)
    if refused is not None:
        raise PairingRefused(refused)
    closed = await sunset_store.refusal(connection, wish.unit, at)
    if closed is not None:
        raise PairingRefused(Refused("network_closed", closed))
    inputs = [one.input for one in await units.inputs_of(connection, wish.unit)]
    steps = decide.plan(wish.unit, unit["unit_type"], inputs, wish.rooms, unit["has"])
    values = {**place, "old_unit_id": unit["has"], "steps": Jsonb(written(steps)), "actor": actor, "at": at}
    await units.change_life(connection, wish.unit, "pair", actor, at, recipient=wish.recipient)
    pairing = int((await fetch_all(connection, SQL["add"], values))[0]["pairing_id"])
    detail = {"unit": f"{wish.unit:08x}", "recipient": wish.recipient, "rooms": list(wish.rooms)}
    await _record(connection, actor, "pairing.begun", person["municipality_id"], pairing, detail, at)
    await connection.execute(SQL["announce"])
    return pairing


async def _sent_before(connection: Connection, wish: Wish, place: Mapping[str, Any]) -> int | None:
    found = await fetch_all(connection, SQL["by_key"], place)
    if not found:
        return None
    if (found[0]["unit_id"], found[0]["recipient_id"]) != (wish.unit, wish.recipient):
        raise PairingRefused(
            Refused("key_used", "this key stands for another pairing: the client has to make a new one")
        )
    return int(found[0]["pairing_id"])


async def _facts(
    connection: Connection, person: Mapping[str, Any], unit: Mapping[str, Any], place: Mapping[str, Any]
) -> Facts:
    running = await fetch_all(connection, SQL["running"], place)

    def of(name: str) -> Running | None:
        rows = [row for row in running if row[name] == place[name]]
        return Running(rows[0]["pairing_id"], rows[0]["started_by"], rows[0]["started_at"]) if rows else None

    return Facts(
        recipient=person["recipient_id"],
        digits=check_digits(person["municipality_id"], person["reference"]),
        same_municipality=person["municipality_id"] == unit["municipality_id"],
        registered=unit["state"],
        life=unit["life"],
        meant_for=unit["meant_for"],
        had_by=unit["had_by"],
        has=unit["has"],
        unit_pairing=of("unit_id"),
        recipient_pairing=of("recipient_id"),
    )


async def view(connection: Connection, pairing: int) -> dict[str, Any]:
    """A pairing as its page shows it. Raises LookupError for one that is not there for this actor."""
    rows = await fetch_all(connection, SQL["view"], {"pairing_id": pairing})
    if not rows:
        raise LookupError(f"pairing {pairing} is unknown")
    return rows[0]


async def pairings_of(connection: Connection, unit: int) -> list[dict[str, Any]]:
    """The last pairings of a unit, newest first, without the steps."""
    return await fetch_all(connection, SQL["of_unit"], {"unit_id": unit})


async def unit_was_moved(connection: Connection, pairing: int, actor: str, at: datetime) -> None:
    """The unit stands somewhere else: the rooms are asked for anew. Raises LookupError, ValueError where it is over."""
    await _act(connection, pairing, "moved", actor, at, decide.moved)


async def ask_again(connection: Connection, pairing: int, actor: str, at: datetime) -> None:
    """What has failed is asked for once more. Raises LookupError, ValueError where the pairing is over."""
    await _act(connection, pairing, "again", actor, at, decide.again)


async def leave_out_old(connection: Connection, pairing: int, why: LeftOut, actor: str, at: datetime) -> None:
    """The old unit cannot be pressed, and why. Raises LookupError, ValueError."""
    await _act(connection, pairing, f"old_{why}", actor, at, lambda found: decide.leave_out_old(found, why))


async def give_up(connection: Connection, pairing: int, reason: str, actor: str, at: datetime) -> None:
    """Ends a pairing without a proof: what was responsible before still is. Raises LookupError, ValueError."""
    row = await _locked(connection, pairing)
    await _abandon(connection, row, reason, actor, at)


async def look(connection: Connection, at: datetime, only: Sequence[int] | None = None) -> tuple[list[int], list[int]]:
    """Which open pairings have something to settle, and which units have not answered an order that was sent: reads
    only. ``only`` narrows to these pairings."""
    rows = [
        row for row in await fetch_all(connection, SQL["open_pairings"]) if only is None or row["pairing_id"] in only
    ]
    if not rows:
        return [], []
    proofs, answers = await _seen(connection, rows)
    due, silent = [], []
    for row in rows:
        found = _pairing(row)
        after, orders = decide.advance(found, _own(proofs, row), _told(answers, row), at)
        if orders or after != found or after.step is None or at - row["started_at"] >= decide.GIVES_UP:
            due.append(row["pairing_id"])
        elif after.step is not None and after.steps[after.step].state == "ordered":
            silent.append(after.steps[after.step].unit)
    return due, silent


async def push_again(connection: Connection, silent: Sequence[int]) -> None:
    """Tells the front doors once more that these units have an order waiting."""
    await connection.execute(SQL["push_again"], {"unit": " ".join(f"{unit:08x}" for unit in silent)})


async def settle(connection: Connection, pairing: int, order: QueueOrder, at: datetime) -> str | None:
    """Moves one pairing on in the caller's transaction; returns what it has become (``active``, ``abandoned``), or None
    while it goes on or where somebody else is at it."""
    rows = await fetch_all(connection, SQL["lock_pairing_if_free"], {"pairing_id": pairing})
    if not rows:
        return None
    row = rows[0]
    if at - row["started_at"] >= decide.GIVES_UP:
        await _abandon(connection, row, GAVE_UP, MACHINE, at)
        return "abandoned"
    proofs, answers = await _seen(connection, rows)
    inputs = [one.input for one in await units.inputs_of(connection, row["unit_id"])]
    found = _pairing(row)
    found = replace(found, steps=found.steps + decide.missing(found, inputs))
    found, orders = decide.advance(found, _own(proofs, row), _told(answers, row), at)
    for one in orders:
        found = await _ordered(connection, found, one, row["started_by"], order, at)
    if decide.done(found, inputs):
        closed = await sunset_store.refusal(connection, row["unit_id"], at)
        if closed is not None:  # its last network has closed since the pairing began
            await _abandon(connection, row, closed, MACHINE, at)
            return "abandoned"
        await _prove(connection, row, found, at)
        return "active"
    await connection.execute(SQL["save"], {"pairing_id": pairing, "steps": Jsonb(written(found.steps)), "at": at})
    return None


async def _ordered(
    connection: Connection, found: Pairing, one: Order, actor: str, order: QueueOrder, at: datetime
) -> Pairing:
    try:
        number = await order(connection, one.unit, one.input, actor, at=at, expires_at=one.until)
    except LookupError:
        return found.with_step(one.place, state="failed", why="not_heard")
    return found.with_step(one.place, number=number)


async def _prove(connection: Connection, row: Mapping[str, Any], found: Pairing, at: datetime) -> None:
    """The unit becomes active and responsible; the one before it is replaced. All of it commits together."""
    proof = decide.proof_id(found)
    zone = (await fetch_all(connection, SQL["zone"], row))[0]["zone"]
    values = {
        "pairing_id": row["pairing_id"], "steps": Jsonb(written(found.steps)), "at": at, "actor": MACHINE,
        "proof": proof, "fee_from": decide.fee_from(at, ZoneInfo(zone)),
    }  # fmt: skip
    await connection.execute(SQL["prove"], values)
    actor = row["started_by"]
    if row["old_unit_id"] is not None and await units.is_relied_on(connection, row["old_unit_id"]):
        await units.change_life(connection, row["old_unit_id"], "replace", actor, at)
    await units.change_life(connection, row["unit_id"], "prove", actor, at, grounds=f"pairing:{row['pairing_id']}")
    detail = {
        "unit": f"{row['unit_id']:08x}",
        "proof": proof,
        "buttons": len({one.input for one in found.steps if one.unit == row["unit_id"]}),
    }
    await _record(connection, actor, "pairing.proven", row["municipality_id"], row["pairing_id"], detail, at)


async def _abandon(connection: Connection, row: Mapping[str, Any], reason: str, actor: str, at: datetime) -> None:
    values = {
        "pairing_id": row["pairing_id"], "steps": Jsonb(row["steps"]), "at": at, "actor": actor, "reason": reason[:200],
    }  # fmt: skip
    await connection.execute(SQL["give_up"], values)
    await units.change_life(connection, row["unit_id"], "abandon", actor, at)
    await _record(connection, actor, "pairing.abandoned", row["municipality_id"], row["pairing_id"], {}, at)


async def _act(
    connection: Connection, pairing: int, what: str, actor: str, at: datetime, change: Callable[[Pairing], Pairing]
) -> None:
    row = await _locked(connection, pairing)
    found = change(_pairing(row))
    await connection.execute(SQL["save"], {"pairing_id": pairing, "steps": Jsonb(written(found.steps)), "at": at})
    await _record(connection, actor, f"pairing.{what}", row["municipality_id"], pairing, {}, at)
    await connection.execute(SQL["announce"])


async def _locked(connection: Connection, pairing: int) -> dict[str, Any]:
    rows = await fetch_all(connection, SQL["lock_pairing"], {"pairing_id": pairing})
    if not rows:
        raise LookupError(f"pairing {pairing} is unknown")
    if rows[0]["state"] != "open":
        raise ValueError("this pairing is over")
    return rows[0]


def _pairing(row: Mapping[str, Any]) -> Pairing:
    return Pairing(row["pairing_id"], row["unit_id"], read(row["steps"]))


async def _seen(
    connection: Connection, rows: Sequence[Mapping[str, Any]]
) -> tuple[list[Proof], dict[tuple[int, int], Answer]]:
    """What has come of these pairings' units: proofs, and answers by unit and order."""
    involved = {row["unit_id"] for row in rows} | {row["old_unit_id"] for row in rows} - {None}
    since = min(row["started_at"] for row in rows)
    proofs = [
        Proof(
            one["unit_id"], one["input"], one["boot"], one["seq"], one["received_at"], one["at"], one["bearer"],
            one["signal"], one["attempt"], one["seconds"],
        )
        for one in await fetch_all(connection, SQL["proofs"], {"units": sorted(involved), "since": since})
    ]  # fmt: skip
    asked = [(step.unit, step.number) for row in rows for step in read(row["steps"]) if step.number is not None]
    columns = {"unit_id": [unit for unit, _ in asked], "number": [number for _, number in asked]}
    answers: dict[tuple[int, int], Answer] = {}
    for one in await fetch_all(connection, SQL["answers"], columns):
        if one["answered_at"] is not None:
            answers[one["unit_id"], one["number"]] = Answer(one["result"], one["answered_at"])
    return proofs, answers


def _own(proofs: Sequence[Proof], row: Mapping[str, Any]) -> list[Proof]:
    return [one for one in proofs if one.unit in (row["unit_id"], row["old_unit_id"])]


def _told(answers: Mapping[tuple[int, int], Answer], row: Mapping[str, Any]) -> dict[int, Answer]:
    """Answers to the orders of this pairing, by number: two units may have orders of one number."""
    asked = [(step.unit, step.number) for step in read(row["steps"]) if step.number is not None]
    return {key[1]: answers[key] for key in asked if key in answers}


async def _record(
    connection: Connection,
    actor: str,
    action: str,
    municipality: int,
    pairing: int,
    detail: Mapping[str, object],
    at: datetime,
) -> None:
    await record(
        connection, actor=actor, action=action, municipality_id=municipality, subject=f"pairing:{pairing}",
        detail=detail, at=at,
    )  # fmt: skip
