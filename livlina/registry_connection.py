"""One registry transaction from the command line: opens the database, does the work, commits, closes."""

from __future__ import annotations

import asyncio
import getpass
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

from fleet.evidence.audit import record
from fleet.forwarding.centre_setup import host_and_port, plain_name
from fleet.settings import Settings
from fleet.store.pool import Connection, Duty, make_pool
from livlina.installation import migrate_database, open_database

__all__ = ["console_actor", "host_and_port", "in_registry", "note", "plain_name"]

Result = TypeVar("Result")


def in_registry(settings: Settings, work: Callable[[Connection], Awaitable[Result]]) -> Result:
    """Runs ``work`` in one transaction as the registry duty, on a schema that is up to date."""
    return in_duty(settings, "registry", work)


def in_duty(settings: Settings, duty: Duty, work: Callable[[Connection], Awaitable[Result]]) -> Result:
    """The same as another duty of the server."""
    with open_database(settings) as database:
        migrate_database(database)

        async def run() -> Result:
            async with (
                make_pool(database.app_url, duty, size=1, name="command-line") as pool,
                pool.connection() as connection,
            ):
                return await work(connection)

        return asyncio.run(run())


def console_actor() -> str:
    """Who sits at this machine, as the record names it."""
    try:
        name = re.sub(r"[^A-Za-z0-9_.-]", "", getpass.getuser())[:40]
    except (OSError, KeyError):
        name = ""
    return f"console:{name or 'local'}"


async def note(connection: Connection, action: str, subject: str, municipality: int = 0, **detail: object) -> None:
    """Records what a command has done, in the command's own transaction."""
    await record(
        connection, actor=console_actor(), action=action, municipality_id=municipality, subject=subject, detail=detail,
        at=datetime.now(UTC),
    )  # fmt: skip
