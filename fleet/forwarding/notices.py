"""The workers that tell people: managers, guards' patrols, those on call, shift leads.

They share nothing with the workers of centres but the database: not a connection, not a thread, not a queue. So a
gateway that is dead or slow delays nobody but itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, Protocol

from fleet.alarms.store import announce_cases, lock_case_log, log_change
from fleet.clock import Clock, SystemClock, pause
from fleet.forwarding.message import Notice, text_of
from fleet.loops import Part
from fleet.store.borrow import AWAY, borrow
from fleet.store.listening import listen
from fleet.store.pool import Pool, fetch_all, make_pool
from fleet.store.sql_file import read_statements

log = logging.getLogger("livlina.notices")
SQL = read_statements("fleet.forwarding", "notices.sql")

CHANNELS = ("sms", "email")
CLAIM_MOST = 8
# Longer than a gateway's time-outs.
LEASE_S = 30.0
POLL_S = 1.0
AGAIN_S = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0)


class NoticeLink(Protocol):
    """A way to people: one gateway. Never raises for what the gateway does."""

    async def send(self, address: str, text: str) -> str:
        """One attempt, bounded in time. ``delivered`` when the gateway has said that it has it; else why not."""


def again_after(attempts: int) -> float:
    """Seconds until the next attempt after so many. There is no last one while the case is open."""
    return AGAIN_S[min(max(attempts, 1), len(AGAIN_S)) - 1]


class Notices(Part):
    """Sends what is owed to people. ``links`` by channel; a channel without one is tried in vain, and said so.

    Nothing is opened before ``start``.
    """

    def __init__(self, database_url: str, links: Mapping[str, NoticeLink], *, clock: Clock | None = None) -> None:
        self._url = database_url
        self._links = links
        self._clock: Clock = clock or SystemClock()
        self._pool: Pool = make_pool(database_url, "forward", size=2, name="notices")
        self._wake = {channel: asyncio.Event() for channel in CHANNELS}
        super().__init__("notices", self._pool)
        self.delivered = 0

    def works(self) -> Iterable[Coroutine[Any, Any, None]]:
        """One that is woken, and one for each way to people."""
        return self._listen(), *(self._work(channel) for channel in CHANNELS)

    async def _work(self, channel: str) -> None:
        while True:
            self._wake[channel].clear()
            try:
                found = await self._round(channel)
            except AWAY as error:
                log.warning("the database is away, messages wait: %s", type(error).__name__)
                found = 0
            if not found:
                await pause(self._clock, POLL_S, self._wake[channel])

    async def _round(self, channel: str) -> int:
        at = self._clock.now()
        values = {
            "channel": channel, "at": at, "most": CLAIM_MOST, "lease_s": LEASE_S, "longest_delay_s": max(AGAIN_S),
        }  # fmt: skip
        async with borrow(self._pool) as connection, connection.transaction():
            await connection.execute(SQL["withdraw_notices"], {"at": at})
            owed = [_notice(row) for row in await fetch_all(connection, SQL["claim_notices"], values)]
        await asyncio.gather(*(self._tell(channel, notice) for notice in owed))
        return len(owed)

    async def _tell(self, channel: str, notice: Notice) -> None:
        link = self._links.get(channel)
        outcome = "no gateway" if link is None else await link.send(notice.address, text_of(notice))
        at = self._clock.now()
        place = {"notice_id": notice.notice, "at": at}
        async with borrow(self._pool) as connection, connection.transaction():
            if outcome == "delivered":
                await lock_case_log(connection)
                for row in await fetch_all(connection, SQL["notice_delivered"], place):
                    detail: dict[str, Any] = {"to": notice.name, "channel": channel}
                    await log_change(connection, row["municipality_id"], row["case_id"], "told", "notices", detail, at)
                    await announce_cases(connection)
                    self.delivered += 1
                return
            delay_s = again_after(notice.attempts)
            log.warning(
                "%s of case %d, attempt %d: %s; again in %.0f s",
                channel,
                notice.case,
                notice.attempts,
                outcome,
                delay_s,
            )
            await connection.execute(SQL["notice_failed"], {**place, "outcome": outcome[:200], "delay_s": delay_s})

    async def _listen(self) -> None:
        await listen(self._url, {"livlina_notices": self._wake_all}, self._clock, POLL_S, log)

    def _wake_all(self) -> None:
        for event in self._wake.values():
            event.set()


def _notice(row: Mapping[str, Any]) -> Notice:
    return Notice(
        notice=row["notice_id"],
        case=row["case_id"],
        place=row["place"],
        channel=row["channel"],
        name=row["name"],
        address=row["address"],
        language=row["language"],
        parts=tuple(row["parts"]),
        zone=row["zone"],
        attempts=row["attempts"],
        unit=row["unit_id"],
        kind=row["kind"],
        opened_at=row["opened_at"],
        municipality=row["municipality"],
    )
