"""One registry transaction from the command line: opens the database, does the work, commits, closes."""

from __future__ import annotations

import asyncio
import getpass
import ipaddress
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

from fleet.evidence.audit import record
from fleet.settings import Settings
from fleet.store.pool import Connection, make_pool
from livlina.installation import migrate_database, open_database

Result = TypeVar("Result")
LONGEST_NAME = 100


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


def host_and_port(text: str, least: int = 1) -> tuple[str, int]:
    """``HOST:PORT`` or ``[IPv6]:PORT``, the port at least ``least``. Raises ValueError with what is wrong."""
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,253})):([0-9]{1,5})", text)
    if found is None or not least <= int(found[3]) <= 65535:
        raise ValueError(f"{_shown(text)} is no address: write HOST:PORT, for example 192.0.2.10:5683")
    if found[1] is not None:
        try:
            ipaddress.IPv6Address(found[1])
        except ValueError:
            raise ValueError(f"{_shown(text)} is no IPv6 address with a port: write [2001:db8::1]:5683") from None
    return found[1] or found[2], int(found[3])


def plain_name(text: str) -> str:
    """A name that people read in one line. Raises ValueError for one that is empty, longer or not printable."""
    if not text.strip() or text != text.strip() or not text.isprintable() or len(text) > LONGEST_NAME:
        raise ValueError(
            f"{_shown(text)} is no name: write 1 to {LONGEST_NAME} printable characters, without blanks at the ends"
        )
    return text


def _shown(text: str) -> str:
    return ascii(text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "...")
