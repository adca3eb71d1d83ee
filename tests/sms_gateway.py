"""A stand-in for an SMS operator: takes what we send through its HTTP API, and posts SMS to our hook."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fleet.ingest import sms_gateways
from fleet.store.pool import make_pool
from tests.fleet_server import PATIENCE_S, Scene
from tests.ports import free_port


class SmsOperator:
    """``sent`` holds what came through the API: (bearer token, body). ``status`` is what the API answers, and while
    ``hangs`` is set it answers nothing."""

    def __init__(self) -> None:
        self.port = free_port()
        self.sent: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self.asked = 0
        self.status = 200
        self.hangs = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/send"

    async def api(self, request: Request) -> Response:
        self.asked += 1
        body = json.loads(await request.body())
        while self.hangs:
            await asyncio.sleep(0.02)
        if 200 <= self.status < 300:
            self.sent.put_nowait((request.headers.get("authorization", ""), body))
        return Response(status_code=self.status)

    async def next(self, seconds: float = PATIENCE_S) -> tuple[str, dict[str, Any]]:
        async with asyncio.timeout(seconds):
            return await self.sent.get()


@asynccontextmanager
async def sms_operator() -> AsyncIterator[SmsOperator]:
    """A running operator."""
    operator = SmsOperator()
    app = Starlette(routes=[Route("/send", operator.api, methods=["POST"])])
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=operator.port, log_level="warning", timeout_graceful_shutdown=1)
    )
    server.capture_signals = _no_signals  # type: ignore[method-assign]
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield operator
    finally:
        operator.hangs = False
        server.should_exit = True
        await serving


class _no_signals:
    """In place of uvicorn's own signal handling, which would take pytest's."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


async def add_gateway(
    scene: Scene, name: str = "one", *, send_url: str | None = None, send_secret: str | None = None
) -> str:
    """Registers a gateway; returns its token."""
    async with make_pool(scene.database.app_url, "registry", size=1) as pool, pool.connection() as connection:
        return await sms_gateways.add_gateway(
            connection, scene.box, name, municipality=0, send_url=send_url, send_secret=send_secret,
            at=datetime.now(UTC),
        )  # fmt: skip


@asynccontextmanager
async def hook_client(scene: Scene) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client at our SMS door."""
    host, port = scene.ingest.hooks_address
    async with httpx.AsyncClient(base_url=f"http://{host}:{port}", timeout=60) as client:
        yield client
