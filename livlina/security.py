"""What was noticed of units, what is doubted after a restore, and keys that are renewed: ``livlina security notices``,
``livlina security restored``, ``livlina unit rekey``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fleet.registry import keys
from fleet.settings import Settings
from fleet.store.pool import Connection
from livlina.installation import open_secret_box
from livlina.registry_connection import console_actor, in_registry, note
from livlina.unit_life import number_of
from provisioning.identity import Identity, IdentityError, renew_identity, unit_in


def notices_since(settings: Settings, days: int, unit: str | None) -> list[dict[str, Any]]:
    """What looked like somebody else in a unit's place, newest hour first; of one unit or all. Raises ValueError."""
    only = None if unit is None else number_of(unit)

    async def work(connection: Connection) -> list[dict[str, Any]]:
        rows = await keys.notices(connection, datetime.now(UTC) - timedelta(days=days))
        return [
            {
                "unit": f"{row['unit_id']:08x}",
                "municipality": row["municipality_id"],
                "hour": row["hour"].isoformat(),
                "stale": row["stale"],
                "unproven": row["unproven"],
                "repeated": row["repeated"],
                "moved": row["moved"],
                "first": row["first_at"].isoformat(),
                "last": row["last_at"].isoformat(),
            }
            for row in reversed(rows)
            if only is None or row["unit_id"] == only
        ]

    return in_registry(settings, work)


def say_restored(settings: Settings) -> dict[str, Any]:
    """Somebody says that the database came out of a backup: every key is doubted until its unit has proven that it
    speaks now, and orders that were never answered are not sent again. The servers need no restart."""

    async def work(connection: Connection) -> dict[str, Any]:
        at = datetime.now(UTC)
        doubted = await keys.doubt_all(connection, at)
        await note(connection, "installation.restored", "installation:0", keys=doubted)
        return {"keys": doubted, "since": at.isoformat()}

    return in_registry(settings, work)


def rekey_unit(settings: Settings, unit: str, flash: Path) -> dict[str, Any]:
    """Gives a unit on the bench its next key generation: in the registry, and in the folder that is its flash.

    The folder is written before the commit: a unit whose registry does not know its key yet is refused and tried again,
    and one whose key is registered and nowhere else would be dumb for ever. The old generation ends with the first
    frame under the new one. Raises ValueError, LookupError.
    """
    number = number_of(unit)
    try:
        held = unit_in(flash)
    except IdentityError as error:
        raise ValueError(str(error)) from error
    if held != number:
        raise ValueError(f"{flash} is the flash of unit {held:08x}, not of {number:08x}: nothing was changed")
    box = open_secret_box(settings)

    async def work(connection: Connection) -> dict[str, Any]:
        secret = keys.new_secret()
        generation = await keys.add_generation(connection, box, number, secret, console_actor(), datetime.now(UTC))
        try:
            renew_identity(flash, Identity(number, generation, secret))
        except IdentityError as error:
            raise ValueError(str(error)) from error
        return {"unit": f"{number:08x}", "generation": generation, "flash": str(flash)}

    return in_registry(settings, work)
