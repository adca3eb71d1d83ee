"""The record of actions: one row, written in the transaction of the action itself.

It decides nothing about the action and takes no lock: rows get their place in the chain a moment later
(``chainer.py``), so that no alarm ever waits for evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from psycopg.types.json import Jsonb

from fleet.evidence.decide import checked_detail
from fleet.store.pool import Connection
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.evidence", "audit.sql")


async def record(
    connection: Connection,
    *,
    actor: str,
    action: str,
    municipality_id: int,
    subject: str,
    detail: Mapping[str, object],
    at: datetime,
) -> None:
    """Writes one record inside the caller's transaction: action and record commit together or not at all.

    ``action`` has dots (``unit.activated``); ``actor`` and ``subject`` are ``kind:id`` (``person:17``,
    ``unit:0000002a``); ``detail`` holds identifiers, states, numbers and times. Raises RecordError (a ValueError) for
    anything that could be personal data: names, addresses, free text.
    """
    stored = checked_detail(actor, action, subject, detail)
    await connection.execute(
        SQL["record"],
        {
            "municipality_id": municipality_id, "at": at, "actor": actor, "action": action, "subject": subject,
            "detail": Jsonb(stored),
        },
    )  # fmt: skip
