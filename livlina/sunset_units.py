"""The units and dates of this installation, for ``livlina plan sunset --database``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from fleet.connectivity import sunset_store
from fleet.connectivity.calendar import Calendar, Row
from fleet.connectivity.sunset_model import Unit
from fleet.settings import Settings
from fleet.store.pool import Connection
from fleet.technicians.store import open_task
from livlina.registry_connection import console_actor, in_registry, note


def units_of_installation(settings: Settings) -> tuple[list[Unit], Calendar]:
    """All units with where they were seen, and the calendar as it was changed here."""

    async def read(connection: Connection) -> tuple[list[Unit], Calendar]:
        dates = await sunset_store.dates(connection)
        return await sunset_store.units(connection), dates

    return in_registry(settings, read)


def open_person_visits(settings: Settings) -> list[int]:
    """A task for each unit in use whose last network has closed; recorded. Returns the units."""

    async def work(connection: Connection) -> list[int]:
        found = await sunset_store.open_person_visits(connection, open_task, console_actor(), datetime.now(UTC))
        await note(connection, "sunset.person_visits", "fleet:all", units=len(found))
        return found

    return in_registry(settings, work)


def keep_date(settings: Settings, row: Row) -> None:
    """Writes a moved date down, with who sits at this machine; recorded."""
    in_registry(settings, lambda c: sunset_store.move_date(c, row, console_actor(), datetime.now(UTC)))


def keep_answers(settings: Settings, units: Sequence[int], technologies: Collection[str]) -> None:
    """What the modems of these units can do by their own answer; recorded. All or none. ValueError, LookupError."""

    async def work(connection: Connection) -> None:
        for unit in units:
            await sunset_store.keep_answer(connection, unit, technologies, console_actor(), datetime.now(UTC))
            await note(connection, "unit.modem_answered", f"unit:{unit:08x}", technologies=sorted(technologies))

    in_registry(settings, work)
