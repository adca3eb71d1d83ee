"""A house of real processes for every journey."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fleet.store.embedded_postgres import EmbeddedPostgres
from sim.house import House, Ports


@pytest.fixture
def data_folder() -> Iterator[Path]:
    """A new folder that PostgreSQL's own user can enter (pytest's tmp_path is 0700)."""
    folder = Path(tempfile.mkdtemp(prefix="livlina-journey-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def running_database(data_folder: Path) -> Iterator[Path]:
    """The data folder, with its PostgreSQL running: a command shares it, and need not start and stop one of its own."""
    postgres = EmbeddedPostgres(data_folder)
    postgres.start()
    try:
        yield data_folder
    finally:
        postgres.stop()


@asynccontextmanager
async def living_house(
    folder: Path, units: int, *, heartbeat_s: int = 3, server_command: Sequence[str] | None = None
) -> AsyncIterator[House]:
    """A started house that is stopped whatever happens."""
    more = {} if server_command is None else {"server_command": tuple(server_command)}
    house = House(folder, units, Ports.free(), heartbeat_s=heartbeat_s, **more)
    try:
        await house.start()
        yield house
    finally:
        await house.stop()
