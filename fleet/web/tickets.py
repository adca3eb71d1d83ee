"""One question to a browser, answered once: the challenge of a passkey, or a way to an identity provider and back.

The browser holds a random ticket in a cookie; we keep its SHA-256 and what it is for. Whoever answers must hold the
ticket, so an answer that was caught elsewhere opens nothing here.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from fleet.people.store import secret_hash
from fleet.store.pool import Connection, Pool, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.web", "sign_in.sql")

TICKET_LIFE_S = 5 * 60
WAY_LIFE_S = 10 * 60
_BYTES = 32


class TicketGone(RuntimeError):
    """The ticket is unknown, was answered already, or is too old: begin again."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a ticket was for."""

    purpose: str
    person: int | None
    session_hash: bytes | None
    provider: int | None
    challenge: bytes
    goal: str
    ends: float
    """When it would have ended, as Unix time."""


async def make_ticket(
    pool: Pool, purpose: str, *, person: int | None = None, session_hash: bytes | None = None,
    provider: int | None = None, challenge: bytes = b"", goal: str = "", life_s: float = TICKET_LIFE_S,
) -> str:  # fmt: skip
    """A new ticket for the browser's cookie."""
    ticket = secrets.token_urlsafe(_BYTES)
    values = {
        "ticket_hash": secret_hash(ticket), "purpose": purpose, "user_id": person, "session_hash": session_hash,
        "provider_id": provider, "challenge": challenge, "goal": goal, "life": life_s,
    }  # fmt: skip
    async with pool.connection() as connection, connection.transaction():
        await connection.execute(SQL["forget_tickets"])
        await connection.execute(SQL["make_ticket"], values)
    return ticket


async def take_ticket(connection: Connection, ticket: str | None, purposes: Iterable[str]) -> Ticket:
    """What the ticket was for; it is used up then. Raises TicketGone.

    The caller commits before it looks at the answer, so that a wrong answer uses the ticket up too.
    """
    if not ticket or len(ticket) > 2 * _BYTES or not ticket.isascii():
        raise TicketGone
    values = {"ticket_hash": secret_hash(ticket), "purposes": list(purposes)}
    rows = await fetch_all(connection, SQL["take_ticket"], values)
    if not rows or not rows[0]["good"]:
        raise TicketGone
    row = rows[0]
    session = None if row["session_hash"] is None else bytes(row["session_hash"])
    return Ticket(row["purpose"], row["user_id"], session, row["provider_id"], bytes(row["challenge"]), row["goal"],
                  row["ends"])  # fmt: skip
