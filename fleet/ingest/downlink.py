"""Tells units how far their presses have come, without being asked: over their MQTT connection here, or by CoAP.

A push is best effort and may come twice; the unit's query is what never fails. Units are gathered and asked about
together, so a notification storm costs few queries.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

import psycopg

from fleet.alarms.store import recent_stages
from fleet.ingest.receipts import MOST_ITEMS, Item, Receipts
from fleet.registry.directory import Directory, Miss, UnitKeys
from fleet.registry.secret_box import SecretBoxError
from fleet.store.batch import Overloaded
from fleet.store.borrow import AWAY, borrow
from fleet.store.pool import Pool, fetch_all
from fleet.store.sql_file import read_statements

log = logging.getLogger("livlina.ingest")
SQL = read_statements("fleet.ingest")

MOST_A_QUERY: Final = 500
MOST_FRAMES: Final = 4
"""Receipts pushed to a unit at a time: its newest 32 presses. It asks for older ones by itself."""

_PAUSE_S: Final = 1.0

Push = Callable[[bytes], None]
Tell = Callable[[list[Item]], None]


class Downlink:
    """Pushes stages. ``here`` gives the way to a unit that this process can reach at once, ``at`` the way to an
    address out of the database, ``by_sms`` that to a unit which was heard by SMS; `run` must be running."""

    def __init__(
        self,
        pool: Pool,
        directory: Directory,
        receipts: Receipts,
        *,
        here: Callable[[int], Push | None],
        at: Callable[[str], Push | None],
        by_sms: Callable[[int], Tell | None],
        clock: Callable[[], datetime],
    ) -> None:
        self._pool = pool
        self._directory = directory
        self._receipts = receipts
        self._here = here
        self._at = at
        self._by_sms = by_sms
        self._clock = clock
        self._wanted: dict[int, None] = {}
        self._gap = False
        self._wake = asyncio.Event()
        self.pushed = 0

    def want(self, units: Iterable[int]) -> None:
        """The stages of these units may have grown, or they have just connected."""
        self._wanted.update(dict.fromkeys(units))
        self._wake.set()

    def want_open(self) -> None:
        """Notifications may have been missed: the same for every unit with a case that is not closed."""
        self._gap = True
        self._wake.set()

    async def run(self) -> None:
        """Pushes for ever; cancel it to stop."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._round()
            except (*AWAY, psycopg.Error, Overloaded) as error:
                log.warning("stages are not pushed, units will ask: %s", type(error).__name__)
                await asyncio.sleep(_PAUSE_S)
                if self._gap or self._wanted:
                    self._wake.set()

    async def _round(self) -> None:
        if self._gap:
            async with borrow(self._pool) as connection:
                rows = await fetch_all(connection, SQL["units_with_open_cases"])
            self._gap = False
            self.want(row["unit_id"] for row in rows)
        while self._wanted:
            units = list(self._wanted)[:MOST_A_QUERY]
            for unit in units:
                del self._wanted[unit]
            await self._push(units)

    async def _push(self, units: list[int]) -> None:
        ways = {unit: way for unit in units if (way := self._here(unit)) is not None}
        async with borrow(self._pool) as connection:
            missing = [unit for unit in units if unit not in ways]
            if missing:
                for row in await fetch_all(connection, SQL["addresses"], {"units": missing}):
                    way = self._at(row["address"])
                    if way is not None:
                        ways[row["unit_id"]] = way
            tells = {unit: tell for unit in units if (tell := self._by_sms(unit)) is not None}
            if not ways and not tells:
                return
            items: dict[int, list[Item]] = {}
            for press in await recent_stages(connection, {**ways, **tells}, self._clock()):
                items.setdefault(press.key.unit, []).append((press.key.boot, press.key.seq, press.stage))
        for unit, known in items.items():
            if unit in tells:
                tells[unit](known[:MOST_ITEMS])
            keys = await self._keys(unit) if unit in ways else None
            if keys is not None:
                self._send(keys, known[: MOST_FRAMES * MOST_ITEMS], ways[unit])

    def _send(self, keys: UnitKeys, items: list[Item], way: Push) -> None:
        try:
            frames = self._receipts.seal_all(keys, items)
        except SecretBoxError as error:
            log.error("no receipt for unit %08x: %s", keys.unit, error)
            return
        for frame in frames:
            way(frame)
            self.pushed += 1

    async def _keys(self, unit: int) -> UnitKeys | None:
        found = self._directory.at_hand(unit)
        keys = await asyncio.shield(self._directory.find(unit)) if isinstance(found, Miss) else found
        return keys if keys is not None and keys.active else None
