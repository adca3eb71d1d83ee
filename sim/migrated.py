"""A PostgreSQL with the product's tables, as an installation has one when its server starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fleet.store.embedded_postgres import EmbeddedPostgres
from fleet.store.migrate import migrate
from fleet.store.postgres_cluster import APP


def _nothing(_: Path) -> None:
    pass


prepare: Callable[[Path], None] = _nothing
"""Called with the data folder before the start. A run of tests lays a migrated cluster there (tests/ready_cluster.py);
nobody else sets it."""


def start_migrated(postgres: EmbeddedPostgres) -> None:
    """Starts and migrates it. Raises PostgresError, MigrationError; the caller stops it then, too."""
    prepare(postgres.data)
    postgres.start()
    migrate(postgres.owner_url, app_login=APP)
