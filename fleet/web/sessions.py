"""Log-ins in PostgreSQL: checking a password, starting, finding and ending a session."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
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
_BROWSER_BYTES = 16
_LONGEST_LOGIN = 64
# Each check takes 46 MiB: more than this many at once would let a stranger fill the memory. Known browsers have as many
# to themselves, so that a flood of strangers' attempts does not keep them waiting.
_CHECKS_AT_ONCE = 2


class TooManyAttempts(RuntimeError):
    """This name has failed too often of late; ``retry_after`` is in whole seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many failed log-ins: try again in {retry_after} s")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A new session's token, and what the browser keeps to be known by at the next log-in under this name."""

    token: str
    browser: str


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
        self._strangers_checks = asyncio.Semaphore(_CHECKS_AT_ONCE)
        self._known_checks = asyncio.Semaphore(_CHECKS_AT_ONCE)
        # Checked where a name is unknown, so that the answer takes as long as for a known one.
        self._nobody = PASSWORDS.hash(secrets.token_urlsafe())

    async def log_in(
        self, login: str, password: str, *, old_token: str | None = None, browser: str | None = None
    ) -> LoggedIn | None:
        """A new session, or None for a wrong name or password, which cannot be told apart.

        ``old_token``, a session of the same browser, ends. ``browser`` is what an earlier log-in under this name left
        there: its failures are counted apart from everybody else's. Raises TooManyAttempts, psycopg.Error.
        """
        login = login_name(login)
        user = await self._user(login) if _is_plausible(login) else None
        guesser = _guesser(login, user, browser)
        if _is_plausible(login):
            await self._count_attempt(guesser)
        async with self._strangers_checks if guesser == login else self._known_checks:
            fits = await asyncio.to_thread(_fits, user.password_hash if user else self._nobody, password)
        if user is None or not fits:
            return None
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(SQL["forget_failures"], {"login": guesser})
            await self._end(connection, old_token)
            await connection.execute(
                SQL["start_session"],
                {"token_hash": _hash(token), "user_id": user.user, "municipality_id": user.municipality},
            )
        return LoggedIn(token, _browser_of(login, user.password_hash))

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

    async def _count_attempt(self, guesser: str) -> None:
        """Counts the attempt before the password is looked at, under the row's lock, whether the name exists or not."""
        async with self._pool.connection() as connection, connection.transaction():
            rows: list[dict[str, float]] = []
            while not rows:  # another process may forget the failures in between
                await connection.execute(SQL["note_login"], {"login": guesser})
                rows = await fetch_all(connection, SQL["failures_of_login"], {"login": guesser})
            failures, wait = count_attempt(int(rows[0]["failures"]), rows[0]["since_s"])
            if wait > 0:
                raise TooManyAttempts(math.ceil(wait))
            await connection.execute(SQL["count_failure"], {"login": guesser, "failures": failures})

    async def _user(self, login: str) -> _User | None:
        async with self._pool.connection() as connection:
            users = await fetch_all(connection, SQL["user_of_login"], {"login": login})
        if not users:
            return None
        return _User(users[0]["user_id"], users[0]["municipality_id"], users[0]["password_hash"])


def login_name(login: str) -> str:
    """A name as it is kept, of a name as it is typed."""
    return login.strip().lower()


def browser_cookie(login: str) -> str:
    """The cookie that a browser is known by under this name: one a name, since consoles are shared over the shifts."""
    return "livlina_browser_" + hashlib.sha256(login_name(login).encode()).hexdigest()[:16]


def _is_plausible(login: str) -> bool:
    return bool(login) and len(login) <= _LONGEST_LOGIN and login.isascii() and login.isprintable() and " " not in login


def _browser_of(login: str, password_hash: str) -> str:
    """A random name for the browser, and the proof that we gave it. A new password makes every browser a stranger."""
    name = secrets.token_hex(_BROWSER_BYTES)
    return f"{name}.{_proof(name, login, password_hash)}"


def _proof(name: str, login: str, password_hash: str) -> str:
    return hmac.new(password_hash.encode(), f"livlina browser {name} {login}".encode(), hashlib.sha256).hexdigest()


def _guesser(login: str, user: _User | None, browser: str | None) -> str:
    """Whose failures an attempt counts among: this known browser's (no login holds a space), or all strangers'."""
    name, _, proof = (browser or "").partition(".")
    if user is None or not (browser or "").isascii() or len(name) != 2 * _BROWSER_BYTES:
        return login
    return f"{login} {name}" if hmac.compare_digest(proof, _proof(name, login, user.password_hash)) else login


def _fits(password_hash: str, password: str) -> bool:
    try:
        return PASSWORDS.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
