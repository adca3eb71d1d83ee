"""The operators' stream: ``/ws?after=N&scope=S``. Snapshot or catch-up, then changes, beats, and display receipts back.

Nothing is skipped and nothing comes twice: a console joins the feed first and reads the log after, so every change is
in what it read or in its queue, and a change at or below its cursor is left out.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from starlette.websockets import WebSocket, WebSocketDisconnect

from fleet.alarms.store import cases_not_closed, changes_after, last_position
from fleet.loops import end
from fleet.store.pool import Pool, tenant_transaction
from fleet.web.around import around_cases
from fleet.web.cookies import session_token
from fleet.web.decide import page_position, scope_of
from fleet.web.follower import LOST_DATABASE, Console, Feed, LogFollower, around_frame, frame_of
from fleet.web.model import BAD_REQUEST, NOT_LOGGED_IN, TOO_SLOW, TRY_AGAIN, Timings
from fleet.web.receipts import Receipts
from fleet.web.sessions import Sessions

log = logging.getLogger(__name__)

_PAGE = 500
_CLOSE_PATIENCE_S = 1.0


class Stream:
    """Serves one WebSocket per call of ``serve``; shares follower, receipts and pools with the others."""

    def __init__(
        self, pool: Pool, sessions: Sessions, follower: LogFollower, receipts: Receipts, timings: Timings
    ) -> None:
        self._pool = pool
        self._sessions = sessions
        self._follower = follower
        self._receipts = receipts
        self._timings = timings

    async def serve(self, websocket: WebSocket) -> None:
        """From handshake to close. Without a log-in it closes with 4401, so that the page can say why."""
        asked = websocket.query_params.get("after")
        after = page_position(asked)
        await websocket.accept()
        if asked is not None and after is None:
            await _close(websocket, BAD_REQUEST)
            return
        try:
            token, own = session_token(websocket.cookies, websocket.url.scheme)
            session = await self._sessions.find(token, own_cookie=own)
            if session is None or not session.municipalities:  # nobody, or somebody with no right to see alarms
                await _close(websocket, NOT_LOGGED_IN)
                return
            if websocket.query_params.get("scope") != scope_of(session.municipalities):
                after = None  # the user's municipalities have changed meanwhile: cases would be missing
            console = Console(session.token_hash, session.municipalities, self._timings.queue_frames)
            feed = await self._follower.join(console)
        except LOST_DATABASE:
            await _close(websocket, TRY_AGAIN)
            return
        self._receipts.add(console)
        try:
            code = await self._talk(websocket, console, feed, after)
        finally:
            self._follower.leave(console)
            self._receipts.remove(console)
        if code is not None:
            await _close(websocket, code)

    async def _talk(self, websocket: WebSocket, console: Console, feed: Feed, after: int | None) -> int | None:
        """Runs both directions until one ends; returns the code to close with, None where the peer has gone."""
        tasks = [
            asyncio.create_task(self._send(websocket, console, feed, after)),
            asyncio.create_task(self._receive(websocket, console)),
            asyncio.create_task(console.ended()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(tasks)
        if tasks[2] in done:
            return tasks[2].result()
        ended = next(task for task in tasks if task in done)
        return ended.result()

    async def _send(self, websocket: WebSocket, console: Console, feed: Feed, after: int | None) -> int | None:
        try:
            async for text in self._frames(console, feed, after):
                async with asyncio.timeout(self._timings.send):
                    await websocket.send_text(text)
        except WebSocketDisconnect:
            return None
        except TimeoutError:
            return TOO_SLOW
        except LOST_DATABASE:
            return TRY_AGAIN
        return None

    async def _frames(self, console: Console, feed: Feed, after: int | None) -> AsyncIterator[str]:
        async for text in self._opening(console, after):
            yield text
        yield await self._around(console, feed)
        loop = asyncio.get_running_loop()
        next_beat = loop.time()
        while True:
            if loop.time() >= next_beat:  # looked at first, so that a flood of changes cannot hold the beat back
                next_beat = loop.time() + self._timings.beat
                if self._follower.is_fresh(feed):
                    yield _frame("beat", cursor=console.sent)
            try:
                async with asyncio.timeout_at(next_beat):
                    frame = await console.frames.get()
            except TimeoutError:
                continue
            if frame.position is None:
                yield frame.text
            elif frame.position > console.sent:
                console.sent = frame.position
                yield frame.text

    async def _opening(self, console: Console, after: int | None) -> AsyncIterator[str]:
        """The changes after the console's cursor, or a snapshot where it has none that is of use."""
        async with tenant_transaction(self._pool, console.municipalities) as connection:
            newest = await last_position(connection)
            if after is None or not 0 <= newest - after <= self._timings.resume_positions:
                console.sent = newest
                cases = await cases_not_closed(connection)
                opening = [_frame("snapshot", cursor=newest, scope=scope_of(console.municipalities), cases=cases)]
            else:
                console.sent = after
                opening = []
                while True:
                    changes = await changes_after(connection, console.sent, _PAGE)
                    for change in changes:
                        console.sent = change["position"]
                        opening.append(frame_of(change).text)
                    if len(changes) < _PAGE:
                        break
        for text in opening:
            yield text

    async def _around(self, console: Console, feed: Feed) -> str:
        """What stands around the open cases: read apart, because alarms are shown whether it can be read or not."""
        try:
            async with tenant_transaction(self._pool, console.municipalities) as connection:
                return around_frame(await around_cases(connection)).text
        except LOST_DATABASE as error:
            log.warning("a console begins without what stands around its cases: %s", type(error).__name__)
            feed.around = {}  # so that the follower's next look tells everything
            return around_frame({}).text

    async def _receive(self, websocket: WebSocket, console: Console) -> int | None:
        """Reads ``{"seen": position}`` and ``{"manned": true}``; anything else ends the stream."""
        while True:
            try:
                message = json.loads(await websocket.receive_text())
            except WebSocketDisconnect:
                return None
            except (ValueError, KeyError, TypeError, RecursionError):
                return BAD_REQUEST
            if not isinstance(message, dict) or not message.keys() <= {"seen", "manned"}:
                return BAD_REQUEST
            seen = message.get("seen")
            if type(seen) is int:
                console.shown = max(console.shown, min(seen, console.sent))
                console.painted = True
            elif seen is not None:
                return BAD_REQUEST
            if "manned" in message:
                console.manned = message["manned"] is True


def _frame(kind: str, **values: object) -> str:
    return json.dumps({"type": kind, "at": datetime.now(UTC).isoformat(), **values}, ensure_ascii=False)


async def _close(websocket: WebSocket, code: int) -> None:
    """Says why, where the peer still listens; a peer that takes nothing is simply let go."""
    try:
        async with asyncio.timeout(_CLOSE_PATIENCE_S):
            await websocket.close(code)
    except (TimeoutError, WebSocketDisconnect, RuntimeError):
        return
