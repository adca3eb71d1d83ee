"""Sessions in PostgreSQL: starting, finding and ending them, and how long ago a person showed who they are."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from fleet.evidence.audit import record
from fleet.people.decide import held_roles, within_permission
from fleet.people.model import Actor, Grant
from fleet.people.store import grant_of, read_plan, secret_hash, token_actor
from fleet.store.pool import Connection, Pool, fetch_all
from fleet.store.sql_file import read_statements
from fleet.web.model import Session, Timings

SQL = read_statements("fleet.web")

_TOKEN_BYTES = 32


class Sessions:
    """Who is signed in. Every process of the server sees the same, because the database decides."""

    def __init__(self, pool: Pool, timings: Timings) -> None:
        self._pool = pool
        self._timings = timings

    async def start(self, person: int, method: str, *, old_token: str | None = None) -> str:
        """A new session's token. ``old_token``, a session of the same browser, ends: a token that somebody planted
        there beforehand is worth nothing afterwards. Raises LookupError for a person who is not there, or closed."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        async with self._pool.connection() as connection, connection.transaction():
            await self._end(connection, old_token)
            values = {"token_hash": secret_hash(token), "user_id": person, "method": method}
            rows = await fetch_all(connection, SQL["start_session"], values)
            if not rows:
                raise LookupError("there is no such person, or they are closed")
            await record(
                connection, actor=f"person:{person}", action="person.signed_in", subject=f"person:{person}",
                municipality_id=rows[0]["municipality_id"], detail={"method": method}, at=datetime.now(UTC),
            )  # fmt: skip
        return token

    async def find(self, token: str | None, *, own_cookie: bool = True, used: bool = True) -> Session | None:
        """The session of a cookie if it is still good; finding it counts as use, unless a page only looks again.

        ``own_cookie`` False: the cookie had the name of the release before, so only a session of that release counts.
        """
        if not token or len(token) > 2 * _TOKEN_BYTES or not token.isascii():
            return None
        at = datetime.now(UTC)
        async with self._pool.connection() as connection:
            rows = await fetch_all(connection, SQL["session"], {"token_hash": secret_hash(token), **self.limits})
            if not rows or (not own_cookie and rows[0]["stepped_up_at"] is not None):
                return None
            row = rows[0]
            held = (await self._held(connection, rows, at))[0]
            if used and row["stale"]:
                await connection.execute(SQL["use_session"], {"token_hash": row["token_hash"]})
        return Session(
            token_hash=bytes(row["token_hash"]), user=row["user_id"], login=row["login"],
            municipalities=_consoles(held), ends_at=row["ends_at"], number=row["session_id"],
            name=row["display_name"] or row["login"], method=row["method"], stepped_up_at=row["stepped_up_at"],
            held=held,
        )  # fmt: skip

    async def find_token(self, token: str) -> Actor | None:
        """Who comes with an API token, or None for one that is unknown, expired or revoked."""
        async with self._pool.connection() as connection:
            return await token_actor(connection, token, datetime.now(UTC))

    async def valid(self, token_hashes: Sequence[bytes]) -> dict[bytes, tuple[int, ...]]:
        """Of these sessions those that are good, each with the municipalities whose alarms it may show now."""
        async with self._pool.connection() as connection:
            rows = await fetch_all(connection, SQL["valid_sessions"], {"token_hash": list(token_hashes), **self.limits})
            held = await self._held(connection, rows, datetime.now(UTC))
        return {bytes(row["token_hash"]): _consoles(mine) for row, mine in zip(rows, held, strict=True)}

    async def log_out(self, token: str | None) -> bytes | None:
        """Ends the session of a cookie; returns its hash, so that its streams can be cut."""
        if not token:
            return None
        async with self._pool.connection() as connection, connection.transaction():
            found = await fetch_all(connection, SQL["session"], {"token_hash": secret_hash(token), **self.limits})
            await self._end(connection, token)
            if found:
                await self._record_end(connection, found[0]["user_id"], found[0]["municipality_id"], 1)
        return secret_hash(token)

    async def log_out_everywhere(self, person: int, *, but: bytes | None = None) -> list[bytes]:
        """Ends all sessions of a person, except the one of the hash ``but``; returns their hashes."""
        async with self._pool.connection() as connection, connection.transaction():
            rows = await fetch_all(connection, SQL["end_all"], {"user_id": person, "but": but or b""})
            if rows:
                await self._record_end(connection, person, rows[0]["municipality_id"], len(rows))
        return [bytes(row["token_hash"]) for row in rows]

    async def of_person(self, person: int) -> list[dict[str, Any]]:
        """The sessions of a person that are good, the one used last first: number, method, made_at, used_at."""
        async with self._pool.connection() as connection:
            return await fetch_all(connection, SQL["sessions_of"], {"user_id": person, **self.limits})

    async def step_up(self, token_hash: bytes, person: int, method: str) -> None:
        """The person of this session has just shown once more who they are. Raises LookupError where it has ended."""
        async with self._pool.connection() as connection, connection.transaction():
            values = {"token_hash": token_hash, "user_id": person}
            rows = await fetch_all(connection, SQL["step_up"], values)
            if not rows:
                raise LookupError("the session has ended")
            await record(
                connection, actor=f"person:{person}", action="person.stepped_up", subject=f"person:{person}",
                municipality_id=rows[0]["municipality_id"], detail={"method": method}, at=datetime.now(UTC),
            )  # fmt: skip

    @property
    def limits(self) -> dict[str, float]:
        """The two time limits as statement parameters."""
        return {"absolute": self._timings.absolute, "idle": self._timings.idle}

    async def _end(self, connection: Connection, token: str | None) -> None:
        await connection.execute(SQL["end_sessions"], {"token_hash": secret_hash(token or ""), **self.limits})

    async def _record_end(self, connection: Connection, person: int, municipality: int, sessions: int) -> None:
        await record(
            connection, actor=f"person:{person}", action="person.signed_out", subject=f"person:{person}",
            municipality_id=municipality, detail={"sessions": sessions}, at=datetime.now(UTC),
        )  # fmt: skip

    async def _held(
        self, connection: Connection, rows: Sequence[dict[str, Any]], at: datetime
    ) -> list[tuple[tuple[int, frozenset[str]], ...]]:
        grants: list[tuple[Grant, ...]] = [tuple(grant_of(*grant) for grant in row["grants"]) for row in rows]
        plan = await read_plan(connection, [grant for some in grants for grant in some])
        return [held_roles(some, plan, at) for some in grants]


def actor_of_session(session: Session) -> Actor:
    """The person of a session with everything they hold, not narrowed to a permission yet."""
    return Actor(
        name=f"person:{session.user}",
        roles=frozenset().union(*(roles for _, roles in session.held)),
        municipalities=tuple(place for place, _ in session.held),
        stepped_up_at=session.stepped_up_at,
        person_id=session.user,
        held=session.held,
    )


def _consoles(held: tuple[tuple[int, frozenset[str]], ...]) -> tuple[int, ...]:
    everything = frozenset().union(*(roles for _, roles in held))
    actor = Actor("console:local", everything, tuple(place for place, _ in held), held=held)
    return within_permission(actor, "cases.read").municipalities if held else ()
