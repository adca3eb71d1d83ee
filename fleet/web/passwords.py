"""Passwords: who a name and a password are, at the same price for unknown names, and how often one may try."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import math
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from argon2.exceptions import InvalidHashError, VerificationError

from fleet.evidence.audit import record
from fleet.people.model import Actor
from fleet.registry.store import PASSWORDS
from fleet.store.pool import Connection, Pool, fetch_all
from fleet.store.sql_file import read_statements
from fleet.web.decide import count_attempt

SQL = read_statements("fleet.web")

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 200
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
class Known:
    """Whose password it was. ``browser`` is what the browser keeps to be known by at the next sign-in."""

    person: int
    municipality: int
    second_step: bool
    browser: str


@dataclass(frozen=True, slots=True)
class _User:
    user: int
    municipality: int
    password_hash: str
    second_step: bool


@cache
def _nobodys() -> str:
    """Checked where a name is unknown, so that the answer takes as long as for a known one."""
    return PASSWORDS.hash(secrets.token_urlsafe())


class Passwords:
    """Checks passwords. The counts of failures lie in the database, so all processes share them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._strangers_checks = asyncio.Semaphore(_CHECKS_AT_ONCE)
        self._known_checks = asyncio.Semaphore(_CHECKS_AT_ONCE)
        self._nobody = _nobodys()

    async def check(self, login: str, password: str, *, browser: str | None = None) -> Known | None:
        """Whose they are, or None for a wrong name or password, which cannot be told apart.

        ``browser`` is what an earlier sign-in under this name left there: its failures are counted apart from
        everybody else's. Raises TooManyAttempts, psycopg.Error.
        """
        login = login_name(login)
        user = await self._user(login) if _is_plausible(login) else None
        guesser = _guesser(login, user, browser)
        if _is_plausible(login):
            await self._count_attempt(guesser)
        async with self._strangers_checks if guesser == login else self._known_checks:
            fits = await asyncio.to_thread(_fits, user.password_hash if user else self._nobody, password)
        if user is None:
            return None
        if not fits:
            await self._note_failure(user)
            return None
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(SQL["forget_failures"], {"login": guesser})
        return Known(user.user, user.municipality, user.second_step, _browser_of(login, user.password_hash))

    async def set_password(self, connection: Connection, actor: Actor, person: int, password: str) -> None:
        """A new password, inside the caller's transaction. Raises ValueError for one that is too short or too long."""
        if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
            raise ValueError(f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
        hashed = await asyncio.to_thread(PASSWORDS.hash, password)
        rows = await fetch_all(connection, SQL["set_password"], {"user_id": person, "password_hash": hashed})
        await record(
            connection, actor=actor.name, action="person.password_set", municipality_id=rows[0]["municipality_id"],
            subject=f"person:{person}", detail={}, at=datetime.now(UTC),
        )  # fmt: skip

    async def _note_failure(self, user: _User) -> None:
        """Only for names that exist: what a stranger typed may be anything, a password even, and is not kept."""
        async with self._pool.connection() as connection, connection.transaction():
            await record(
                connection, actor="console:unknown", action="person.sign_in_failed", municipality_id=user.municipality,
                subject=f"person:{user.user}", detail={"method": "password"}, at=datetime.now(UTC),
            )  # fmt: skip

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
        row = users[0]
        # A person without a password costs what an unknown one costs.
        return _User(row["user_id"], row["municipality_id"], row["password_hash"] or self._nobody, row["second_step"])


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
