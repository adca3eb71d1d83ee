"""Asks a unit to take the next press of one input as a test: the order that pairing gives."""

from __future__ import annotations

from datetime import datetime

from fleet.ingest.commands import queue
from fleet.store.pool import Connection
from protocols.wire.messages import COMMAND_DRILL


async def order_test(
    connection: Connection, unit: int, input: int, actor: str, *, at: datetime, expires_at: datetime
) -> int:
    """Queues the order and returns its number; the front doors are told at commit. ``input`` 0 is the unit's own
    button. Raises LookupError for an unknown unit."""
    args = {1: input} if input else None
    return await queue(connection, unit, COMMAND_DRILL, args, actor, at=at, expires_at=expires_at)
