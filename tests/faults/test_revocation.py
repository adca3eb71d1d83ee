"""Revoked is revoked on every pipe: at once with the notification, within a minute where that is lost.

By the product's own `units.revoke` and `people.revoke_token`, on a server with all doors open. `make proof` judges
seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from fleet.people import store as people
from fleet.people.model import Actor
from fleet.registry import units
from fleet.store.pool import Connection, make_pool
from tests.database import FreshDatabase
from tests.faults.test_sms_door import post
from tests.fleet_server import CoapUnit, Scene, Unit, alarm, run, served
from tests.paho_unit import PahoUnit
from tests.sms_gateway import add_gateway, hook_client
from tests.web_server import Scene as WebScene
from tests.web_server import postgres, scene

__all__ = ["postgres", "scene"]

LIMIT_S = 60.0
EVERY_S = 0.05
PIPES = ("coap", "mqtt", "mqtt connection", "sms")


async def revoke(scene: Scene, unit: Unit, *, notified: bool) -> None:
    """By the product; or, as if every notification of it were lost, by the rows alone."""
    if not notified:
        scene.change("UPDATE units SET state = 'revoked' WHERE unit_id = %s", unit.number)
        scene.change("UPDATE unit_certificates SET revoked_at = now() WHERE unit_id = %s", unit.number)
        return
    async with make_pool(scene.database.app_url, "registry", size=1) as pool, pool.connection() as connection:
        await units.revoke(connection, unit.number, "person:1", datetime.now(UTC))


class Pipes:
    """A unit with every pipe in use; each question says whether the unit is still believed there."""

    def __init__(self, scene: Scene, client: httpx.AsyncClient, gateway: str) -> None:
        self._scene, self._client, self._gateway = scene, client, gateway
        self.unit = scene.unit
        self._seq = 0

    async def open(self) -> None:
        self._door = await CoapUnit.open(self._scene)
        self._held = PahoUnit(self._scene, self.unit)
        await self._held.open()
        for pipe in ("coap", "sms"):
            assert await self.believed(pipe), f"{pipe}: the control"

    async def believed(self, pipe: str) -> bool:
        if pipe == "mqtt connection":
            return self._held.closed.empty()
        if pipe == "mqtt":
            other = PahoUnit(self._scene, self.unit, client_id=self.unit.name)
            accepted = (await other.connect())[1] == 0
            await other.close()
            return accepted
        self._seq += 1
        before = len(self._scene.presses())
        frame = self.unit.seal(alarm(self._seq))
        if pipe == "sms":
            await post(self._client, self._gateway, frame.hex())
            return len(self._scene.presses()) > before
        self._door.send(frame)
        dropped = self._scene.dropped("coap", "revoked")
        while len(self._scene.presses()) == before and self._scene.dropped("coap", "revoked") == dropped:
            await asyncio.sleep(EVERY_S)
        return len(self._scene.presses()) > before

    async def close(self) -> None:
        self._door.close()
        await self._held.close()


async def measured(still: Callable[[], Awaitable[bool]], since: float) -> float:
    """Seconds from `since` until the pipe no longer believes."""
    while await still():
        assert time.monotonic() - since < 2 * LIMIT_S, "this pipe goes on believing"
        await asyncio.sleep(EVERY_S)
    return time.monotonic() - since


def revoked_on_every_pipe(database: FreshDatabase, folder: Path, *, notified: bool) -> dict[str, float]:
    async def work() -> dict[str, float]:
        async with served(database, folder, certificates=True, hooks=True) as scene, hook_client(scene) as client:
            pipes = Pipes(scene, client, await add_gateway(scene))
            await pipes.open()
            await asyncio.wait_for(scene.ingest.listening.wait(), 60)
            await revoke(scene, pipes.unit, notified=notified)
            since = time.monotonic()
            # The held connection first: a second one of the same unit would take it over.
            found = {"mqtt connection": await measured(lambda: pipes.believed("mqtt connection"), since)}
            for pipe in PIPES:
                if pipe != "mqtt connection":
                    found[pipe] = await measured(lambda pipe=pipe: pipes.believed(pipe), since)  # type: ignore[misc]
            await pipes.close()
            return found

    return run(work(), seconds=380)


def test_a_revoked_unit_is_out_of_every_pipe_at_once(database: FreshDatabase, tmp_path: Path) -> None:
    assert set(revoked_on_every_pipe(database, tmp_path, notified=True)) == set(PIPES)


def token_refused(scene: WebScene) -> float:
    """Seconds from the revocation of an API token to the first 401."""
    administrator = frozenset({"administrator"})
    giver = Actor("person:9", administrator, (1,), held=((1, administrator),))
    server = scene.server()

    async def make(connection: Connection) -> tuple[int, str]:
        return await people.make_token(
            connection, giver, name="export", role="fleet_owner", municipalities=[1], life=timedelta(days=1),
            at=datetime.now(UTC),
        )  # fmt: skip

    number, token = scene.town.do("registry", make)
    with httpx.Client(base_url=server.base, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        assert client.get("/api/v1/units").status_code == 200, "the control"
        scene.town.do("registry", lambda c: people.revoke_token(c, giver, number, datetime.now(UTC)))
        since = time.monotonic()
        while client.get("/api/v1/units").status_code != 401:
            assert time.monotonic() - since < 2 * LIMIT_S
        return time.monotonic() - since


def test_a_revoked_token_is_refused(scene: WebScene) -> None:
    assert token_refused(scene) >= 0


@pytest.mark.proof
@pytest.mark.timeout(400)
@pytest.mark.parametrize("notified", [True, False], ids=["notified", "notification lost"])
def test_revocation_is_effective_within_a_minute(database: FreshDatabase, tmp_path: Path, notified: bool) -> None:
    found = revoked_on_every_pipe(database, tmp_path, notified=notified)
    for pipe, seconds in sorted(found.items()):
        how = "notified" if notified else "notification lost"
        print(f"revoked, {how}: {pipe} {seconds:.2f} s (limit {LIMIT_S:.0f})")
    assert max(found.values()) <= LIMIT_S


@pytest.mark.proof
def test_a_token_s_revocation_is_effective_within_a_minute(scene: WebScene) -> None:
    seconds = token_refused(scene)
    print(f"revoked: API token {seconds:.2f} s (limit {LIMIT_S:.0f})")
    assert seconds <= LIMIT_S
