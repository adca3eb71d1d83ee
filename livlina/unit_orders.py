"""``livlina unit command`` and ``livlina unit status``: what a unit is told, and what is known of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from fleet.ingest import commands
from fleet.ingest.arguments import read_command
from fleet.ingest.states import unit_status
from fleet.routines.store import unit_of
from fleet.settings import Settings
from fleet.store.pool import Connection
from livlina.registry_connection import in_registry, note
from protocols.wire.messages import COMMAND_SEARCH

_SEARCH_SECONDS: Final = 1


def unit_number(text: str) -> int:
    """A unit's number from its id. Raises ValueError."""
    if not re.fullmatch(r"[0-9A-Fa-f]{8}", text) or int(text, 16) == 0:
        raise ValueError(f"{text[:40]!a} is no unit id: write 8 hex digits, for example 0000002a")
    return int(text, 16)


def order(
    settings: Settings, unit: str, name: str, words: Sequence[str], *, actor: str, within_s: int | None
) -> dict[str, Any]:
    """Queues a command for a unit; it goes out behind the unit's next message.

    ``within_s``: after so many seconds it is no longer sent. Without it a search is not sent after it would have
    ended; other commands wait until they are answered. Raises ValueError for what is no command, LookupError for an
    unknown unit.
    """
    number = unit_number(unit)
    kind, args = read_command(name, words)
    at = datetime.now(UTC)
    seconds = (args or {}).get(_SEARCH_SECONDS, 0) if kind == COMMAND_SEARCH and within_s is None else within_s
    expires_at = at + timedelta(seconds=seconds) if seconds else None

    async def work(connection: Connection) -> int:
        queued = await commands.queue(connection, number, kind, args, actor, at=at, expires_at=expires_at)
        owner, _ = await unit_of(connection, number)
        await note(connection, "unit.ordered", f"unit:{number:08x}", owner, command=name, number=queued)
        return queued

    queued = in_registry(settings, work)
    return {
        "unit": f"{number:08x}",
        "command": name,
        "number": queued,
        "expires_at": expires_at.isoformat() if expires_at else None,
    }


def status(settings: Settings, unit: str) -> dict[str, Any]:
    """What is known of a unit now. Raises ValueError, LookupError."""
    number = unit_number(unit)

    async def work(connection: Connection) -> dict[str, Any]:
        return await unit_status(connection, number)

    return in_registry(settings, work)
