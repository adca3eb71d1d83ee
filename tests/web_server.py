"""The web side as a process of its own over a real database, and what its tests put into that database.

    python tests/web_server.py      imports the pages, and forks a server for each that a test starts (web_zygote.py)

Test modules import the fixtures ``postgres`` and ``scene`` from here.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg
import psycopg.conninfo
import psycopg.sql
import pytest
import uvicorn

from fleet.alarms import store as alarms
from fleet.alarms.decide import priority_of
from fleet.alarms.model import Press, PressKey
from fleet.people import store as people
from fleet.people.model import Actor
from fleet.registry import store as registry
from fleet.registry.secret_box import SecretBox
from fleet.store.embedded_postgres import EmbeddedPostgres
from fleet.store.pool import Connection, Duty, Pool, make_pool
from fleet.web.app import make_app
from fleet.web.model import Timings
from fleet.web.pages import make_templates
from fleet.web.texts import LANGUAGES
from tests.database import FreshDatabase, fresh_database, shared_cluster, template_of
from tests.ports import free_port
from tests.questions import ask
from tests.web_zygote import Forked, Zygote, serve_forks

T = TypeVar("T")
PASSWORD = "korrekt häst batteri"
LOCAL = Actor("console:local", frozenset({"administrator"}), (0,), held=((0, frozenset({"administrator"})),))
ROOT = Path(__file__).parents[1]


ZYGOTE = Zygote([sys.executable, __file__], {**os.environ, "PYTHONPATH": str(ROOT)})


class WebServer:
    """One server process; it can be ended politely or killed, and started again on the same port."""

    def __init__(self, app_url: str, **timings: float) -> None:
        self.app_url = app_url
        self.timings = timings
        self.port = free_port()
        self.process: Forked | None = None

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.process = ZYGOTE.fork([self.app_url, self.port, self.timings])
        until(lambda: self.answers() or self.process_has_ended(), "the server to answer /healthz")
        assert not self.process_has_ended(), "the server ended at its start: see its output above"

    def process_has_ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/healthz")
            return json.load(connection.getresponse()) == {"ok": True}
        except OSError:
            return False
        finally:
            connection.close()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(60)
            self.process = None

    def pause(self) -> None:
        """Stops answering without closing anything, as a network that swallows everything does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


def until(condition: Callable[[], Any], what: str, patience_s: float = 60) -> Any:
    """Waits for a condition by asking it; returns its first true value."""
    deadline = time.monotonic() + patience_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {patience_s} s in vain for {what}"
        time.sleep(0.02)
    return found


class Town:
    """Puts municipalities, units, operators and presses into one database through the product's own store functions."""

    def __init__(self, app_url: str) -> None:
        self.app_url = app_url
        self._seq = 0
        self._box = SecretBox(bytes(32))

    def municipality(self, number: int, name: str) -> None:
        self.do("registry", lambda c: registry.add_municipality(c, number, name))

    def operator(self, login: str, *municipalities: int) -> None:
        self.do("registry", lambda c: registry.add_operator(c, login, PASSWORD, municipalities))

    def person(self, login: str, *grants: tuple[str, int]) -> int:
        """Somebody with these (role, municipality) and PASSWORD; returns their number."""

        async def add(connection: Connection) -> int:
            at = datetime.now(UTC)
            number = await people.add_person(
                connection, LOCAL, login=login, display_name=login.title(), language="sv", municipality=0, at=at
            )
            for role, municipality in grants:
                await people.grant(connection, LOCAL, number, role, people.Place(municipality), at)
            hashed = registry.PASSWORDS.hash(PASSWORD)
            await connection.execute("UPDATE users SET password_hash = %s WHERE user_id = %s", [hashed, number])
            return number

        return self.do("registry", add)

    def unit(self, unit: int, municipality: int, unit_type: str = "social") -> None:
        self.do(
            "registry",
            lambda c: registry.add_unit(
                c, self._box, unit=unit, municipality=municipality, unit_type=unit_type, generation=0,
                secret=bytes(16), fingerprint=unit.to_bytes(32, "big"), serial=f"{unit}",
            ),
        )  # fmt: skip

    def press(self, unit: int, municipality: int, **odd: Any) -> int:
        """A press goes through the alarm path's store; returns its case's number."""
        return self.presses([(unit, municipality, odd)])[0]

    def presses(self, wanted: list[tuple[int, int, dict[str, Any]]]) -> list[int]:
        made = [self.make_press(unit, municipality, **odd) for unit, municipality, odd in wanted]

        async def store(connection: Connection) -> list[int]:
            await alarms.store_presses(connection, made)
            rows = []
            for press in made:
                cursor = await connection.execute(
                    "SELECT case_id FROM presses WHERE unit_id = %s AND boot = %s AND seq = %s", press.key
                )
                row = await cursor.fetchone()
                assert row is not None
                rows.append(row["case_id"])
            return rows

        return self.do("ingest", store)

    def make_press(self, unit: int, municipality: int, **odd: Any) -> Press:
        self._seq += 1
        values: dict[str, Any] = {
            "unit_type": "social", "transport": "coap", "generation": 0, "counter": self._seq, "kind": 1, "input": 1,
            "count": 1, "age_s": 2, "attempt": 1, "bearer": 3, "battery": 80, "flags": 0, "clock": None, "marks": (),
            "received_at": datetime.now(UTC), "raw": b"\x00",
        }  # fmt: skip
        values |= odd
        age = values["age_s"]
        values.setdefault("pressed_at", None if age is None else values["received_at"] - timedelta(seconds=age))
        values.setdefault("priority", priority_of(values["unit_type"], values["kind"]))
        return Press(key=PressKey(unit, 1, self._seq), municipality=municipality, **values)

    def do(self, duty: Duty, act: Callable[[Connection], Awaitable[T]]) -> T:
        """Runs one transaction as a duty of the server."""
        # A thread of its own: Playwright's sync API keeps a running loop in the test's thread.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, self._do(duty, act)).result()

    async def _do(self, duty: Duty, act: Callable[[Connection], Awaitable[T]]) -> T:
        async with (
            acting_pool(self.app_url, duty) as pool,
            pool.connection() as connection,
            connection.transaction(),
        ):
            return await act(connection)


@asynccontextmanager
async def acting_pool(app_url: str, duty: Duty, size: int = 1) -> AsyncIterator[Pool]:
    """Connections of the application under a duty's role."""
    async with make_pool(app_url, duty, size=size) as pool:
        yield pool


@dataclass
class Scene:
    """One database with two municipalities, three operators and four units, and the servers that a test starts."""

    database: FreshDatabase
    town: Town
    servers: list[WebServer] = field(default_factory=list)

    def server(self, **timings: float) -> WebServer:
        """Starts a server process over this database; it ends with the test."""
        server = WebServer(self.database.app_url, **timings)
        self.servers.append(server)
        server.start()
        return server

    def client(self, server: WebServer, login: str | None = None) -> httpx.Client:
        """A program's HTTP client, logged in through the API if a name is given."""
        # No connection is kept: the server closes idle ones, and on a busy machine just when they are used again. No
        # authorities are read either: this is plain HTTP.
        limits = httpx.Limits(max_keepalive_connections=0)
        client = httpx.Client(base_url=server.base, timeout=60, limits=limits, verify=False)
        if login is not None:
            answer = client.post("/api/login", json={"login": login, "password": PASSWORD})
            assert answer.status_code == 204, answer.text
        return client

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """As the schema's owner, past row level security."""
        return ask(self.database.owner_url, statement, values or None)

    def closed_cases(self, count: int) -> None:
        """So many closed cases of unit 1, one a minute; their numbers grow with the time they were closed."""
        self.sql(
            "INSERT INTO cases (municipality_id, unit_id, unit_type, state, priority, kind, presses, opened_at, "
            "last_press_at, taken_at, taken_by, closed_at, closed_by, outcome) "
            "SELECT 1, 1, 'social', 'closed', 2, 1, 1, at, at, at, 'anna', at, 'anna', 'helped' FROM (SELECT now() - "
            "make_interval(mins => %s - n) AS at FROM generate_series(1, %s) n) moments ORDER BY at",
            count,
            count,
        )

    @contextmanager
    def database_away(self) -> Iterator[None]:
        """Nobody gets into this database, and whoever was in is thrown out."""
        name = psycopg.conninfo.conninfo_to_dict(self.database.owner_url)["dbname"]
        beside = psycopg.conninfo.make_conninfo(self.database.owner_url, dbname="postgres")
        with psycopg.connect(beside, autocommit=True) as connection:
            database = psycopg.sql.Identifier(str(name))
            connection.execute(psycopg.sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(database))
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            try:
                yield
            finally:
                connection.execute(psycopg.sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(database))


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    yield shared_cluster()


@pytest.fixture
def scene(postgres: EmbeddedPostgres) -> Iterator[Scene]:
    """anna works for both municipalities, bo for the first, cilla for the second. Units 1 and 2, 3 and 4."""
    with fresh_database(postgres, template_of(postgres, "town", _settle)) as database:
        made = Scene(database, Town(database.app_url))
        try:
            yield made
        finally:
            for server in made.servers:
                server.stop(signal.SIGKILL)


def _settle(database: FreshDatabase) -> None:
    town = Town(database.app_url)
    town.municipality(1, "Kristianstad")
    town.municipality(2, "Östra Göinge")
    town.operator("anna", 1, 2)
    town.operator("bo", 1)
    town.operator("cilla", 2)
    for unit, municipality in ((1, 1), (2, 1), (3, 2), (4, 2)):
        town.unit(unit, municipality)


async def _serve(app_url: str, port: int, timings: dict[str, Any]) -> None:
    web_pool, login_pool = make_pool(app_url, "web", size=4), make_pool(app_url, "login", size=2)
    app = make_app(
        web_pool=web_pool,
        login_pool=login_pool,
        listener_url=app_url,
        timings=Timings(**timings),
        box=SecretBox(bytes(32)),
    )
    server = uvicorn.Server(
        uvicorn.Config(
            app, host="127.0.0.1", port=port, log_level="warning", access_log=False, server_header=False,
            timeout_graceful_shutdown=3, ws_max_size=4096,
        )
    )  # fmt: skip
    for pool in (web_pool, login_pool):
        await pool.open()
    try:
        await server.serve()
    finally:
        for pool in (web_pool, login_pool):
            await pool.close()


def _run(app_url: str, port: int, timings: dict[str, Any]) -> None:
    asyncio.run(_serve(app_url, port, timings))


if __name__ == "__main__":
    for each in LANGUAGES:
        make_templates(each)  # Each fork has them.
    serve_forks(_run)
