"""The bench's page: what happens to each board of a workshop's station, live, and what to do next with one's hands.

It is served by the station itself, on this machine only, to whoever opened the link that its terminal shows; a link
opens once. The stream speaks the console's protocol (`stream.js` is the same): snapshot, numbered changes, beats. It
decides nothing about boards: what a person answers goes to the worker that asked.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from datetime import UTC, datetime
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Body, FastAPI, HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from fleet.loops import end
from fleet.web import bench_words
from fleet.web.bench_log import BenchLog, Place
from fleet.web.cookies import set_cookie
from fleet.web.decide import is_loopback, page_position
from fleet.web.edge import Edge
from fleet.web.model import NOT_LOGGED_IN, Timings
from fleet.web.pages import in_language, json_for_page, make_templates
from fleet.web.problem import problem
from fleet.web.texts import LANGUAGE_COOKIE, LANGUAGES, Words, language_of

COOKIE = "livlina_bench"
_COOKIE_S = 24 * 3600


class Door:
    """Who may see the page: whoever has opened a link. Links and cookies live as long as the station's process."""

    def __init__(self, show: Callable[[str], None]) -> None:
        """`show` puts a link's path before the person at the terminal, at first and each time that one is used up."""
        self._show = show
        self._sessions: set[str] = set()
        self._next()

    def _next(self) -> None:
        self._key = secrets.token_urlsafe(24)
        self._show(f"/open?key={self._key}")

    def open(self, key: str) -> str | None:
        """A session for the link's key; None where it is wrong or used up."""
        if not secrets.compare_digest(key.encode(), self._key.encode()):
            return None
        session = secrets.token_urlsafe(32)
        self._sessions.add(session)
        self._next()
        return session

    def knows(self, connection: HTTPConnection) -> bool:
        """Whether a request comes from such a page. One that does not name this machine is a stranger's."""
        return is_loopback(connection.headers.get("host", "")) and (
            connection.cookies.get(cookie_of(connection)) in self._sessions
        )


def cookie_of(connection: HTTPConnection) -> str:
    """The cookie's name; browsers do not tell ports apart, and several stations may run on one machine."""
    return f"{COOKIE}_{connection.url.port or 80}"


def make_bench_app(
    log: BenchLog, labels: Path, show: Callable[[str], None], zone: str = "Europe/Stockholm",
    timings: Timings | None = None,
) -> FastAPI:  # fmt: skip
    """The page of one bench. `labels` is the folder of the labels' PDFs; `show` as in `Door`."""
    limits = timings or Timings()
    door = Door(show)
    templates = {language: make_templates(language) for language in LANGUAGES}
    app = FastAPI(title="Livlina bench", docs_url=None, redoc_url=None, openapi_url=None)

    def page(request: Request, status: int, *, open_: bool) -> Response:
        words = Words(language_of(request), ZoneInfo(zone))
        texts = bench_words.for_scripts(words)
        html = templates[words.language].get_template("bench.html").render(
            words=words, session=None, can=frozenset(), here=request.url.path, request=request,
            in_language=partial(in_language, request), log=log, open=open_, say=texts["say"],
            page=json_for_page({"texts": texts, "language": words.language, "zone": zone,
                                "order": log.order, "ordered": log.ordered}),
        )  # fmt: skip
        answer = HTMLResponse(html, status_code=status, headers={"Vary": "Accept-Language, Cookie"})
        if request.query_params.get("lang") in LANGUAGES:
            set_cookie(request, answer, LANGUAGE_COOKIE, words.language, max_age=365 * 24 * 3600)
        return answer

    def admit(request: Request) -> None:
        if not door.knows(request):
            raise HTTPException(401, "open the link that the station's terminal shows")

    @app.get("/open")
    async def open_link(request: Request, key: str = "") -> Response:
        session = door.open(key) if is_loopback(request.headers.get("host", "")) else None
        if session is None:
            return page(request, 404, open_=False)
        answer = RedirectResponse("/", status_code=303)
        set_cookie(request, answer, cookie_of(request), session, max_age=_COOKIE_S)
        return answer

    @app.get("/")
    async def bench(request: Request) -> Response:
        known = door.knows(request)
        return page(request, 200 if known else 401, open_=known)

    @app.post("/places/{number}/answer")
    async def answer(
        request: Request, number: int, question: Annotated[str, Body()], answer: Annotated[str, Body()]
    ) -> Response:
        admit(request)
        if not 1 <= number <= len(log.places):
            return problem(404, "this bench has no such place")
        if not log.answer(number, question, answer):
            return problem(409, "nobody asks that any more: look at the place again")
        return Response(status_code=204)

    @app.post("/end")
    async def end_of_work(request: Request) -> Response:
        admit(request)
        log.end()
        return Response(status_code=204)

    @app.get("/labels/{name}.pdf")
    async def label(request: Request, name: str) -> Response:
        admit(request)
        if name not in {place.label for place in log.places if place.label}:
            return problem(404, "no board on this bench has this label")
        headers = {"Content-Disposition": f'inline; filename="{name}.pdf"'}
        return FileResponse(labels / f"{name}.pdf", media_type="application/pdf", headers=headers)

    @app.websocket("/ws")
    async def stream(websocket: WebSocket) -> None:
        await websocket.accept()
        if not door.knows(websocket):
            await websocket.close(NOT_LOGGED_IN)
            return
        await _serve(websocket, log, limits)

    app.add_middleware(Edge, body_bytes=limits.body_bytes)
    static = resources.files("fleet.web").joinpath("static")
    app.mount("/static", StaticFiles(directory=str(static)), name="static")
    return app


async def _serve(websocket: WebSocket, log: BenchLog, limits: Timings) -> None:
    """One page, until it goes."""
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()

    def waker() -> None:
        with suppress(RuntimeError):  # The page's loop has ended.
            loop.call_soon_threadsafe(changed.set)

    log.join(waker)
    tasks = [asyncio.create_task(_send(websocket, log, changed, limits)), asyncio.create_task(_listen(websocket))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        log.leave(waker)
        await end(tasks)


async def _send(websocket: WebSocket, log: BenchLog, changed: asyncio.Event, limits: Timings) -> None:
    cursor = page_position(websocket.query_params.get("after"))
    if websocket.query_params.get("scope") != log.scope:
        cursor = None
    loop = asyncio.get_running_loop()
    next_beat = loop.time()
    with suppress(WebSocketDisconnect, TimeoutError):
        while True:
            changed.clear()
            news = None if cursor is None else log.since(cursor)
            if cursor is None or news is None:
                cursor, places = log.snapshot()
                boards = [_shown(place) for place in places]
                await _say(websocket, limits, type="snapshot", cursor=cursor, scope=log.scope, boards=boards,
                           made=log.made)  # fmt: skip
            for change in news or ():
                cursor = change.position
                await _say(websocket, limits, type="change", position=cursor, board=_shown(change.place), made=log.made)
            if log.over() and log.since(cursor) == []:
                await websocket.close()
                return
            if loop.time() >= next_beat:
                next_beat = loop.time() + limits.beat
                await _say(websocket, limits, type="beat", cursor=cursor)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(next_beat):
                    await changed.wait()


def _shown(place: Place) -> dict[str, object]:
    """A place as the page's script takes it."""
    return {field.name: getattr(place, field.name) for field in fields(place)} | {
        "said": [place.said[0], dict(place.said[1])]
    }


async def _say(websocket: WebSocket, limits: Timings, **frame: object) -> None:
    async with asyncio.timeout(limits.send):
        await websocket.send_text(json.dumps({**frame, "at": datetime.now(UTC).isoformat()}))


async def _listen(websocket: WebSocket) -> None:
    """Notices that the page has gone; what it says is not needed."""
    with suppress(WebSocketDisconnect):
        while True:
            await websocket.receive_text()
