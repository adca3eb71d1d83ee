"""``livlina municipality add``, ``municipality positions``: a tenant, and whether its units' positions leave it."""

from __future__ import annotations

from typing import Any

from fleet.registry import store as registry
from fleet.settings import Settings
from fleet.store.pool import Connection
from livlina.registry_connection import in_registry, note, plain_name


def add_municipality(settings: Settings, number: int, name: str) -> dict[str, Any]:
    """Adds the municipality or renames it. Raises ValueError for an unfit name."""
    plain_name(name)

    async def work(connection: Connection) -> None:
        await registry.add_municipality(connection, number, name)
        await note(connection, "municipality.named", f"municipality:{number}", number)

    in_registry(settings, work)
    return {"municipality": number, "name": name}


def let_positions_go(settings: Settings, number: int, allowed: bool) -> dict[str, Any]:
    """Whether alarm centres are told where this municipality's units are. Raises LookupError for an unknown one."""

    async def work(connection: Connection) -> None:
        await registry.let_positions_go(connection, number, allowed)
        action = "municipality.positions_go" if allowed else "municipality.positions_stay"
        await note(connection, action, f"municipality:{number}", number)

    in_registry(settings, work)
    return {"municipality": number, "positions": allowed}
