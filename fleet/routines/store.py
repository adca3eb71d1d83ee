"""Routines, roles and routes in PostgreSQL: what holds for a case, and how new versions come in.

Functions take a connection and work inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from fleet.routines import decide
from fleet.routines.document import Change, Entry, check_roles, differences, read_steps
from fleet.routines.model import CENTRES, PRIMARY, Holding, Recipient, Routine, Subject, Window
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.routines")


@dataclass(frozen=True, slots=True)
class RouteCentre:
    """A centre of a route: rank 1 or 2, and how it is doing."""

    rank: int
    centre: int
    name: str
    reports_taken: str
    state: str


@dataclass(frozen=True, slots=True)
class Book:
    """All that is written for one municipality, and for all of them, at whatever time."""

    routines: Sequence[Routine]
    office: Sequence[tuple[int, datetime, Window]]
    holdings: Sequence[Holding]

    def routine(self, subject: Subject, pinned: datetime) -> Routine:
        """The routine of a case that was opened at ``pinned``."""
        return decide.choose(self.routines, self.office, subject, pinned)

    def holders(self, role: str, municipality: int, pinned: datetime, at: datetime) -> list[Holding]:
        """Who of the version of ``pinned`` holds the role ``at``."""
        return decide.holders(self.holdings, role, municipality, pinned, at)


async def book_of(connection: Connection, municipality: int, *, addresses: bool = True) -> Book:
    """What is written for a municipality. Without ``addresses`` nobody's is read: for whoever only shows a chain."""
    place = {"municipalities": [0, municipality]}
    routines = [_routine(row) for row in await fetch_all(connection, SQL["routines"], place)]
    office = [
        (row["municipality_id"], row["valid_from"], Window(row["starts_minute"], row["ends_minute"]))
        for row in await fetch_all(connection, SQL["office_hours"], place)
    ]
    statement = SQL["holdings" if addresses else "holdings_without_addresses"]
    holdings = [_holding(row) for row in await fetch_all(connection, statement, place)]
    return Book(routines, office, holdings)


async def routine_by_id(connection: Connection, routine: int) -> Routine | None:
    """One version by its number."""
    rows = await fetch_all(connection, SQL["routine_by_id"], {"routine_id": routine})
    return _routine(rows[0]) if rows else None


async def route_of(connection: Connection, municipality: int, unit_type: str, at: datetime) -> list[RouteCentre]:
    """Primary and secondary centre, in that order; fewer where a route has fewer."""
    values = {"municipality_id": municipality, "unit_type": unit_type, "at": at}
    rows = await fetch_all(connection, SQL["centres_of_route"], values)
    return [RouteCentre(r["rank"], r["centre_id"], r["name"], r["reports_taken"], r["state"]) for r in rows]


async def explain(connection: Connection, subject: Subject, at: datetime) -> dict[str, Any]:
    """The chain of a case that such a unit would open at ``at``, as plain values: which routine, which centres, who
    is told after how many seconds."""
    book = await book_of(connection, subject.municipality, addresses=False)
    routine = book.routine(subject, at)
    route = await route_of(connection, subject.municipality, subject.unit_type, at)
    steps = []
    for step, after_s in decide.offsets(routine):
        when = at + timedelta(seconds=after_s)
        told: list[dict[str, Any]] = []
        for who in step.tell:
            if who in CENTRES:
                rank = 1 if who == PRIMARY else 2
                names = [{"name": c.name, "channel": "centre", "state": c.state} for c in route if c.rank == rank]
            else:
                holders = book.holders(who, subject.municipality, at, when)
                names = [{"name": h.recipient.name, "channel": h.recipient.channel} for h in holders]
            told.append({"who": who, "holders": names})
        steps.append(
            {"place": step.place, "after_s": after_s, "limit_s": step.limit_s, "next": step.next,
             "say": list(step.say), "tell": told}
        )  # fmt: skip
    return {
        "at": at.isoformat(),
        "municipality": subject.municipality,
        "unit_type": subject.unit_type,
        "priority": subject.priority,
        "routine": {
            "id": routine.routine, "name": routine.name, "hours": routine.hours,
            "valid_from": routine.valid_from.isoformat() if routine.routine is not None else None,
        },
        "centres": [
            {"rank": c.rank, "name": c.name, "state": c.state, "reports_taken": c.reports_taken} for c in route
        ],
        "steps": steps,
    }  # fmt: skip


async def unit_of(connection: Connection, unit: int) -> tuple[int, str]:
    """(municipality, type) of a unit. Raises LookupError."""
    rows = await fetch_all(connection, SQL["unit"], {"unit_id": unit})
    if not rows:
        raise LookupError(f"there is no unit {unit:08x}")
    return rows[0]["municipality_id"], rows[0]["unit_type"]


async def units_by_subject(connection: Connection) -> dict[tuple[int, str], int]:
    """How many active units each municipality has of each type."""
    counts: dict[tuple[int, str], int] = {}
    for row in await fetch_all(connection, SQL["units_of"]):
        key = (row["municipality_id"], row["unit_type"])
        counts[key] = counts.get(key, 0) + 1
    return counts


# Writing ---------------------------------------------------------------------------------------------------------


async def changes_of(
    connection: Connection, entries: Sequence[Entry], at: datetime, *, addresses: bool = True
) -> list[Change]:
    """What a document changes. Without ``addresses``, for a connection that may not read them, a known recipient counts
    as changed whatever its address was. Raises ValueError for what may not be changed, LookupError for what it names in
    vain."""
    existing = await _existing(connection, addresses)
    roles = {(key[0], key[1]) for kind, key in existing if kind == "role"}
    check_roles(entries, roles)
    numbers = {row["municipality_id"] for row in await fetch_all(connection, SQL["municipality_numbers"])}
    centres = {key[0] for kind, key in existing if kind == "centre"}
    recipients = {key for kind, key in existing if kind == "recipient"} | {
        e.key for e in entries if e.kind == "recipient"
    }
    roles |= {(entry.key[0], entry.key[1]) for entry in entries if entry.kind == "role"}
    for entry in entries:
        if entry.kind != "centre" and entry.key[0] not in numbers:
            raise LookupError(f"{entry.kind}: municipality {entry.key[0]} is unknown")
        if entry.kind == "centre" and entry.key[0] not in centres:
            raise LookupError(f"there is no centre {entry.key[0]!r}: add it with `livlina centre add`")
        if entry.kind == "route" and entry.values["centre"] not in centres:
            raise LookupError(f"there is no centre {entry.values['centre']!r}: add it with `livlina centre add`")
        if entry.kind == "recipient" and entry.values["channel"] == "centre" and entry.values["address"] not in centres:
            raise LookupError(f"recipient {entry.key[1]!r}: there is no centre {entry.values['address']!r}")
        if entry.kind == "holder":
            if entry.key[:2] not in roles:
                raise LookupError(f"municipality {entry.key[0]} has no role {entry.key[1]!r}")
            if (entry.values["recipient_municipality"], entry.values["recipient"]) not in recipients:
                raise LookupError(f"there is no recipient {entry.values['recipient']!r}")
    return differences(existing, entries, at)


async def apply(connection: Connection, changes: Sequence[Change], at: datetime) -> None:
    """Writes the rows, in the caller's transaction."""
    centres = {row["name"]: row["centre_id"] for row in await fetch_all(connection, SQL["centre_names"])}
    for change in changes:
        name, values = _statement(change, centres, at)
        await connection.execute(SQL[name], values)


def _statement(change: Change, centres: Mapping[str, int], at: datetime) -> tuple[str, dict[str, Any]]:
    key, after = change.key, dict(change.after)
    if change.kind == "centre":
        return "set_reports_taken", {"centre": key[0], **after}
    if change.kind == "recipient":
        centre = centres[after["address"]] if after["channel"] == "centre" else None
        return "add_recipient", {"municipality_id": key[0], "name": key[1], "centre_id": centre, **after}
    if change.kind == "role":
        return "add_role", {"municipality_id": key[0], "name": key[1], **after}
    if change.kind == "holder":
        return "add_holder", {
            "municipality_id": key[0], "role": key[1], "valid_from": key[2], "starts_minute": key[3], "place": key[4],
            "ends_minute": after["ends"], "recipient": after["recipient"],
            "recipient_municipality_id": after["recipient_municipality"],
        }  # fmt: skip
    if change.kind == "office_hours":
        values = {"municipality_id": key[0], "valid_from": key[1], "starts_minute": key[2]}
        return "add_office_hours", {**values, "ends_minute": after["ends"]}
    if change.kind == "route":
        values = {"municipality_id": key[0], "unit_type": key[1], "rank": key[2], "valid_from": key[3]}
        return "add_route", {**values, "centre": after["centre"]}
    return "add_routine", {
        "municipality_id": key[0], "unit_type": key[1], "priority": key[2], "hours": key[3], "starts_minute": key[4],
        "ends_minute": key[5], "valid_from": key[6], "name": after["name"], "zone": after["zone"],
        "steps": Jsonb(after["steps"]), "made_at": at,
    }  # fmt: skip


async def _existing(connection: Connection, addresses: bool) -> dict[tuple[str, tuple[Any, ...]], Mapping[str, Any]]:
    found: dict[tuple[str, tuple[Any, ...]], Mapping[str, Any]] = {}
    centres = {}
    for row in await fetch_all(connection, SQL["centre_names"]):
        centres[row["centre_id"]] = row["name"]
        found["centre", (row["name"],)] = {"reports_taken": row["reports_taken"]}
    recipients = {}
    key: tuple[Any, ...]
    for row in await fetch_all(connection, SQL["recipients" if addresses else "recipients_without_addresses"]):
        key = (row["municipality_id"], row["name"])
        recipients[row["recipient_id"]] = key
        found["recipient", key] = {name: row[name] for name in ("channel", "address", "language") if name in row}
    roles = {}
    for row in await fetch_all(connection, SQL["roles"]):
        roles[row["role_id"]] = (row["municipality_id"], row["name"])
        found["role", roles[row["role_id"]]] = {"zone": row["zone"]}
    for row in await fetch_all(connection, SQL["holder_rows"]):
        # Who is another municipality's is not seen by everybody: then it is nobody that a document could name.
        municipality, name = recipients.get(row["recipient_id"], (-1, ""))
        found["holder", (*roles[row["role_id"]], row["valid_from"], row["starts_minute"], row["place"])] = {
            "ends": row["ends_minute"], "recipient": name, "recipient_municipality": municipality,
        }  # fmt: skip
    every = await fetch_all(connection, SQL["municipality_numbers"])
    place = {"municipalities": [row["municipality_id"] for row in every]}
    for row in await fetch_all(connection, SQL["office_hours"], place):
        key = (row["municipality_id"], row["valid_from"], row["starts_minute"])
        found["office_hours", key] = {"ends": row["ends_minute"]}
    for row in await fetch_all(connection, SQL["route_rows"]):
        key = (row["municipality_id"], row["unit_type"], row["rank"], row["valid_from"])
        found["route", key] = {"centre": centres.get(row["centre_id"])}
    for row in await fetch_all(connection, SQL["routines"], place):
        key = (
            row["municipality_id"], row["unit_type"], row["priority"], row["hours"], row["starts_minute"],
            row["ends_minute"], row["valid_from"],
        )  # fmt: skip
        found["routine", key] = {name: row[name] for name in ("name", "zone", "steps")}
    return found


def _routine(row: Mapping[str, Any]) -> Routine:
    return Routine(
        row["routine_id"], row["municipality_id"], row["name"], row["unit_type"], row["priority"], row["hours"],
        Window(row["starts_minute"], row["ends_minute"]), row["zone"], row["valid_from"], read_steps(row["steps"]),
    )  # fmt: skip


def _holding(row: Mapping[str, Any]) -> Holding:
    recipient = Recipient(
        row["recipient_id"], row["recipient"], row["channel"], row["address"], row["centre_id"], row["language"]
    )
    window = Window(row["starts_minute"], row["ends_minute"])
    return Holding(row["role"], row["municipality_id"], row["zone"], row["valid_from"], window, row["place"], recipient)
