"""The loop that tells subscribers. One event at a time to each, in the order of the chain; many subscribers at once."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from fleet.clock import Clock, SystemClock, pause
from fleet.forwarding.link_webhook import WebhookLink
from fleet.forwarding.model import Outcome
from fleet.loops import Part
from fleet.registry.secret_box import SecretBox, SecretBoxError
from fleet.store.borrow import AWAY, borrow
from fleet.store.pool import Pool, make_pool
from fleet.subscriptions.store import Due, claim, next_event, put_off, settle

log = logging.getLogger("livlina.subscriptions")

LOOK_S = 1.0
AT_ONCE = 20

LinkTo = Callable[[str, str], WebhookLink]
"""(address, secret) to the way there."""


class Subscriptions(Part):
    """Nothing is opened before ``start``."""

    def __init__(
        self, database_url: str, box: SecretBox, *, clock: Clock | None = None, link_to: LinkTo | None = None
    ) -> None:
        self._clock: Clock = clock or SystemClock()
        self._pool: Pool = make_pool(database_url, "evidence", size=2, name="subscriptions")
        self._box = box
        self._link_to: LinkTo = link_to or (lambda url, secret: WebhookLink(url, secret, self._clock))
        self._links: dict[tuple[int, str, str], WebhookLink] = {}
        super().__init__("subscriptions", self._pool)
        self.told = 0

    def works(self) -> Iterable[Coroutine[Any, Any, None]]:
        """Deliveries."""
        return (self._run(),)

    async def hang_up(self) -> None:
        """The links to subscribers."""
        for link in self._links.values():
            await link.close()

    async def _run(self) -> None:
        while True:
            found: list[Due] = []
            try:
                async with borrow(self._pool) as connection, connection.transaction():
                    found = await claim(connection, self._clock.now(), AT_ONCE)
                await asyncio.gather(*(self._tell(due) for due in found))
            except AWAY as error:
                log.warning("the database is away, subscribers are told later: %s", type(error).__name__)
            if len(found) == 0:
                await pause(self._clock, LOOK_S)

    async def _tell(self, due: Due) -> None:
        """The next event of one subscriber, or that there is none for it."""
        async with borrow(self._pool) as connection, connection.transaction():
            event, position = await next_event(connection, due)
            if event is None:
                await settle(connection, due, position, self._clock.now(), None)
                return
        outcome = await self._send(due, event)
        async with borrow(self._pool) as connection, connection.transaction():
            if outcome is Outcome.DELIVERED:
                self.told += 1
                await settle(connection, due, position, self._clock.now(), outcome.value)
            else:
                await put_off(connection, due, self._clock.now(), outcome.value)

    async def _send(self, due: Due, event: dict[str, object]) -> Outcome:
        try:
            secret = self._box.open_for_centre(due.sealed, due.number, "subscription").decode()
        except SecretBoxError:
            log.error("the secret of subscription %d does not open: end it and subscribe again", due.number)
            return Outcome.REFUSED
        key = (due.number, due.url, secret)
        link = self._links.get(key)
        if link is None:
            link = self._links[key] = self._link_to(due.url, secret)
        body = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        return await link.post(body, f"{due.number}-{event['id']}")
