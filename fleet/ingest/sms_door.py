"""The SMS front door: ``POST /hooks/sms/{gateway}``, where an SMS gateway hands over what a unit sent as SMS.

An HTTP listener of its own, apart from the pages: it knows no session, no page and no case, and acts under the
front doors' role. A frame takes the same way as one by CoAP; 200 comes after the commit. It never sends commands:
a command by SMS is refused by units, whoever sealed it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.routing import Route as Path

from fleet.hook_request import bearer, body_of, refusal
from fleet.ingest.drops import Drops
from fleet.ingest.open_frame import Refusal, parse_frame
from fleet.ingest.outcome import Outcome, Refused, Stored, Way
from fleet.ingest.sms_gateways import Gateways
from fleet.ingest.sms_pace import Item, Route
from fleet.ingest.sms_text import Inbound, RequestError, frame_of, read_request
from fleet.store.borrow import AWAY

log = logging.getLogger("livlina.ingest")

Take = Callable[[bytes, Way, Callable[[Outcome], None]], None]
Told = Callable[[int, Route, tuple[Item, ...], bool], None]

TRANSPORT: Final = "sms"
LONGEST_BODY: Final = 8192
COMMIT_S: Final = 25.0
"""How long a request waits for its commit; longer than the commit loops' own patience."""

MOST_REQUESTS: Final = 500
AGAIN_S: Final = 5


class _HookServer(uvicorn.Server):
    """uvicorn without signal handling of its own: who composes the server decides when it ends."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals alone."""
        yield


class SmsDoor:
    """One per process. ``take`` is Intake.take; ``told`` hears of every press that came by SMS and was committed:
    its unit, where a receipt could go, its stages, and whether it was no recording. ``beside`` are others' hooks on
    the same listener."""

    def __init__(
        self, take: Take, gateways: Gateways, drops: Drops, told: Told, beside: Sequence[BaseRoute] = ()
    ) -> None:
        self._take = take
        self._beside = beside
        self._gateways = gateways
        self._drops = drops
        self._told = told
        self._server: _HookServer | None = None
        self._serving: asyncio.Task[None] | None = None
        self.address: tuple[str, int] = ("", 0)

    async def start(self, host: str, port: int) -> None:
        """Listens. Raises OSError where the port cannot be had."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            opened = socket.create_server((host, port), family=family, backlog=512, reuse_port=True)
        except OSError as error:
            raise OSError(error.errno, f"SMS hooks cannot listen on {host} port {port}: {error.strerror}") from error
        name = opened.getsockname()
        self.address = name[0], name[1]
        app = Starlette(routes=[Path("/hooks/sms/{gateway}", self._hook, methods=["POST"]), *self._beside])
        self._server = _HookServer(
            uvicorn.Config(
                app, log_level="warning", access_log=False, server_header=False, date_header=False, lifespan="off",
                limit_concurrency=MOST_REQUESTS, timeout_keep_alive=30, timeout_graceful_shutdown=3, ws="none",
                proxy_headers=False,
            )
        )  # fmt: skip
        self._serving = asyncio.create_task(self._server.serve(sockets=[opened]))

    async def stop(self) -> None:
        """Takes no more requests and ends. What was not answered is sent again by its gateway."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving
            self._server = self._serving = None

    async def watch(self) -> None:
        """Ends when the server has ended by itself."""
        if self._serving is not None:
            await asyncio.shield(self._serving)

    async def _hook(self, request: Request) -> Response:
        name = request.path_params["gateway"]
        try:
            gateway = await self._gateways.admitted(name, bearer(request))
        except AWAY:
            return self._later("database_away")
        if gateway is None:
            self._drops.count(TRANSPORT, "unauthenticated")
            return refusal(401, "this token is not of this gateway", {"WWW-Authenticate": "Bearer"})
        body = await body_of(request, LONGEST_BODY)
        if body is None:
            self._drops.count(TRANSPORT, "oversize")
            return refusal(413, f"a request has at most {LONGEST_BODY} bytes and comes at once")
        try:
            inbound = read_request(body)
        except RequestError as error:
            self._drops.count(TRANSPORT, "not_a_request")
            return refusal(400, str(error))
        return await self._inbound(gateway.name, inbound)

    async def _inbound(self, gateway: str, inbound: Inbound) -> Response:
        """What an SMS held is no fault of its gateway: it gets a 200 and stops, whatever a stranger may have sent."""
        frame = frame_of(inbound.text)
        if frame is None:
            self._drops.count(TRANSPORT, "not_a_frame")
            return JSONResponse({"accepted": False, "reason": "not_a_frame"})
        settled: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._take(frame, Way(TRANSPORT), partial(_settle, settled))
        try:
            async with asyncio.timeout(COMMIT_S):
                outcome = await settled
        except TimeoutError:
            return self._later("too_slow")
        if isinstance(outcome, Stored):
            self._tell(frame, gateway, inbound.number, outcome)
            return JSONResponse({"accepted": True})
        if isinstance(outcome, Refused):
            return JSONResponse({"accepted": False, "reason": outcome.reason})
        return refusal(503, "not committed: send it again", {"Retry-After": str(AGAIN_S)})

    def _tell(self, frame: bytes, gateway: str, number: str | None, stored: Stored) -> None:
        envelope = parse_frame(frame)
        if number is None or not stored.presses or isinstance(envelope, Refusal) or envelope.unit is None:
            return
        self._told(envelope.unit, Route(gateway, number), stored.presses, stored.fresh)

    def _later(self, reason: str) -> Response:
        self._drops.count(TRANSPORT, reason)
        return refusal(503, "not committed: send it again", {"Retry-After": str(AGAIN_S)})


def _settle(future: asyncio.Future[Outcome], outcome: Outcome) -> None:
    if not future.done():
        future.set_result(outcome)
