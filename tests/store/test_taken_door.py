"""A centre's system says *taken* over HTTP: who may, of what, once; and who is told to send nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from fleet.alarms import store as alarms
from fleet.app import FleetServer
from fleet.forwarding.taken_door import RequestError, TakenDoor, read_report
from fleet.store.pool import make_pool
from livlina.centre import new_token
from livlina.installation import open_authority, open_secret_box
from tests.centre_house import OWED, House, forwarding, house
from tests.centres import SIGNING, http_centre
from tests.database import FreshDatabase
from tests.ports import free_port

REPORT = {"reference": "00000001-1-1", "operator": "7"}


@asynccontextmanager
async def told(database: FreshDatabase, folder: Path) -> AsyncIterator[tuple[House, dict[str, str]]]:
    """Unit 1's press has been told to North, unit 2's to South; tokens by name."""
    async with house(database, folder) as here, http_centre() as hook:
        url = f"http://127.0.0.1:{hook.port}/in"
        tokens = {}
        for number, name in ((1, "North sea"), (2, "South")):
            added = await here.add(name, url, number, "webhook", SIGNING, reports_taken="webhook")
            tokens[name] = added["token"]
        async with forwarding(here):
            await here.press(1, 1)
            await here.press(2, 1)
            await here.until(OWED, 0)
        yield here, tokens


@asynccontextmanager
async def door(here: House) -> AsyncIterator[httpx.AsyncClient]:
    made = TakenDoor(here.database.app_url, open_secret_box(here.settings), here.clock)
    await made.start()
    try:
        app = httpx.ASGITransport(app=Starlette(routes=made.routes))
        async with httpx.AsyncClient(transport=app, base_url="http://door") as client:
            yield client
    finally:
        await made.stop()


async def report(client: httpx.AsyncClient, centre: str, token: str | None, body: Any = REPORT) -> httpx.Response:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return await client.post(f"/hooks/taken/{centre}", headers=headers, json=body)


def case(here: House, number: int = 1) -> tuple[Any, ...]:
    return here.rows("SELECT state, taken_by FROM cases WHERE unit_id = %s", [number])[0]


def test_a_report_takes_the_case_once_and_says_so_again(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with told(database, tmp_path) as (here, tokens), door(here) as client:
            for _ in range(2):
                answer = await report(client, "North%20sea", tokens["North sea"])
                assert (answer.status_code, answer.json()["taken"]) == (200, True)
            assert case(here) == ("taken", "centre North sea 7")
            assert here.rows("SELECT taken_at IS NOT NULL FROM presses WHERE unit_id = 1") == [(True,)]
            assert here.rows("SELECT count(*) FROM case_log WHERE change = 'taken'") == [(1,)]
            other = await report(client, "North%20sea", tokens["North sea"], {**REPORT, "operator": "8"})
            assert other.status_code == 409

    asyncio.run(run())


def test_of_an_operator_and_a_centre_the_first_has_it(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with told(database, tmp_path) as (here, tokens), door(here) as client:
            async with make_pool(database.app_url, "forward", size=1) as pool, pool.connection() as connection:
                ((number,),) = here.rows("SELECT case_id FROM cases WHERE unit_id = 1")
                await alarms.take_case(connection, number, "anna")
            answer = await report(client, "North%20sea", tokens["North sea"])
            assert answer.status_code == 409
            assert "send nobody" in answer.json()["detail"]
            assert "anna" not in answer.text
            assert case(here) == ("taken", "anna")

    asyncio.run(run())


def test_nobody_else_may_and_a_centre_speaks_of_its_own_alarms_only(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with told(database, tmp_path) as (here, tokens), door(here) as client:
            north, south = tokens["North sea"], tokens["South"]
            for centre, token, status in [
                ("North%20sea", None, 401), ("North%20sea", "", 401), ("North%20sea", south, 401),
                ("nobody", north, 401), ("North%20sea", north + "x", 401), ("South", south, 404),
            ]:  # fmt: skip
                assert (await report(client, centre, token)).status_code == status, (centre, status)
            assert (await client.get("/hooks/taken/South")).status_code == 405
            assert case(here) == ("open", None)

    asyncio.run(run())


def test_a_new_token_ends_the_old_one_and_another_way_of_reporting_ends_both(
    database: FreshDatabase, tmp_path: Path
) -> None:
    async def run() -> None:
        async with told(database, tmp_path) as (here, tokens):
            token = (await asyncio.to_thread(new_token, here.settings, "South"))["token"]
            body = {"reference": "00000002-1-1"}
            async with door(here) as client:
                assert (await report(client, "South", tokens["South"], body)).status_code == 401
                assert (await report(client, "South", token, body)).status_code == 200
            await here.add("South", "127.0.0.1:9", 2, "dc09", reports_taken="console")
            async with door(here) as client:
                assert (await report(client, "South", token, body)).status_code == 401
            with pytest.raises(ValueError, match="reports taken by console"):
                await asyncio.to_thread(new_token, here.settings, "South")

    asyncio.run(run())


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"reference": 7}', b'{"reference": "x", "operator": 7}', b"\xff",
     b'{"reference": "00000001-1-1", "operator": "a\\nb"}', b"[" * 5000],
)  # fmt: skip
def test_what_is_no_report_is_refused_in_words(body: bytes) -> None:
    with pytest.raises(RequestError):
        read_report(body)


def test_bodies_that_are_no_report_take_nothing(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with told(database, tmp_path) as (here, tokens), door(here) as client:
            for content, status in (
                (b"{}", 400), (b'{"reference": "x"}', 400), (b"x" * 5000, 413),
                (b'{"reference": "ffffffff-1-1"}', 404), (b'{"reference": "00000001-9999999999-1"}', 404),
            ):  # fmt: skip
                answer = await client.post(
                    "/hooks/taken/South", headers={"Authorization": f"Bearer {tokens['South']}"}, content=content
                )
                assert answer.status_code == status, content
            assert case(here) == ("open", None)

    asyncio.run(run())


def test_the_server_listens_for_it_where_hooks_are_and_nowhere_else(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with told(database, tmp_path) as (here, tokens):
            settings = changed(here.settings, http_port=free_port(), hooks_port=free_port(), mqtt_port=0, coap_port=0)
            open_authority(settings)
            stop = asyncio.Event()
            server = FleetServer(settings, database.app_url, open_secret_box(settings))
            serving = asyncio.create_task(server.run(stop))
            async with httpx.AsyncClient() as client, asyncio.timeout(60):
                while True:
                    try:
                        pages = await client.post(
                            f"http://127.0.0.1:{settings.http_port}/hooks/taken/South", json=REPORT
                        )
                        break
                    except httpx.TransportError:
                        await asyncio.sleep(0.05)
                assert pages.status_code in (403, 404, 405)
                answer = await client.post(
                    f"http://127.0.0.1:{settings.hooks_port}/hooks/taken/South",
                    headers={"Authorization": f"Bearer {tokens['South']}"}, json={"reference": "00000002-1-1"},
                )  # fmt: skip
                assert answer.status_code == 200
            stop.set()
            await asyncio.wait_for(serving, 20)

    asyncio.run(run())
