"""The web side as a process of its own over a real database, and what its tests put into that database.

    python tests/web_server.py APP_URL PORT TIMINGS     the server itself (TIMINGS: JSON for fleet.web.model.Timings)
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import uvicorn

from fleet.alarms import store as alarms
from fleet.alarms.decide import priority_of
from fleet.alarms.model import Press, PressKey
from fleet.registry import store as registry
from fleet.registry.secret_box import SecretBox
from fleet.store.pool import Connection, Duty, make_pool
from fleet.web.app import make_app
from fleet.web.model import Timings

T = TypeVar("T")
PASSWORD = "korrekt häst batteri"
ROOT = Path(__file__).parents[1]


def free_port() -> int:
    """A port below the ephemeral ones, so that no outgoing connection takes it between two starts."""
    for port in random.sample(range(20000, 32768), 200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("no free port between 20000 and 32767")


class WebServer:
    """One server process; it can be ended politely or killed, and started again on the same port."""

    def __init__(self, app_url: str, **timings: float) -> None:
        self.app_url = app_url
        self.timings = timings
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, __file__, self.app_url, str(self.port), json.dumps(self.timings)]
        self.process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})
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
            self.process.wait(20)
            self.process = None

    def pause(self) -> None:
        """Stops answering without closing anything, as a network that swallows everything does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


def until(condition: Callable[[], Any], what: str, patience_s: float = 30) -> Any:
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
        async with acting(self.app_url, duty) as connection, connection.transaction():
            return await act(connection)


@asynccontextmanager
async def acting(app_url: str, duty: Duty) -> Any:
    """One connection of the application under a duty's role."""
    pool = make_pool(app_url, duty, size=1)
    await pool.open()
    try:
        async with pool.connection() as connection:
            yield connection
    finally:
        await pool.close()


async def _serve(app_url: str, port: int, timings: dict[str, Any]) -> None:
    web_pool, login_pool = make_pool(app_url, "web", size=4), make_pool(app_url, "login", size=2)
    app = make_app(web_pool=web_pool, login_pool=login_pool, listener_url=app_url, timings=Timings(**timings))
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


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])))
