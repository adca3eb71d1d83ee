"""A simulated operator: logs in as a person does and takes cases through the real API and the real stream."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Origin

log = logging.getLogger("livlina.sim.operator")


class OperatorError(RuntimeError):
    """The server does not let the simulated operator in; the message says what it answered."""


class Operator:
    """Takes every open case ``take_after`` seconds after it appeared and closes it ``close_after`` seconds later.

    A case that a person takes first is left alone, and it closes only what it took itself. A lost connection is made
    again, from the cursor.
    """

    def __init__(self, url: str, login: str, password: str, *, take_after: float, close_after: float) -> None:
        self._url = url
        self._login = login
        self._password = password
        self._take_after = take_after
        self._close_after = close_after
        self._client = httpx.AsyncClient(base_url=url, timeout=10)
        self._cursor: int | None = None
        self._scope = ""
        self._planned: dict[int, asyncio.Task[None]] = {}
        self.taken = 0

    async def log_in(self) -> None:
        """Raises OperatorError where the log-in is refused, httpx.HTTPError where the server is away."""
        answer = await self._client.post("/api/login", json={"login": self._login, "password": self._password})
        if answer.status_code != httpx.codes.NO_CONTENT:
            raise OperatorError(f"log-in as {self._login} answered {answer.status_code}: {answer.text[:200]}")

    async def run(self) -> None:
        """Works for ever; cancel it to end the shift."""
        try:
            while True:
                try:
                    await self.log_in()
                    await self._follow()
                except (OSError, httpx.HTTPError, WebSocketException, OperatorError) as error:
                    log.info("the operator's stream broke, trying again: %s", type(error).__name__)
                await asyncio.sleep(random.uniform(0.2, 0.6))
        finally:
            for task in self._planned.values():
                task.cancel()
            await self._client.aclose()

    async def _follow(self) -> None:
        after = "" if self._cursor is None else f"?after={self._cursor}&scope={self._scope}"
        cookies = "; ".join(f"{name}={value}" for name, value in self._client.cookies.items())
        async with connect(
            self._url.replace("http", "ws", 1) + "/ws" + after,
            additional_headers={"Cookie": cookies},
            origin=Origin(self._url),
        ) as socket:
            async for text in socket:
                await self._heard(socket, json.loads(text))

    async def _heard(self, socket: ClientConnection, message: dict[str, Any]) -> None:
        if message["type"] == "snapshot":
            self._cursor, self._scope = message["cursor"], message["scope"]
            for case in message["cases"]:
                self._consider(case)
        elif message["type"] == "change":
            self._cursor = message["position"]
            self._consider(message["case"])
        if message["type"] != "beat":
            await socket.send(json.dumps({"seen": self._cursor}))

    def _consider(self, case: dict[str, Any]) -> None:
        planned = self._planned.get(case["id"])
        if case["state"] == "open" and (planned is None or planned.done()):
            self._planned[case["id"]] = asyncio.create_task(self._handle(case["id"]))
        elif case["state"] == "closed":
            self._planned.pop(case["id"], None)

    async def _handle(self, case: int) -> None:
        """Takes and closes; a press that came meanwhile has opened the case again, so it is taken again."""
        while True:
            if self._take_after:
                await asyncio.sleep(self._take_after)
            if (await self._post(case, "take", {})).get("taken_by") != self._login:
                return
            self.taken += 1
            await asyncio.sleep(self._close_after)
            if (await self._post(case, "close", {"outcome": "helped"})).get("state") != "open":
                return

    async def _post(self, case: int, action: str, body: dict[str, str]) -> dict[str, Any]:
        """Repeats until the server has answered; returns the case as it is now, empty where there is none."""
        while True:
            try:
                answer = await self._client.post(f"/api/cases/{case}/{action}", json=body)
            except httpx.HTTPError:
                await asyncio.sleep(0.5)
                continue
            if answer.status_code == httpx.codes.OK:
                return dict(answer.json())
            if answer.status_code in {httpx.codes.CONFLICT, httpx.codes.NOT_FOUND}:
                return dict(answer.json().get("case", {}))
            if answer.status_code == httpx.codes.UNAUTHORIZED:
                with contextlib.suppress(httpx.HTTPError, OperatorError):
                    await self.log_in()
            await asyncio.sleep(0.5)
