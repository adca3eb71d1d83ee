"""A real PostgreSQL for tests: one cluster a session, one copy of a migrated database a test."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

from fleet.store.embedded_postgres import EmbeddedPostgres
from fleet.store.migrate import migrate
from fleet.store.postgres_cluster import APP

_numbers = itertools.count(1)
_templates: WeakKeyDictionary[EmbeddedPostgres, set[str]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class FreshDatabase:
    """The two ways into one test's own database."""

    owner_url: str
    app_url: str


@contextmanager
def cluster() -> Iterator[EmbeddedPostgres]:
    """A cluster in a temporary folder whose database ``template_livlina`` is migrated."""
    folder = Path(tempfile.mkdtemp(prefix="livlina-test-"))
    folder.chmod(0o755)
    postgres = EmbeddedPostgres(folder)
    try:
        postgres.start()
        owner_url, _ = postgres.create_database("template_livlina")
        migrate(owner_url, app_login=APP)
        yield postgres
    finally:
        postgres.stop()
        shutil.rmtree(folder)


@contextmanager
def fresh_database(postgres: EmbeddedPostgres, template: str = "template_livlina") -> Iterator[FreshDatabase]:
    """A database of its own: migrated and empty, or with what its template holds."""
    name = f"test_{next(_numbers)}"
    yield FreshDatabase(*postgres.create_database(name, template=template))
    postgres.drop_database(name)


def template_of(postgres: EmbeddedPostgres, name: str, fill: Callable[[FreshDatabase], None]) -> str:
    """A migrated database that ``fill`` has put something into once a cluster, to be copied by `fresh_database`.

    ``fill`` leaves no connection open: a database that somebody is in cannot be copied.
    """
    made = _templates.setdefault(postgres, set())
    template = f"template_{name}"
    if template not in made:
        fill(FreshDatabase(*postgres.create_database(template, template="template_livlina")))
        made.add(template)
    return template
