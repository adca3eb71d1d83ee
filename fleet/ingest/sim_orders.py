"""Orders a unit to a SIM, or to hold a policy for its SIMs: what drills of paths and staged changes give."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fleet.ingest.commands import queue
from fleet.store.pool import Connection
from protocols.wire.messages import COMMAND_SIM_POLICY, COMMAND_SWITCH_SIM


async def order_sim(
    connection: Connection, unit: int, slot: int, actor: str, at: datetime, expires_at: datetime
) -> int:
    """Queues the order to go to SIM slot 1 or 2 and returns its number. Raises LookupError for an unknown unit."""
    return await queue(connection, unit, COMMAND_SWITCH_SIM, {1: slot - 1}, actor, at=at, expires_at=expires_at)


async def order_policy(
    connection: Connection, unit: int, args: Mapping[int, Any], actor: str, at: datetime, expires_at: datetime
) -> int:
    """Queues a SIM policy, pulled at the unit's next heartbeat, and returns its number. Raises LookupError, and
    CommandError where it is too long for one message."""
    return await queue(connection, unit, COMMAND_SIM_POLICY, args, actor, at=at, expires_at=expires_at)
