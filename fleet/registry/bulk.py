"""Units and recipients many at a time, in the caller's transaction: all of a file or, where that is asked for, its
sound rows.

It adds what is new and mends what a unit is made of and a recipient's priority, district and protection. It never moves
a known unit on in its life and never gives one to another recipient: those are events with an actor. Keys are no part
of it: a unit that is imported is heard once it has been provisioned.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from fleet.evidence.audit import record
from fleet.registry.bulk_document import PERSON_FIELDS, SEALED, UNIT_FIELDS, Rows, document_of, written_parts
from fleet.registry.secret_box import SecretBox, SecretBoxError
from fleet.registry.transfer_key import TransferKey
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.registry", "bulk.sql")


class TakenElsewhere(ValueError):
    """A number that is new to this connection belongs to a unit that it does not see; the message names it."""


async def check(connection: Connection, rows: Rows) -> None:
    """Holds the rows against the database; those that do not fit are taken out with what to do."""
    places = {row["municipality_id"] for row in await fetch_all(connection, SQL["municipalities"])}
    for kept in (rows.recipients, rows.units):
        for line, row in list(kept.items()):
            if row["municipality"] not in places:
                rows.drop(line, "municipality", "is unknown: add it with `livlina municipality add`")
    await _check_units(connection, rows)
    await _check_recipients(connection, rows)


async def _check_units(connection: Connection, rows: Rows) -> None:
    units = [row["unit"] for row in rows.units.values()]
    known = {row["unit_id"]: row for row in await fetch_all(connection, SQL["known_units"], {"units": units})}
    for line, row in list(rows.units.items()):
        there = known.get(row["unit"])
        row["new"] = there is None
        if there is None:
            continue
        if there["municipality_id"] != row["municipality"]:
            rows.drop(line, "municipality", "the unit belongs to another municipality: return and clean it there first")
        elif there["unit_type"] != row["type"]:
            rows.drop(line, "type", f"the unit is registered as {there['unit_type']}: make it anew, or mend the file")
        elif row["life"] not in (None, there["life"]):
            rows.drop(line, "life", f"the unit is {there['life']}: its life is changed by its events, not by an import")


async def _check_recipients(connection: Connection, rows: Rows) -> None:
    wanted = [(row["municipality"], row["recipient"]) for row in rows.units.values() if row["recipient"] is not None]
    values = {"municipality": [place for place, _ in wanted], "reference": [reference for _, reference in wanted]}
    known = {
        (row["municipality_id"], row["reference"]): row["recipient_id"]
        for row in await fetch_all(connection, SQL["known_recipients"], values)
    }
    here = {(row["municipality"], row["reference"]) for row in rows.recipients.values()}
    numbers = {"recipients": sorted(known.values())}
    has = {
        (row["recipient_id"], row["unit_type"]): row["unit_id"]
        for row in await fetch_all(connection, SQL["responsible"], numbers)
    }
    taken: dict[tuple[int, str, str], int] = {}
    for line, row in list(rows.units.items()):
        if row["recipient"] is None:
            continue
        key = (row["municipality"], row["recipient"])
        if key not in known and key not in here:
            rows.drop(line, "recipient", "is unknown: add a row of kind recipient with this reference")
            continue
        if (row["life"] or "made") not in ("active", "absent"):
            continue
        holder = has.get((known.get(key, 0), row["type"]), row["unit"])
        if holder != row["unit"]:
            rows.drop(
                line, "recipient", f"has unit {holder:08x} of this type already: replace it by pairing the new one"
            )
        elif (*key, row["type"]) in taken:
            rows.drop(line, "recipient", f"has a unit of this type in line {taken[*key, row['type']]} already")
        else:
            taken[*key, row["type"]] = line


STOCK: Final = (None, "made", "in_stock", "assigned")
"""Lives that a unit may have which comes in by the API: nobody relies on it."""


def hold_to_stock(rows: Rows) -> None:
    """Takes out what only comes in by somebody who has just shown who he is: units in use, on other grounds than a
    pairing, and persons. For rows that ``check`` has seen."""
    for line, row in list(rows.units.items()):
        if row["new"] and (row["life"] not in STOCK or row["grounds"] or row["revoked_at"]):
            rows.drop(line, "life", "is neither made, in_stock nor assigned: say that units in the file are in use, or "
                      "pair it")  # fmt: skip
    for line, row in list(rows.recipients.items()):
        if row[SEALED] or any(row[name] for name in PERSON_FIELDS):
            rows.drop(line, "name", "is a person: say that the file holds persons and they are to be sealed")


def unseal(rows: Rows, transfer: TransferKey) -> None:
    """Opens what lies sealed in a file; a row that does not open is taken out."""
    for line, row in list(rows.recipients.items()):
        if row[SEALED]:
            try:
                person = json.loads(transfer.unseal(row[SEALED], row["municipality"], row["reference"]))
            except SecretBoxError as error:
                rows.drop(line, SEALED, str(error))
                continue
            row.update({name: person.get(name) or None for name in PERSON_FIELDS})


async def put(
    connection: Connection, rows: Rows, *, actor: str, at: datetime, grounds: str, box: SecretBox | None = None
) -> dict[str, int]:
    """Writes checked rows; returns how many units and recipients were added and changed, and persons sealed.

    ``grounds`` is what a unit in use is relied on where its row says nothing. Persons are sealed with ``box``; without
    one a row that holds a person is a fault of the caller: ValueError. Raises TakenElsewhere.
    """
    recipients, units = list(rows.recipients.values()), list(rows.units.values())
    persons = [row for row in recipients if row["name"]]
    if persons and box is None:
        raise ValueError("the file holds persons: say that they are meant to be imported")
    counted = await _put_recipients(connection, recipients, at)
    counted |= await _put_units(connection, units, at, grounds, actor)
    counted["persons"] = await _put_persons(connection, persons, box, actor, at) if box is not None else 0
    for place in sorted({row["municipality"] for row in (*recipients, *units)}):
        await record(
            connection, actor=actor, action="fleet.imported", municipality_id=place, subject=f"municipality:{place}",
            detail={**counted, "grounds": grounds}, at=at,
        )  # fmt: skip
    return counted


def _columns(rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> dict[str, list[Any]]:
    kept = list(rows)
    return {name: [row[name] for row in kept] for name in names}


async def _put_recipients(connection: Connection, recipients: list[dict[str, Any]], at: datetime) -> dict[str, int]:
    names = ("municipality", "reference", "priority", "district", "protected", "lives_alone", "made_at", "ended_at")
    full = [
        {**row, "district": row["district"] or "", "protected": bool(row["protected"]), "made_at": row["made_at"] or at}
        for row in recipients
    ]
    written = await fetch_all(connection, SQL["put_recipients"], _columns(full, names))
    added = sum(row["added"] for row in written)
    return {"recipients_added": added, "recipients_changed": len(written) - added}


async def _put_units(
    connection: Connection, units: list[dict[str, Any]], at: datetime, grounds: str, actor: str
) -> dict[str, int]:
    full = [_unit_values(row, at, grounds) for row in units]
    names = tuple(name for name in UNIT_FIELDS if name not in ("inputs", "sims") and not name.startswith("recipient"))
    written = await fetch_all(connection, SQL["put_units"], _columns(full, names))
    added = sum(row["added"] for row in written)
    fresh = [row for row in full if row["new"]]
    there = await fetch_all(connection, SQL["known_units"], {"units": [row["unit"] for row in fresh]})
    hidden = {row["unit"] for row in fresh} - {row["unit_id"] for row in there}
    if hidden:
        raise TakenElsewhere(f"unit {min(hidden):08x} is another municipality's: take its row out, or ask there")
    await connection.execute(
        SQL["put_life_log"],
        {**_columns(fresh, ("unit", "municipality", "life", "life_until")), "at": at, "actor": actor},
    )
    inputs = [
        {"unit": row["unit"], "input": number, "kind": kind, "serial": serial}
        for row in full
        for number, kind, serial in row["inputs"] or ()
    ]
    sims = [
        {"unit": row["unit"], "slot": slot, "iccid": iccid, "issuer": issuer}
        for row in full
        for slot, iccid, issuer in row["sims"] or ()
    ]
    everyone = {"units": [row["unit"] for row in full]}
    for name, parts, columns in (
        ("inputs", inputs, ("unit", "input", "kind", "serial")), ("sims", sims, ("unit", "slot", "iccid", "issuer")),
    ):  # fmt: skip
        values = {**_columns(parts, columns), **everyone}
        await connection.execute(SQL[f"clear_{name}"], values)
        await connection.execute(SQL[f"put_{name}"], values)
    links = [
        {
            "unit": row["unit"], "reference": row["recipient"], "since": row["recipient_since"] or row["life_at"],
            "role": "planned" if row["life"] in ("assigned", "pairing") else "responsible",
        }
        for row in fresh if row["recipient"] is not None
    ]  # fmt: skip
    await connection.execute(SQL["put_links"], _columns(links, ("unit", "reference", "role", "since")))
    await fetch_all(connection, SQL["announce"], {"unit": [row["unit"] for row in full]})
    return {"units_added": added, "units_changed": len(written) - added}


def _unit_values(row: dict[str, Any], at: datetime, grounds: str) -> dict[str, Any]:
    life = row["life"] or "made"
    relied = life in ("active", "absent")
    return {
        **row, "life": life, "life_at": row["life_at"] or at, "made_at": row["made_at"] or at,
        "grounds": row["grounds"] or (grounds if relied else None),
    }  # fmt: skip


async def _put_persons(
    connection: Connection, persons: list[dict[str, Any]], box: SecretBox, actor: str, at: datetime
) -> int:
    if not persons:
        return 0
    places = sorted({row["municipality"] for row in persons})
    rows = await fetch_all(connection, SQL["recipient_numbers"], {"municipalities": places})
    numbers = {(row["municipality_id"], row["reference"]): row["recipient_id"] for row in rows}
    sealed = []
    for row in persons:
        number = numbers[row["municipality"], row["reference"]]
        person = {"name": row["name"], "address": row["address"], "key_note": row["key_note"] or "",
                  "contacts": row["contacts"] or []}  # fmt: skip
        plain = json.dumps(person, ensure_ascii=False, sort_keys=True).encode()
        sealed.append(
            {"recipient": number, "municipality": row["municipality"], "sealed": box.seal_person(plain, number)}
        )
    values = {**_columns(sealed, ("recipient", "municipality", "sealed")), "at": at, "actor": actor}
    await connection.execute(SQL["note_openings"], {**values, "kind": "write", "reason": None})
    await connection.execute(SQL["put_persons"], values)
    return len(sealed)


async def export(connection: Connection, municipalities: Sequence[int] | None = None) -> dict[str, Any]:
    """The fleet as a document, without persons. The connection's own rights say what it holds."""
    recipients, units = await _read(connection, municipalities)
    return document_of(recipients, units)


async def export_with_persons(
    connection: Connection,
    box: SecretBox,
    *,
    actor: str,
    reason: str,
    at: datetime,
    municipalities: Sequence[int] | None,
    transfer: TransferKey | None = None,
) -> dict[str, Any]:
    """As ``export``, with everybody whose identity is not protected; with a transfer key sealed under it, and then with
    the protected ones too. Each is written down as a look for ``reason``, in the same transaction. As the registry's
    duty."""
    recipients, units = await _read(connection, municipalities)
    values = {"municipalities": municipalities, "protected": transfer is not None}
    rows = await fetch_all(connection, SQL["persons"], values)
    values = {"recipient": [row["recipient_id"] for row in rows], "municipality": [row["municipality"] for row in rows]}
    note = {**values, "actor": actor, "at": at, "kind": "break_glass", "reason": reason}
    await connection.execute(SQL["note_openings"], note)
    for place in sorted({row["municipality"] for row in rows}):
        await record(
            connection, actor=actor, action="fleet.persons_exported", municipality_id=place,
            subject=f"municipality:{place}",
            detail={
                "persons": sum(row["municipality"] == place for row in rows), "sealed": transfer is not None,
            }, at=at,
        )  # fmt: skip
    persons = {
        (row["municipality"], row["reference"]): json.loads(box.open_person(bytes(row["sealed"]), row["recipient_id"]))
        for row in rows
    }
    full = []
    for row in recipients:
        key = (row["municipality"], row["reference"])
        shown = {name: persons[key].get(name) or None for name in PERSON_FIELDS} if key in persons else {}
        if transfer is not None and shown:
            plain = json.dumps(shown, ensure_ascii=False, sort_keys=True).encode()
            shown = {SEALED: transfer.seal(plain, *key)}
        full.append({**row, **shown})
    return document_of(full, units)


async def _read(
    connection: Connection, municipalities: Sequence[int] | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    values = {"municipalities": None if municipalities is None else list(municipalities)}
    recipients = await fetch_all(connection, SQL["recipients"], values)
    units = []
    for row in await fetch_all(connection, SQL["units"], values):
        rest = {name: value for name, value in row.items() if name != "unit_id"}
        parts = {name: written_parts(row[name] or ()) for name in ("inputs", "sims")}
        units.append({"unit": f"{row['unit_id']:08x}", **rest, **parts})
    return recipients, units
