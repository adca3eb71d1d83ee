"""The audit's record of what people change about their own way to sign in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from fleet.evidence.audit import record
from fleet.people.model import Actor
from fleet.store.pool import Connection, fetch_all
from fleet.web.tickets import SQL


async def note(connection: Connection, actor: Actor, action: str, detail: Mapping[str, object]) -> None:
    """In the caller's transaction, under the municipality that invited the person. As livlina_login."""
    rows = await fetch_all(connection, SQL["person"], {"user_id": actor.person_id})
    await record(
        connection, actor=actor.name, action=action, municipality_id=rows[0]["municipality_id"] if rows else 0,
        subject=f"person:{actor.person_id}", detail=detail, at=datetime.now(UTC),
    )  # fmt: skip
