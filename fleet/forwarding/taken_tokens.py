"""What centres show when they report *taken*: read again now and then, so that a new or removed one counts soon."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Literal

from fleet.clock import Clock
from fleet.forwarding.centre_secrets import SQL
from fleet.registry.secret_box import SecretBox, SecretBoxError
from fleet.store.borrow import borrow
from fleet.store.pool import Pool, fetch_all

log = logging.getLogger("livlina.forwarding")

REFRESH_S = 10.0
"""A new or removed token counts within this time."""
AGAIN_S = 1.0
"""What is not known is looked up at most this often, whoever asks."""


class TakenTokens:
    """By centre's name: the token's hash of those that report by webhook, the token itself by protocol."""

    def __init__(self, pool: Pool, box: SecretBox, clock: Clock, way: Literal["webhook", "protocol"]) -> None:
        self._pool = pool
        self._box = box
        self._clock = clock
        self._way = way
        self._known: dict[str, bytes] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    @property
    def known(self) -> Mapping[str, bytes]:
        """As they were read last."""
        return self._known

    async def refresh(self, older_than: float = REFRESH_S) -> None:
        """Reads them again where they are older. Raises one of AWAY."""
        async with self._reading:
            if self._clock.steady() - self._read_at < older_than:
                return
            async with borrow(self._pool) as connection, connection.transaction():
                rows = await fetch_all(connection, SQL["taken_tokens"], {"way": self._way})
            found = {}
            for row in rows:
                try:
                    found[row["name"]] = self._box.open_for_centre(bytes(row["sealed"]), row["centre_id"], "taken")
                except SecretBoxError as error:
                    log.critical("centre %s cannot report taken: %s", row["name"], error)
            self._known = found
            self._read_at = self._clock.steady()
