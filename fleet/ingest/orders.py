"""Sends commands to units: right behind a receipt, by the way that the unit's frame came, and at once where it is known
how to reach the unit: over its MQTT connection, or at the address and socket that it last sent a datagram to.

What a unit gets is decided in the commit (`fleet.ingest.commands.take_waiting`); this only seals and pushes. A command
that gets lost goes out again behind the unit's next message, so nothing here is tried twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

import psycopg

from fleet.ingest.commands import Waiting, take_waiting
from fleet.ingest.outcome import Way
from fleet.ingest.receipts import Receipts
from fleet.registry.directory import Directory, Miss, UnitKeys
from fleet.registry.secret_box import SecretBoxError
from fleet.store.batch import Overloaded
from fleet.store.borrow import AWAY, borrow
from fleet.store.pool import Pool
from protocols.wire.messages import MessageError
from protocols.wire.seal import SealError

log = logging.getLogger("livlina.ingest")

Push = Callable[[bytes], None]

MOST_WANTED: Final = 10_000
"""Units that may wait for an immediate push; the others get theirs behind their next message."""


class Orders:
    """``by`` gives the way back to a unit whose frame came that way, None where commands do not go; ``here`` the way to
    a unit at any moment, None where this process has none; ``elsewhere`` the same, where that is not the way that the
    frame came. `run` must be running for `want`."""

    def __init__(
        self,
        pool: Pool,
        directory: Directory,
        receipts: Receipts,
        *,
        clock: Callable[[], datetime],
        by: Callable[[int, Way], Push | None],
        here: Callable[[int], Push | None],
        elsewhere: Callable[[int, Way], Push | None],
    ) -> None:
        self._pool = pool
        self._directory = directory
        self._receipts = receipts
        self._clock = clock
        self._by = by
        self._here = here
        self._elsewhere = elsewhere
        self._wanted: dict[int, None] = {}
        self._wake = asyncio.Event()
        self.sent = 0

    def follow(self, unit: UnitKeys, generation: int, way: Way, waiting: Waiting, proven: bool = True) -> None:
        """Sends the command behind a receipt that has just been given to the door. Behind a frame that is not
        ``proven`` to be new it also goes where the unit is known to be: the frame may be somebody else's recording."""
        pushes = [self._by(unit.unit, way)]
        if not proven:
            pushes.append(self._elsewhere(unit.unit, way))
        for push in pushes:
            if push is not None:
                self._send(unit, generation, waiting, push)

    def want(self, units: Iterable[int]) -> None:
        """A command was queued for these units; those that this process knows a way to get it now. A datagram may be
        lost, or the unit asleep: then it goes out behind the unit's next message as well."""
        for unit in units:
            if len(self._wanted) < MOST_WANTED and self._here(unit) is not None:
                self._wanted[unit] = None
        if self._wanted:
            self._wake.set()

    async def run(self) -> None:
        """Pushes for ever; cancel it to stop."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            wanted, self._wanted = list(self._wanted), {}
            for unit in wanted:
                try:
                    await self._push(unit)
                except (*AWAY, psycopg.Error, Overloaded) as error:
                    log.warning("commands go out behind the units' next messages: %s", type(error).__name__)
                    break

    async def _push(self, unit: int) -> None:
        found = self._directory.at_hand(unit)
        keys = await asyncio.shield(self._directory.find(unit)) if isinstance(found, Miss) else found
        if keys is None or not keys.active:
            return
        # One unit a transaction: the order in which rows are locked can then not matter.
        async with borrow(self._pool) as connection, connection.transaction():
            waiting = await take_waiting(connection, {unit: True}, at=self._clock())
        push = self._here(unit)
        if unit in waiting and push is not None:
            self._send(keys, keys.last_generation, waiting[unit], push)

    def _send(self, unit: UnitKeys, generation: int, waiting: Waiting, push: Push) -> None:
        try:
            frame = self._receipts.seal_command(unit, generation, waiting)
        except (SecretBoxError, SealError, MessageError) as error:
            log.error("command %d of unit %08x cannot be sealed: %s", waiting.number, unit.unit, error)
            return
        push(frame)
        self.sent += 1
