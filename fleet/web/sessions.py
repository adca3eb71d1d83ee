"""Log-ins in PostgreSQL: checking a password, starting, finding and ending a session."""

from __future__ import annotations

import asyncio
import hashlib
import math
import secrets
from dataclasses import dataclass

from argon2.exceptions import InvalidHashError, VerificationError

from fleet.registry.store import PASSWORDS
from fleet.store.pool import Connection, Pool, fetch_all
from fleet.store.sql_file import read_statements
from fleet.web.decide import count_attempt
from fleet.web.model import Session, Timings

SQL = read_statements("fleet.web")

_TOKEN_BYTES = 32
_LONGEST_LOGIN = 64
# Each check takes 46 MiB: more than this many at once would let a stranger fill the memory.
_CHECKS_AT_ONCE = 2


class TooManyAttempts(RuntimeError):
    """This name has failed too often of late; ``retry_after`` is in whole seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many failed log-ins: try again in {retry_after} s")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class _User:
    user: int
    municipality: int
    password_hash: str


class Sessions:
    """Who is logged in. Every process of the server sees the same, because the database decides."""

    def __init__(self, pool: Pool, timings: Timings) -> None:
        self._pool = pool
        self._timings = timings
        self._checks = asyncio.Semaphore(_CHECKS_AT_ONCE)
        # Checked where a name is unknown, so that the answer takes as long as for a known one.
        self._nobody = PASSWORDS.hash(secrets.token_urlsafe())

    async def log_in(self, login: str, password: str, old_token: str | None = None) -> str | None:
        """The token of a new session, or None for a wrong name or password, which cannot be told apart.

        ``old_token``, a session of the same browser, ends. Raises TooManyAttempts, psycopg.Error.
        """
        login = login.strip().lower()
        plausible = bool(login) and len(login) <= _LONGEST_LOGIN and login.isascii() and login.isprintable()
        user = await self._user_to_check(login) if plausible else None
        async with self._checks:
            fits = await asyncio.to_thread(_fits, user.password_hash if user else self._nobody, password)
        if user is None or not fits:
            return None
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(SQL["forget_failures"], {"login": login})
            await self._end(connection, old_token)
            await connection.execute(
                SQL["start_session"],
                {"token_hash": _hash(token), "user_id": user.user, "municipality_id": user.municipality},
            )
        return token

    async def find(self, token: str | None) -> Session | None:
        """The session of a cookie if it is still good; finding it counts as use."""
        if not token or len(token) > 2 * _TOKEN_BYTES or not token.isascii():
            return None
        async with self._pool.connection() as connection:
            rows = await fetch_all(connection, SQL["session"], {"token_hash": _hash(token), **self.limits})
            if not rows:
                return None
            row = rows[0]
            if row["stale"]:
                await connection.execute(SQL["use_session"], {"token_hash": row["token_hash"]})
        return Session(
            bytes(row["token_hash"]), row["user_id"], row["login"], tuple(row["municipalities"]), row["ends_at"]
        )

    async def log_out(self, token: str | None) -> bytes | None:
        """Ends the session of a cookie; returns its hash, so that its streams can be cut."""
        if not token:
            return None
        async with self._pool.connection() as connection:
            await self._end(connection, token)
        return _hash(token)

    @property
    def limits(self) -> dict[str, float]:
        """The two time limits as statement parameters."""
        return {"absolute": self._timings.absolute, "idle": self._timings.idle}

    async def _end(self, connection: Connection, token: str | None) -> None:
        await connection.execute(SQL["end_sessions"], {"token_hash": _hash(token or ""), **self.limits})

    async def _user_to_check(self, login: str) -> _User | None:
        """Counts the attempt first, under the row's lock, whether the name exists or not."""
        async with self._pool.connection() as connection, connection.transaction():
            rows: list[dict[str, float]] = []
            while not rows:  # another process may forget the name's failures in between
                await connection.execute(SQL["note_login"], {"login": login})
                rows = await fetch_all(connection, SQL["failures_of_login"], {"login": login})
            failures, wait = count_attempt(int(rows[0]["failures"]), rows[0]["since_s"])
            if wait > 0:
                raise TooManyAttempts(math.ceil(wait))
            await connection.execute(SQL["count_failure"], {"login": login, "failures": failures})
            users = await fetch_all(connection, SQL["user_of_login"], {"login": login})
        if not users:
            return None
        return _User(users[0]["user_id"], users[0]["municipality_id"], users[0]["password_hash"])


def _fits(password_hash: str, password: str) -> bool:
    try:
        return PASSWORDS.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
