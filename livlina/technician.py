"""``livlina technician``: what somebody must see to at a unit, and that it has been done."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fleet.settings import Settings
from fleet.store.pool import Connection
from fleet.technicians import drills
from fleet.technicians import store as technicians
from livlina.registry_connection import in_registry, note, plain_name


def list_tasks(settings: Settings, *, closed: bool) -> dict[str, Any]:
    """All open tasks, oldest first; with ``closed`` the closed ones too."""

    async def work(connection: Connection) -> list[dict[str, Any]]:
        return await technicians.tasks(connection, closed=closed)

    return {"tasks": in_registry(settings, work)}


def close_task(settings: Settings, task: int, actor: str) -> dict[str, Any]:
    """Closes a task in somebody's name. Raises LookupError where it is not open, ValueError for an unfit name."""
    plain_name(actor)

    async def work(connection: Connection) -> dict[str, Any]:
        closed = await technicians.close_task(connection, task, actor, datetime.now(UTC))
        await note(connection, "task.closed", f"task:{task}", closed["municipality_id"])
        return closed

    return in_registry(settings, work)


def drill_report(settings: Settings, since: datetime, until: datetime) -> dict[str, Any]:
    """What tests of this time have proven, and what has become of the drills that were ordered."""

    async def work(connection: Connection) -> dict[str, Any]:
        return await drills.report(connection, since, until, datetime.now(UTC))

    return in_registry(settings, work)
