"""The composed server: a part that has broken ends the process, so that whoever supervises it starts it again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from fleet.app import FleetServer
from fleet.settings import Settings
from fleet.web.follower import LogFollower
from livlina.installation import open_authority, open_secret_box
from tests.database import FreshDatabase
from tests.ports import free_port


def made(folder: Path, database: FreshDatabase) -> tuple[FleetServer, Settings]:
    settings = Settings(data=folder, http_port=free_port(), mqtt_port=0, coap_port=0)
    open_authority(settings)
    return FleetServer(settings, database.app_url, open_secret_box(settings)), settings


async def answers(settings: Settings) -> None:
    async with httpx.AsyncClient() as client, asyncio.timeout(60):
        while True:
            try:
                if (await client.get(f"http://127.0.0.1:{settings.http_port}/healthz")).status_code == 200:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.02)


def test_it_serves_until_it_is_told_to_stop(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        server, settings = made(tmp_path, database)
        stop = asyncio.Event()
        serving = asyncio.create_task(server.run(stop))
        await answers(settings)
        stop.set()
        await asyncio.wait_for(serving, 20)

    asyncio.run(run())


def test_a_task_of_the_pages_that_dies_ends_the_server(
    database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies = asyncio.Event()

    async def faulty(_self: LogFollower) -> None:
        await dies.wait()
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(LogFollower, "run", faulty)

    async def run() -> None:
        server, settings = made(tmp_path, database)
        serving = asyncio.create_task(server.run(asyncio.Event()))
        await answers(settings)
        dies.set()
        with pytest.raises(RuntimeError, match="a task of the pages has ended"):
            await asyncio.wait_for(serving, 20)

    asyncio.run(run())


def test_a_taken_port_is_named(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        server, settings = made(tmp_path, database)
        taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", settings.http_port)
        async with taken:
            with pytest.raises(OSError, match=f"port {settings.http_port}"):
                await server.run(asyncio.Event())

    asyncio.run(run())
