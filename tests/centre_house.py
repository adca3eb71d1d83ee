"""A database with five municipalities, a unit each, and centres that the command line's own functions add."""

from __future__ import annotations

import asyncio
import secrets as random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import psycopg

from fleet.alarms import store as alarms
from fleet.clock import Clock, SystemClock
from fleet.forwarding import store as forwarding_store
from fleet.forwarding.links import Links
from fleet.forwarding.model import Centre
from fleet.forwarding.run import Forwarding
from fleet.registry import store as registry
from fleet.registry.secret_box import SecretBox
from fleet.settings import Settings
from fleet.store.pool import make_pool
from livlina.centre import add_centre, read_centre
from livlina.installation import open_secret_box
from tests.database import FreshDatabase
from tests.presses import press


@dataclass
class House:
    """A database with municipalities 1..5, each with the unit of its number, and the installation's key file."""

    database: FreshDatabase
    settings: Settings
    folder: Path
    clock: Clock = field(default_factory=SystemClock)

    def secret_file(self, secret: str) -> Path:
        file = self.folder / f"{random.token_hex(8)}.secret"
        file.write_text(secret + "\n", encoding="utf-8")
        return file

    async def add(
        self, name: str, to: str, municipality: int, protocol: str, secret: str | None = None, **more: Any
    ) -> dict[str, Any]:
        file = None if secret is None else self.secret_file(secret)
        new = read_centre(name, to, [municipality], protocol=protocol, secret_file=file, **more)
        return await asyncio.to_thread(add_centre, self.settings, new)

    async def press(self, unit: int, seq: int, **more: Any) -> None:
        async with make_pool(self.database.app_url, "ingest", size=1) as pool:
            now = self.clock.now()
            one = changed(press(unit, seq), municipality=unit, received_at=now, pressed_at=now, **more)
            async with pool.connection() as connection:
                await alarms.store_presses(connection, [one])

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database.owner_url) as connection:
            return connection.execute(query.encode(), values).fetchall()

    async def until(self, query: str, expected: object, seconds: float = 180) -> None:
        ends = time.monotonic() + seconds
        while (found := (await asyncio.to_thread(self.rows, query))[0][0]) != expected:
            assert time.monotonic() < ends, f"{query}: {found!r}, not {expected!r}, after {seconds} s"
            await asyncio.sleep(0.02)

    async def centre(self, name: str) -> Centre:
        async with make_pool(self.database.app_url, "forward", size=1) as pool, pool.connection() as connection:
            found = {one.name: one for one in await forwarding_store.centres(connection)}
        return found[name]


@asynccontextmanager
async def house(database: FreshDatabase, folder: Path, clock: Clock | None = None) -> AsyncIterator[House]:
    made = House(
        database,
        Settings(data=folder / "data", database_url=database.app_url, owner_url=database.owner_url),
        folder,
        clock or SystemClock(),
    )
    async with make_pool(database.app_url, "registry", size=1) as pool, pool.connection() as connection:
        for number in range(1, 6):
            await registry.add_municipality(connection, number, f"M{number}")
            await registry.add_unit(
                connection, SecretBox(bytes(32)), unit=number, municipality=number, unit_type="social", generation=1,
                secret=bytes(16), fingerprint=random.token_bytes(32), serial="1",
            )  # fmt: skip
    yield made


@asynccontextmanager
async def forwarding(here: House, box: SecretBox | None = None) -> AsyncIterator[Forwarding]:
    links = Links(here.database.app_url, box or open_secret_box(here.settings), here.clock)
    made = Forwarding(here.database.app_url, links.link_to, clock=here.clock)
    await links.start()
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
        await links.stop()


OWED = "SELECT count(*) FROM outbox WHERE delivered_at IS NULL"
