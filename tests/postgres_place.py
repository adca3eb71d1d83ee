"""Places for embedded PostgreSQL servers of tests, and how to look at what runs there."""

import os
import select
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from fleet.store.embedded_postgres import EmbeddedPostgres

AS_ROOT = os.geteuid() == 0


ROOT = Path(__file__).parents[1]


class Place:
    """A temporary folder that every user can enter, and the servers in it; all are destroyed with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.servers: list[EmbeddedPostgres] = []

    def server(self, name: str = "data", **options: object) -> EmbeddedPostgres:
        server = EmbeddedPostgres(self.folder / name, state=self.state, **options)  # type: ignore[arg-type]
        self.servers.append(server)
        return server


@pytest.fixture
def place() -> Iterator[Place]:
    folder = Path(tempfile.mkdtemp(prefix="livlina-test-"))
    folder.chmod(0o755)
    made = Place(folder)
    try:
        yield made
    finally:
        for server in made.servers:
            server.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def running() -> Iterator[EmbeddedPostgres]:
    """One server for the tests that only look."""
    folder = Path(tempfile.mkdtemp(prefix="livlina-test-"))
    folder.chmod(0o755)
    server = EmbeddedPostgres(folder / "data", state=folder / "state")
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def value(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()  # type: ignore[call-overload]
    assert row is not None
    return row[0]


def setting(url: str, name: str) -> object:
    return value(url, f"SELECT current_setting('{name}')")


def ready(process: "subprocess.Popen[bytes]", cluster: Path) -> None:
    lock = cluster / "postmaster.pid"
    while process.poll() is None:
        lines = lock.read_text().splitlines() if lock.exists() else []
        if len(lines) >= 8 and lines[0] == str(process.pid) and lines[7].strip() == "ready":
            return
    raise AssertionError(f"the orphan ended with {process.returncode}")


def gone(process: psutil.Process) -> None:
    """Wait for the end of a process that is not our child; whoever inherits it may leave a zombie."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        ended = poll.poll(30_000)
        if not ended:
            process.kill()
        assert ended, "it lived on"
    finally:
        os.close(handle)


def postgres_in(folder: Path) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and Path(process.cwd()).is_relative_to(folder):
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied, FileNotFoundError):
            continue
    return found
