"""``livlina centre add``: where a municipality's alarms go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fleet.registry import store as registry
from fleet.settings import Settings
from fleet.store.pool import Connection
from livlina.registry_connection import host_and_port, in_registry, plain_name


def add_centre(settings: Settings, name: str, to: str, municipalities: Sequence[int]) -> dict[str, Any]:
    """Adds or changes a DC-09 centre and routes these municipalities to it.

    Raises ValueError for an unfit name or address, LookupError for an unknown municipality.
    """
    plain_name(name)
    host, port = host_and_port(to)

    async def work(connection: Connection) -> int:
        missing = sorted(set(municipalities) - await registry.known_municipalities(connection))
        if missing:
            raise LookupError(f"municipality {missing[0]} is unknown: add it with `livlina municipality add`")
        centre = await registry.add_centre(connection, name=name, protocol="dc09", host=host, port=port)
        for municipality in sorted(set(municipalities)):
            await registry.route_to(connection, municipality, centre)
        return centre

    centre = in_registry(settings, work)
    return {"centre": centre, "name": name, "protocol": "dc09", "to": to, "municipalities": list(municipalities)}
