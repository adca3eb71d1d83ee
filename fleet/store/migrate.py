"""Numbered SQL migrations, ``NNNN_{pre|post}_words.sql``.

*pre* files only add, so the release that is running goes on working; *post* files take away and run once no old
server is left. A file is applied once, in one transaction, and its hash is kept: a file that was edited afterwards
is refused, because then nobody knows what a database really holds.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib import resources

import psycopg
from psycopg import sql

_FILE = re.compile(r"^(\d{4})_(pre|post)_[a-z0-9_]+\.sql$")
_DUTIES = ("registry", "ingest", "forward", "web", "login", "evidence", "supervise", "notify")
_LOCK = 0x4C49564C  # "LIVL": two migrating servers wait for each other


class MigrationError(RuntimeError):
    """The migrations of this release and the database do not fit together; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its number, its phase (pre or post), its name and its text."""

    number: int
    phase: str
    name: str
    text: str

    @property
    def digest(self) -> str:
        """SHA-256 of the text, hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def shipped() -> list[Migration]:
    """The migrations of this release in order. Raises MigrationError for a wrong name or a gap in the numbers."""
    found = []
    for entry in sorted(resources.files("fleet.store.migrations").iterdir(), key=lambda item: item.name):
        if not entry.name.endswith(".sql"):
            continue
        match = _FILE.match(entry.name)
        if not match:
            raise MigrationError(f"{entry.name} is not named NNNN_pre_words.sql or NNNN_post_words.sql")
        found.append(Migration(int(match[1]), match[2], entry.name, entry.read_text(encoding="utf-8")))
    numbers = [migration.number for migration in found]
    if numbers != list(range(1, len(found) + 1)):
        raise MigrationError(f"migration numbers must run 1..{len(found)} without a gap: {numbers}")
    return found


def migrate(owner_url: str, *, app_login: str | None = None, phases: tuple[str, ...] = ("pre", "post")) -> list[str]:
    """Applies what is missing as the schema owner and returns the names of the applied files.

    ``app_login`` is the login that the server will use; it becomes a member of the duty roles. It is None where
    owner and application share one login. Raises MigrationError, psycopg.Error.
    """
    applied: list[str] = []
    with psycopg.connect(owner_url, autocommit=True, connect_timeout=10) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations (number int PRIMARY KEY, name text NOT NULL, "
            "digest text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        known = {
            row[0]: (row[1], row[2]) for row in connection.execute("SELECT number, name, digest FROM schema_migrations")
        }
        here = shipped()
        newer = sorted(set(known) - {migration.number for migration in here})
        if newer:
            raise MigrationError(
                f"the database is newer than this release (migration {newer[-1]}): run the newer release"
            )
        for migration in here:
            if migration.number in known:
                if known[migration.number][1] != migration.digest:
                    raise MigrationError(
                        f"{migration.name} was edited after it was applied: restore the file, add a new one"
                    )
                continue
            if migration.phase not in phases:
                break
            with connection.transaction():
                connection.execute(migration.text.encode())
                connection.execute(
                    "INSERT INTO schema_migrations (number, name, digest) VALUES (%s, %s, %s)",
                    [migration.number, migration.name, migration.digest],
                )
            applied.append(migration.name)
        connection.execute("SELECT livlina_partitions_ahead(7)")
        _let_in(connection, app_login)
    return applied


def _let_in(connection: psycopg.Connection[tuple[object, ...]], app_login: str | None) -> None:
    """Makes the application's login a member of the duty roles, which hold all its rights."""
    login = sql.SQL("CURRENT_USER") if app_login is None else sql.Identifier(app_login)
    for duty in _DUTIES:
        connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(f"livlina_{duty}"), login))
