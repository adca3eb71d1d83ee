"""``livlina municipality add``: a tenant."""

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
