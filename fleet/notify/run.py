"""The worker that tells technicians and fleet owners. One process gathers at a time; any number sends.

It shares nothing with the messages of alarms: not a connection, not a thread of a gateway, not a queue. A gateway that
is dead or slow delays nobody but itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from fleet.clock import Clock, SystemClock, pause
from fleet.loops import Part
from fleet.notify.decide import again_after, reach, to_send
from fleet.notify.model import CANNOT_WAIT, GIVES_UP, TOPIC_OF_TASK, Item, Reach, Sent, Subscriber
from fleet.notify.texts import Line, text_of
from fleet.people.model import Grant
from fleet.people.store import grant_of, read_plan
from fleet.store.borrow import AWAY, borrow
from fleet.store.pool import Connection, Pool, fetch_all, make_pool
from fleet.store.sql_file import read_statements

log = logging.getLogger("livlina.notify")
SQL = read_statements("fleet.notify")

LOOK_S: Final = 5.0
BACK: Final = timedelta(hours=2)
"""So far back events are taken up: what is older was taken up, or nobody ran for that long."""
LATELY: Final = timedelta(hours=25)
LEASE: Final = timedelta(seconds=60)
AT_ONCE: Final = 8


class Link(Protocol):
    """A way to people: one gateway. Never raises for what the gateway does."""

    async def send(self, address: str, text: str) -> str:
        """One attempt, bounded in time. ``delivered`` when the gateway has said that it has it; else why not."""

    def close(self) -> None:
        """Lets go of it."""


class Notifications(Part):
    """``links`` by channel; a channel without one is tried in vain, and said so. Nothing is opened before ``start``."""

    def __init__(
        self, database_url: str, links: Mapping[str, Link], *, clock: Clock | None = None, look_s: float = LOOK_S
    ) -> None:
        self._links = links
        self._look_s = look_s
        self._clock: Clock = clock or SystemClock()
        self._pool: Pool = make_pool(database_url, "notify", size=2)
        super().__init__("notify", self._pool)
        self.delivered = 0

    def works(self) -> Iterable[Coroutine[Any, Any, None]]:
        """One that gathers, one that sends."""
        return self._loop(self._gather), self._loop(self._send)

    async def hang_up(self) -> None:
        """The gateways."""
        for link in self._links.values():
            link.close()

    async def _loop(self, work: Any) -> None:
        while True:
            try:
                await work()
            except AWAY as error:
                log.warning("the database is away, messages wait: %s", type(error).__name__)
            await pause(self._clock, self._look_s)

    async def _gather(self) -> None:
        async with borrow(self._pool) as connection, connection.transaction():
            await gather(connection, self._clock.now())

    async def _send(self) -> None:
        at = self._clock.now()
        async with borrow(self._pool) as connection, connection.transaction():
            await connection.execute(SQL["give_up"], {"at": at, "before": at - GIVES_UP})
            owed = await fetch_all(connection, SQL["claim"], {"at": at, "until": at + LEASE, "most": AT_ONCE})
            texts = [await _text(connection, row) for row in owed]
        await asyncio.gather(*(self._tell(row, text) for row, text in zip(owed, texts, strict=True)))

    async def _tell(self, row: Mapping[str, Any], text: str) -> None:
        link = self._links.get(row["channel"])
        outcome = "no gateway" if link is None else await link.send(row["address"], text)
        at = self._clock.now()
        values: dict[str, Any] = {"notification_id": row["notification_id"], "at": at}
        async with borrow(self._pool) as connection, connection.transaction():
            if outcome == "delivered":
                self.delivered += 1
                await connection.execute(SQL["delivered"], values)
                return
            log.warning("message %d, attempt %d: %s", row["notification_id"], row["attempts"], outcome)
            again = at + again_after(row["attempts"])
            await connection.execute(SQL["failed"], {**values, "outcome": outcome[:200], "next": again})


async def gather(connection: Connection, at: datetime) -> int:
    """Takes up what has happened, drops what is over, and makes the messages that are due; returns how many.

    Inside the caller's transaction; 0 where another process is at it.
    """
    if not (await fetch_all(connection, SQL["lead"]))[0]["mine"]:
        return 0
    reached = await _reached(connection, at)
    places = {
        "persons": [one.person for one in reached], "places": [one.municipality for one in reached],
        "now": [one.now for one in reached],
    }  # fmt: skip
    values: dict[str, Any] = {
        "at": at, "since": at - BACK, "urgent": list(CANNOT_WAIT), "kinds": list(TOPIC_OF_TASK),
        "topics": list(TOPIC_OF_TASK.values()), **places,
    }  # fmt: skip
    for name in ("take_incidents", "take_tasks", "drop_over"):
        await connection.execute(SQL[name], values)
    waiting = [
        Item(row["item_id"], row["user_id"], row["topic"], row["subject"], row["at"])
        for row in await fetch_all(connection, SQL["waiting"], places)
    ]
    if not waiting:
        return 0
    subscribers = {row["user_id"]: _subscriber(row) for row in await fetch_all(connection, SQL["subscribers"])}
    sent = [
        Sent(row["user_id"], row["queued_at"], row["delivered_at"], frozenset(row["subjects"]))
        for row in await fetch_all(connection, SQL["sent_lately"], {"since": at - LATELY})
    ]
    messages = to_send(subscribers, waiting, sent, at)
    for who, items in messages:
        urgent = any(item.cannot_wait for item in items)
        made = {"person": who.person, "at": at, "items": len(items), "cannot_wait": urgent}
        number = (await fetch_all(connection, SQL["make"], made))[0]["notification_id"]
        await connection.execute(
            SQL["put_into"], {"notification_id": number, "items": [item.number for item in items]}
        )  # fmt: skip
    return len(messages)


async def _reached(connection: Connection, at: datetime) -> list[Reach]:
    grants: dict[int, list[Grant]] = {}
    for row in await fetch_all(connection, SQL["grants"]):
        grant = grant_of(row["role"], row["municipality_id"], row["alarm_centre_id"])
        grants.setdefault(row["user_id"], []).append(grant)
    plan = await read_plan(connection, [grant for some in grants.values() for grant in some])
    return reach(grants, plan, at)


async def _text(connection: Connection, row: Mapping[str, Any]) -> str:
    rows = await fetch_all(connection, SQL["lines"], {"notification_id": row["notification_id"]})
    return text_of([Line(one["topic"], one["municipality"], one["number"]) for one in rows], row["language"])


def _subscriber(row: Mapping[str, Any]) -> Subscriber:
    return Subscriber(
        row["user_id"], frozenset(row["topics"]), timedelta(seconds=row["group_s"]), row["quiet_from"],
        row["quiet_until"], row["quiet_weekend"], row["wake"], ZoneInfo(row["zone"]),
    )  # fmt: skip
