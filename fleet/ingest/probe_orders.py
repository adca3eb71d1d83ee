"""Asks a unit for a sign of life: what supervision gives before a person hears of a unit."""

from __future__ import annotations

from datetime import datetime

from fleet.ingest.commands import queue
from fleet.store.pool import Connection
from protocols.wire.messages import COMMAND_STATUS

ACTOR = "machine:supervision"


async def order_probe(connection: Connection, unit: int, at: datetime, expires_at: datetime) -> int:
    """Queues the order to tell its status and returns its number. Raises LookupError for an unknown unit."""
    return await queue(connection, unit, COMMAND_STATUS, None, ACTOR, at=at, expires_at=expires_at)
