"""One registry transaction from the command line: opens the database, does the work, commits, closes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fleet.settings import Settings
from fleet.store.pool import Connection, make_pool
from livlina.installation import migrate_database, open_database

Result = TypeVar("Result")


def in_registry(settings: Settings, work: Callable[[Connection], Awaitable[Result]]) -> Result:
    """Runs ``work`` in one transaction as the registry duty, on a schema that is up to date."""
    with open_database(settings) as database:
        migrate_database(database)

        async def run() -> Result:
            pool = make_pool(database.app_url, "registry", size=1, name="command-line")
            await pool.open()
            try:
                async with pool.connection() as connection:
                    return await work(connection)
            finally:
                await pool.close()

        return asyncio.run(run())


def host_and_port(text: str) -> tuple[str, int]:
    """``HOST:PORT`` or ``[IPv6]:PORT``. Raises ValueError with what is wrong."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise ValueError(f"{text!r} is no address: write HOST:PORT, for example 192.0.2.10:5683")
    return host, int(port)
