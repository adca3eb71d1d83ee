"""Where a unit is, told to the centre that has its case: a message of that case, behind the alarm and beside its way.

It shares nothing with the workers that tell alarms but the database: not a connection, not a link, not a row. So a
position that a centre does not take delays no alarm, and says nothing about the centre's health. It opens no case
anywhere: `fleet.forwarding.normalize` makes it a piece of information about a press that the centre has already.

What may be told is decided by `positions.sql`: a personal alarm's position after a press, a tracker's in a search that
is open for this very case, and only where the municipality and the centre's options let it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fleet.clock import Clock, pause
from fleet.evidence.audit import record
from fleet.forwarding import store
from fleet.forwarding.decide import LONGEST_DELAY_S, back_off, position_of
from fleet.forwarding.model import Centre, Outcome, Owed
from fleet.forwarding.worker import LEASE_S, CentreLink
from fleet.store.borrow import AWAY, borrow
from fleet.store.pool import Pool, fetch_all, make_pool
from fleet.store.sql_file import read_statements
from protocols.wire import cbor

log = logging.getLogger("livlina.forwarding")
SQL = read_statements("fleet.forwarding", "positions.sql")

CHANNEL = "livlina_positions"
ACTOR = "machine:forwarding"
CLAIM_MOST = 16
POLL_S = 2.0
"""While a case has a position: the poll finds the centre that has accepted it meanwhile."""
QUIET_POLL_S = 15.0
"""Otherwise: positions come with a notification, and the poll finds one that was missed."""
WAITS_S = 600.0
"""A position without an open case is waited with for so long: after an outage it may overtake its press."""
KEPT_S = 86_400.0
"""Older ones are nobody's news."""
_NEVER_AGAIN = frozenset({Outcome.REFUSED, Outcome.UNIT_REFUSED})


class Positions:
    """Tells positions. Several of these, in any number of processes, share the work; nothing opens before ``start``.

    ``link_to`` makes a link of a centre; each message has one of its own, which is closed behind it.
    """

    def __init__(self, database_url: str, link_to: Callable[[Centre], CentreLink], clock: Clock) -> None:
        self._pool: Pool = make_pool(database_url, "forward", size=1, name="positions")
        self._link_to = link_to
        self._clock = clock
        self._centres: dict[int, Centre] = {}
        self._talks: dict[int, asyncio.Task[None]] = {}
        self.wake = asyncio.Event()
        self.told = 0

    async def start(self) -> None:
        """Opens the way to the database, which is waited for if it is away."""
        await self._pool.open()

    async def stop(self) -> None:
        """Closes it. What was claimed is due again when its lease has run out."""
        await self._pool.close()

    def follow(self, centres: Sequence[Centre]) -> None:
        """These are the centres from now on."""
        self._centres = {centre.centre: centre for centre in centres}

    async def run(self) -> None:
        """For ever."""
        try:
            while True:
                self.wake.clear()
                try:
                    live = await self._round()
                except AWAY as error:
                    log.warning("the database is away, positions wait: %s", type(error).__name__)
                    live = True
                await pause(self._clock, POLL_S if live else QUIET_POLL_S, self.wake)
        finally:
            for talk in self._talks.values():
                talk.cancel()

    async def _round(self) -> bool:
        """Whether any case has a position that a centre may have to be told."""
        for centre, talk in list(self._talks.items()):
            if talk.done():
                del self._talks[centre]
                talk.result()  # a fault of ours ends this loop, and with it the process
        free = [centre for centre in self._centres if centre not in self._talks]
        values = {
            "at": self._clock.now(), "free": free, "most": CLAIM_MOST, "lease_s": LEASE_S * CLAIM_MOST,
            "longest_delay_s": LONGEST_DELAY_S, "waits_s": WAITS_S, "kept_s": KEPT_S,
        }  # fmt: skip
        async with borrow(self._pool) as connection, connection.transaction():
            if not (await fetch_all(connection, SQL["any_live"]))[0]["live"]:
                return False
            for name in ("end_positions", "withdraw_positions", "owe_positions"):
                await connection.execute(SQL[name], values)
            rows = await fetch_all(connection, SQL["claim_positions"], values)
        by_centre: dict[int, list[Mapping[str, Any]]] = {}
        for row in rows:
            by_centre.setdefault(row["centre_id"], []).append(row)
        for centre, owed in by_centre.items():
            self._talks[centre] = asyncio.create_task(self._talk(self._centres[centre], owed))
        return True

    async def _talk(self, centre: Centre, rows: Sequence[Mapping[str, Any]]) -> None:
        """Tells one centre these, in order, until one gets no answer."""
        link = self._link_to(centre)
        try:
            for place, row in enumerate(rows):
                owed = _located(row)
                outcome = Outcome.REFUSED if owed is None else await link.deliver(owed)
                await self._note(centre, row, outcome, telling=owed is not None)
                if not outcome.answered:
                    await self._release(rows[place + 1 :])
                    break
        except AWAY as error:
            log.warning("positions for centre %s are noted later: %s", centre.name, type(error).__name__)
        finally:
            await link.close()
            self.wake.set()

    async def _release(self, rows: Sequence[Mapping[str, Any]]) -> None:
        async with borrow(self._pool) as connection, connection.transaction():
            await connection.execute(SQL["release_positions"], {"outbox_ids": [row["outbox_id"] for row in rows]})

    async def _note(self, centre: Centre, row: Mapping[str, Any], outcome: Outcome, *, telling: bool) -> None:
        """A refused position is not told again: the centre has the alarm, and does not want this."""
        at = self._clock.now()
        values = {"outbox_id": row["outbox_id"], "at": at, "outcome": outcome.value if telling else "no position"}
        async with borrow(self._pool) as connection, connection.transaction():
            if outcome is Outcome.DELIVERED:
                if await fetch_all(connection, SQL["position_told"], values):
                    detail = {"unit": f"{row['unit_id']:08x}", "centre": centre.centre}
                    await record(
                        connection, actor=ACTOR, action="position.told", municipality_id=row["municipality_id"],
                        subject=f"case:{row['case_id']}", detail=detail, at=at,
                    )  # fmt: skip
                    self.told += 1
                return
            if telling:
                log.warning("centre %s: a position of case %d: %s", centre.name, row["case_id"], outcome.value)
            if outcome in _NEVER_AGAIN:
                await connection.execute(SQL["position_dropped"], values)
            else:
                await connection.execute(SQL["position_failed"], {**values, "delay_s": back_off(row["attempts"])})


def _located(row: Mapping[str, Any]) -> Owed | None:
    """The press of which the message speaks, with the position; None where there is none to tell."""
    try:
        data = None if row["data"] is None else cbor.decode(bytes(row["data"]))
    except ValueError:
        return None
    place = position_of(
        data if isinstance(data, dict) else {}, row["event_boot"], row["event_seq"], row["told_at"], row["told_age_s"]
    )
    return None if place is None else replace(store.owed_of(row), position=place)
