"""What is known of a unit now, for people: state, status, conditions, open tasks and commands, without positions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fleet.ingest.arguments import NAMES, RESULTS
from fleet.ingest.commands import commands_of
from fleet.ingest.reports import STATUS_COLUMNS
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from fleet.technicians.store import conditions, tasks

SQL = read_statements("fleet.ingest")

BEARERS = {0: "unknown", 1: "Wi-Fi", 2: "Ethernet", 3: "SIM 1", 4: "SIM 2", 5: "SMS"}
RADIOS = {1: "GSM", 2: "UMTS", 3: "LTE", 4: "LTE-M", 5: "NB-IoT", 6: "Wi-Fi", 7: "Ethernet"}
_PLAIN = ("transport", "boot", "seq", "battery", "signal", "attempts", "open_presses", "refused", "operator")


async def unit_status(connection: Connection, unit: int) -> dict[str, Any]:
    """Everything at one moment. Raises LookupError for an unknown unit.

    ``state`` and ``status`` are None for a unit that was never heard, or that has never sent a status.
    """
    rows = await fetch_all(connection, SQL["unit_state"], {"unit_id": unit})
    if not rows:
        raise LookupError(f"unit {unit:08x} is unknown: `livlina unit add` makes one")
    row = rows[0]
    return {
        "unit": f"{unit:08x}",
        "type": row["unit_type"],
        "registered": row["registered"],
        "municipality": row["municipality"],
        "state": _state(row) if row["seen_at"] is not None else None,
        "status": _status(row) if row["status_at"] is not None else None,
        "conditions": await conditions(connection, unit),
        "tasks": await tasks(connection, unit=unit),
        "commands": [_named(command) for command in await commands_of(connection, unit)],
    }


def _state(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "seen_at": _iso(row["seen_at"]),
        "due_at": _iso(row["due_at"]),
        **{name: row[name] for name in _PLAIN},
        "bearer": BEARERS.get(row["bearer"], row["bearer"]),
        "radio": RADIOS.get(row["radio"], row["radio"]),
        "flags": row["flags"],
    }


def _status(row: Mapping[str, Any]) -> dict[str, Any]:
    said = {name: row[name] for name in STATUS_COLUMNS if row[name] is not None}
    if "journal" in said:
        said["journal"] = bytes(said["journal"]).hex()
    return {"at": _iso(row["status_at"]), **said}


def _named(command: dict[str, Any]) -> dict[str, Any]:
    result = command["result"]
    return command | {
        "kind": NAMES.get(command["kind"], command["kind"]),
        "result": RESULTS.get(result, result) if result is not None else None,
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None
