"""A real PostgreSQL for tests: one cluster a test process, one copy of a migrated database a test.

Tests that kill the server have a cluster of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from fleet.store.embedded_postgres import EmbeddedPostgres
from fleet.store.pool import Connection, Duty, make_pool
from fleet.store.postgres_cluster import OWNER
from sim.migrated import start_migrated
from tests.questions import ask, hang_up
from tests.ready_cluster import TEMPLATE, add_template

T = TypeVar("T")
_numbers = itertools.count(1)
_templates: WeakKeyDictionary[EmbeddedPostgres, set[str]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class FreshDatabase:
    """The two ways into one test's own database."""

    owner_url: str
    app_url: str


@contextmanager
def cluster() -> Iterator[EmbeddedPostgres]:
    """A cluster in a temporary folder whose databases are migrated, ``template_livlina`` for copies."""
    folder = Path(tempfile.mkdtemp(prefix="livlina-test-"))
    folder.chmod(0o755)
    postgres = EmbeddedPostgres(folder)
    try:
        start_migrated(postgres)
        add_template(postgres)
        yield postgres
    finally:
        postgres.stop()
        shutil.rmtree(folder)


_shared = contextlib.ExitStack()
_running: list[EmbeddedPostgres] = []


def shared_cluster() -> EmbeddedPostgres:
    """This process's cluster, started when somebody first asks for it, or anew where somebody has ended it."""
    if not _running or _running[-1].pid is None:
        _running.append(_shared.enter_context(cluster()))
    return _running[-1]


def end_shared_cluster() -> None:
    """Ends it with the test session."""
    _running.clear()
    _shared.close()


@contextmanager
def fresh_database(postgres: EmbeddedPostgres, template: str = TEMPLATE) -> Iterator[FreshDatabase]:
    """A database of its own: migrated and empty, or with what its template holds."""
    name = f"test_{next(_numbers)}"
    # Files are copied, where the product's own way writes each page into the log, too; and no psql is started.
    ask(postgres.owner_url, f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {template} STRATEGY file_copy")
    made = FreshDatabase(*postgres.urls(name))
    yield made
    hang_up(made.owner_url)
    hang_up(made.app_url)
    ask(postgres.owner_url, f"DROP DATABASE {name} WITH (FORCE)")


def template_of(postgres: EmbeddedPostgres, name: str, fill: Callable[[FreshDatabase], None]) -> str:
    """A migrated database that ``fill`` has put something into once a cluster, to be copied by `fresh_database`.

    ``fill`` leaves no connection open: a database that somebody is in cannot be copied.
    """
    made = _templates.setdefault(postgres, set())
    template = f"template_{name}"
    if template not in made:
        database = FreshDatabase(*postgres.create_database(template, template=TEMPLATE))
        fill(database)
        hang_up(database.owner_url)
        made.add(template)
    return template


async def acting(database: FreshDatabase, duty: Duty, act: Callable[[Connection], Awaitable[T]]) -> T:
    """What is done in one transaction under this duty."""
    async with make_pool(database.app_url, duty, size=1) as pool, pool.connection() as connection:
        return await act(connection)


def do(database: FreshDatabase, act: Callable[[Connection], Coroutine[Any, Any, T]], duty: Duty = "ingest") -> T:
    """The same, for a test without a loop."""
    return asyncio.run(acting(database, duty, act))


def rows(database: FreshDatabase, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """What the owner of the schema finds or changes."""
    return ask(database.owner_url, statement, values)
