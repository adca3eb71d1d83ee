"""Follows the case log for all consoles of this process.

It decides when the log is read and which console gets which change. It reads once per set of municipalities, however
many consoles share it, and never holds anything that the log does not have. A lost database is no error: nothing is
read, so no beat is sent, and the pages turn red by themselves.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg_pool import PoolTimeout

from fleet.alarms.store import changes_after, last_position
from fleet.store.pool import Pool, tenant_transaction
from fleet.web.around import around_cases
from fleet.web.model import TOO_SLOW, Timings

log = logging.getLogger(__name__)

LOST_DATABASE = (psycopg.Error, PoolTimeout, TimeoutError, OSError)
_PAGE = 500
_LISTEN_AGAIN_S = 0.5


@dataclass(frozen=True, slots=True)
class Frame:
    """What goes to a console as JSON text. A change has its log position; None is news that the log does not number."""

    position: int | None
    text: str


class Console:
    """One connected page: the frames that wait for it and what it has painted."""

    def __init__(self, token_hash: bytes, municipalities: tuple[int, ...], frames: int) -> None:
        self.token_hash = token_hash
        self.municipalities = municipalities
        self.frames: asyncio.Queue[Frame] = asyncio.Queue(maxsize=frames)
        self.sent = 0
        self.shown = 0
        self.painted = False
        self.manned = False
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def offer(self, frame: Frame) -> None:
        """Queues a frame; a console whose queue is full is cut, and resumes from its own cursor."""
        try:
            self.frames.put_nowait(frame)
        except asyncio.QueueFull:
            self.end(TOO_SLOW)

    def end(self, code: int) -> None:
        """Asks for the stream to be closed with this code; the first reason counts."""
        if not self._ended.done():
            self._ended.set_result(code)

    async def ended(self) -> int:
        """Waits until the stream is to be closed; returns the code."""
        return await asyncio.shield(self._ended)


@dataclass(eq=False)
class Feed:
    """What one set of municipalities may see of the log, and who listens."""

    municipalities: tuple[int, ...]
    cursor: int
    read_at: float
    consoles: set[Console] = field(default_factory=set)
    around: dict[int, dict[str, Any]] = field(default_factory=dict)


class LogFollower:
    """Wakes on the database's notification, and every ``timings.poll`` seconds as a safety net."""

    def __init__(
        self, pool: Pool, listener_url: str, timings: Timings, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._pool = pool
        self._listener_url = listener_url
        self._timings = timings
        self._now = now
        self._feeds: dict[tuple[int, ...], Feed] = {}
        self._joining = asyncio.Lock()
        self._wake = asyncio.Event()
        self.reads_failed = 0
        self.looks_failed = 0

    async def join(self, console: Console) -> Feed:
        """From now on the console gets every change after the feed's cursor. Raises psycopg.Error, PoolTimeout."""
        async with self._joining:
            feed = self._feeds.get(console.municipalities)
            if feed is None:
                begun = self._now()
                async with tenant_transaction(self._pool, console.municipalities) as connection:
                    feed = Feed(console.municipalities, await last_position(connection), begun)
                self._feeds[console.municipalities] = feed
            feed.consoles.add(console)
            return feed

    def leave(self, console: Console) -> None:
        """The console gets nothing any more; a feed that nobody listens to is not read."""
        feed = self._feeds.get(console.municipalities)
        if feed is not None:
            feed.consoles.discard(console)
            if not feed.consoles:
                del self._feeds[console.municipalities]

    def is_fresh(self, feed: Feed) -> bool:
        """Whether the log was read so recently that a console may be told that all is well."""
        return self._now() - feed.read_at <= self._timings.fresh

    async def run(self) -> None:
        """Until cancelled. It ends by itself only through a fault of ours; then the beats end too."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._follow())
            group.create_task(self._look_around())

    async def _listen(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._listener_url, autocommit=True, connect_timeout=5, application_name="livlina-web-listener"
                ) as connection:
                    await connection.execute("LISTEN livlina_case_log")
                    self._wake.set()
                    async for _notification in connection.notifies():
                        self._wake.set()
            except LOST_DATABASE:  # polling goes on, and says so where that fails too
                await asyncio.sleep(_LISTEN_AGAIN_S)

    async def _follow(self) -> None:
        away = False
        while True:
            try:
                async with asyncio.timeout(self._timings.poll):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                for feed in list(self._feeds.values()):
                    await self._read(feed)
                if away:
                    log.warning("the case log can be read again")
                away = False
            except LOST_DATABASE as error:
                self.reads_failed += 1
                if not away:
                    log.warning("the case log cannot be read (%s): no beats until it can", type(error).__name__)
                away = True

    async def _look_around(self) -> None:
        """Apart from the log: whatever this look costs, or whether it fails, changes and beats do not wait for it."""
        away = False
        while True:
            await asyncio.sleep(self._timings.around)
            try:
                for feed in list(self._feeds.values()):
                    await self._look(feed)
                away = False
            except LOST_DATABASE as error:
                self.looks_failed += 1
                if not away:
                    log.warning("what stands around cases cannot be read: %s", type(error).__name__)
                away = True

    async def _look(self, feed: Feed) -> None:
        async with (
            asyncio.timeout(self._timings.read),
            tenant_transaction(self._pool, feed.municipalities) as connection,
        ):
            around = await around_cases(connection)
        changed = {case: value for case, value in around.items() if feed.around.get(case) != value}
        feed.around = around
        if changed:
            frame = around_frame(changed)
            for console in feed.consoles:
                console.offer(frame)

    async def _read(self, feed: Feed) -> None:
        more = True
        while more:
            begun = self._now()
            async with (
                asyncio.timeout(self._timings.read),
                tenant_transaction(self._pool, feed.municipalities) as connection,
            ):
                changes = await changes_after(connection, feed.cursor, _PAGE)
            for change in changes:
                frame = frame_of(change)
                feed.cursor = change["position"]
                for console in feed.consoles:
                    console.offer(frame)
            feed.read_at = begun
            more = len(changes) == _PAGE


def frame_of(change: dict[str, Any]) -> Frame:
    """A log entry as the frame that tells of it."""
    return Frame(change["position"], json.dumps({"type": "change", **change}, ensure_ascii=False))


def around_frame(around: dict[int, dict[str, Any]]) -> Frame:
    """What stands around these cases now. It takes the place of what was told of them before."""
    return Frame(None, json.dumps({"type": "around", "cases": around}, ensure_ascii=False))
