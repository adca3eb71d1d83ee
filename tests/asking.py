"""The web side in the test's own process over a real database, so that a test can take one of its guards away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import httpx
from fastapi import FastAPI

from fleet.registry.secret_box import SecretBox
from fleet.web.app import make_app
from tests.web_server import Scene, acting_pool

T = TypeVar("T")
HTML = {"Accept": "text/html"}


class Asking:
    """An app and clients of it; cookies are set without going through a form."""

    def __init__(self, app: FastAPI, base: str) -> None:
        self.app = app
        self.base = base

    def client(self, **cookies: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=self.app, client=("127.0.0.1", 1))
        return httpx.AsyncClient(transport=transport, base_url=self.base, cookies=cookies)

    async def signed_in(self, person: int, method: str = "password") -> httpx.AsyncClient:
        token = await self.app.state.web.sessions.start(person, method)
        name = "__Host-livlina_session" if self.base.startswith("https") else "livlina_session"
        return self.client(**{name: token})


@asynccontextmanager
async def asking(scene: Scene, base: str = "http://localhost") -> AsyncIterator[Asking]:
    """Pools and the app over them; nothing follows the case log."""
    url = scene.town.app_url
    async with acting_pool(url, "web", 2) as web, acting_pool(url, "login", 2) as login:
        app = make_app(web_pool=web, login_pool=login, listener_url=url, box=SecretBox(bytes(32)))
        yield Asking(app, base)


def ask(scene: Scene, work: Callable[[Asking], Awaitable[T]], base: str = "http://localhost") -> T:
    """Runs one test's conversation."""

    async def run() -> T:
        async with asking(scene, base) as asked:
            return await work(asked)

    return asyncio.run(run())
