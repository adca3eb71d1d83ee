"""The record as people and programs read it: entries of the chain with what their rows say. It never writes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.evidence", "view.sql")


async def entries_before(
    connection: Connection,
    before: int | None,
    most: int,
    *,
    municipality: int | None = None,
    source: str | None = None,
    action: str | None = None,
    actor: str | None = None,
    subject: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[dict[str, Any]]:
    """Entries with a lower position than ``before``, newest first, at most ``most``; ``action`` is a beginning.

    Shape: ``{position, municipality_id, source, key, at, chained_at, action, actor, subject, detail, digest, hash}``;
    action and what follows are None where the content was pruned.
    """
    begins = None if action is None else action.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    values = {
        "before": before, "most": most, "municipality": municipality, "source": source, "action": begins,
        "actor": actor, "subject": subject, "since": since, "until": until,
    }  # fmt: skip
    return await fetch_all(connection, SQL["entries"], values)
