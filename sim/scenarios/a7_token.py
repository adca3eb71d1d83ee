"""An API token in A7: the product's own pages and API answer to it until it is revoked."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import httpx
import uvicorn

from fleet.app import PageServer
from fleet.people import store as people
from fleet.people.model import Actor
from fleet.store.pool import Connection, make_pool
from fleet.web.app import make_app
from sim.house import free_port
from sim.scenarios.a7_house import MUNICIPALITY, House

_ADMINISTRATOR: Final = frozenset({"administrator"})
_GIVER: Final = Actor("person:9", _ADMINISTRATOR, (MUNICIPALITY,), held=((MUNICIPALITY, _ADMINISTRATOR),))
_START_S: Final = 120.0


@asynccontextmanager
async def _api(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """The pages and their API on a port of their own."""
    url, port = house.postgres.app_url, free_port()
    async with contextlib.AsyncExitStack() as stack:
        pools = [make_pool(url, duty, size=1) for duty in ("web", "login")]
        for pool in pools:
            await pool.open()
            stack.push_async_callback(pool.close)
        app = make_app(web_pool=pools[0], login_pool=pools[1], listener_url=url, box=house.box)
        server = PageServer(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", access_log=False))
        serving = asyncio.create_task(server.serve())
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20))
        try:
            async with asyncio.timeout(_START_S):
                while not server.started:  # noqa: ASYNC110 (uvicorn has no other sign)
                    await asyncio.sleep(0.02)
            yield client
        finally:
            server.should_exit = True
            await serving


async def refused_after(house: House, *, revoke: bool, most: float) -> float | None:
    """Seconds from the revocation of a token to the first 401; None where it is still let in after ``most`` s, or was
    never. With ``revoke`` off nobody revokes it, and one answer is waited for."""

    async def make(connection: Connection) -> tuple[int, str]:
        return await people.make_token(
            connection, _GIVER, name="export", role="fleet_owner", municipalities=[MUNICIPALITY],
            life=timedelta(days=1), at=house.now(),
        )  # fmt: skip

    number, token = await house.acting(make)
    async with _api(house) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        if (await client.get("/api/v1/units")).status_code != httpx.codes.OK:
            return None
        if revoke:
            await house.acting(lambda c: people.revoke_token(c, _GIVER, number, house.now()))
        began = time.monotonic()
        while (await client.get("/api/v1/units")).status_code != httpx.codes.UNAUTHORIZED:
            if not revoke or time.monotonic() - began > most:
                return None
        return time.monotonic() - began
