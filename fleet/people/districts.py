"""Districts that change: another name, or an end. A recipient stands in a district by name and by row; both follow."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fleet.evidence.audit import record
from fleet.people.store import PeopleError, place_name
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.people", "districts.sql")


async def rename(connection: Connection, district: int, name: str, *, actor: str, at: datetime) -> dict[str, Any]:
    """Gives it another name, and its recipients with it; returns the row. Raises PeopleError for a name that is none or
    another district's, LookupError."""
    row = await _locked(connection, district)
    wanted = place_name(name)
    values = {"district_id": district, "municipality_id": row["municipality"], "name": wanted, "into": district}
    if wanted != row["name"] and await fetch_all(connection, SQL["of_name"], values):
        raise PeopleError("name", "another district has this name: to join the two, remove this one and name that one")
    await connection.execute(SQL["rename"], values)
    moved = await fetch_all(connection, SQL["move"], values)
    await _note(connection, "district.renamed", row["municipality"], district, actor, at, recipients=len(moved))
    return {**row, "name": wanted}


async def remove(
    connection: Connection, district: int, *, into: int | None, actor: str, at: datetime
) -> dict[str, Any]:
    """Ends it; its recipients go into another district of the same municipality. Without one it must have none that are
    still cared for; those who have left stand in no district then. Returns how many went. Raises PeopleError,
    LookupError."""
    row = await _locked(connection, district)
    other: dict[str, Any] = {"district_id": None, "name": ""}
    if into is not None:
        found = await fetch_all(connection, SQL["lock"], {"district_id": into})
        if into == district or not found or found[0]["municipality"] != row["municipality"]:
            raise PeopleError("into", "recipients go into another district of the same municipality: name one")
        other = {"district_id": into, "name": found[0]["name"]}
    elif row["recipients"]:
        raise PeopleError(
            "recipients", f"{row['recipients']} recipients stand in this district: name the one that they go into"
        )
    values = {"district_id": district, "municipality_id": row["municipality"], **{"name": other["name"]}}
    moved = await fetch_all(connection, SQL["move"], {**values, "into": other["district_id"]})
    await connection.execute(SQL["remove"], values)
    detail = {"into": other["district_id"], "recipients": len(moved)}
    await _note(connection, "district.removed", row["municipality"], district, actor, at, **detail)
    return {"id": district, "into": other["district_id"], "recipients": len(moved)}


async def _locked(connection: Connection, district: int) -> dict[str, Any]:
    rows = await fetch_all(connection, SQL["lock"], {"district_id": district})
    if not rows:
        raise LookupError("there is no such district")
    return dict(rows[0])


async def _note(
    connection: Connection, action: str, municipality: int, district: int, actor: str, at: datetime, **detail: object
) -> None:
    await record(
        connection, actor=actor, action=action, municipality_id=municipality, subject=f"district:{district}",
        detail=detail, at=at,
    )  # fmt: skip
