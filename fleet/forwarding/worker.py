"""One worker of one centre: claims, sends in order, settles. Any number of them, in any number of processes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from fleet.alarms.store import lock_case_log
from fleet.clock import Clock, pause
from fleet.forwarding import health, store, troubles
from fleet.forwarding.decide import fate_of, sends_minimal, sign_of, trouble_of
from fleet.forwarding.model import Centre, Outcome, Owed, Policy, Sign
from fleet.store.batch import Batcher
from fleet.store.borrow import AWAY, borrow
from fleet.store.pool import Connection, Pool

log = logging.getLogger("livlina.forwarding")

CLAIM_MOST = 32
CLAIM_MOST_TESTS = 4
# Longer than the time one attempt may take, short enough that a killed worker's claims are soon free again.
LEASE_S = 8.0
# NOTIFY wakes the workers; the poll is for what becomes due by time and for a notification that was missed.
POLL_S = 1.0
LONGEST_PAUSE_S = 5.0


class CentreLink(Protocol):
    """One way to one centre. Never raises for what the centre or the network does: that is an outcome."""

    async def deliver(self, owed: Owed) -> Outcome:
        """One attempt, bounded in time by the link itself."""

    async def probe(self) -> Outcome:
        """Whether the centre answers at all; it never reaches a person. See `Outcome.answered`."""

    async def close(self) -> None:
        """Hangs up."""


@runtime_checkable
class Speaking(Protocol):
    """A link that can tell a person what the centre said last, in its own code; empty where it said nothing."""

    said: str


def said_by(link: CentreLink) -> str:
    """What the centre said last by this link."""
    return link.said if isinstance(link, Speaking) else ""


class CentreWorker:
    """Sends a centre what it is owed, oldest first, one at a time; live alarms before every test."""

    def __init__(self, centre: Centre, link: CentreLink, pool: Pool, clock: Clock, policy: Policy) -> None:
        self._centre = centre
        self._link = link
        self._pool = pool
        self._clock = clock
        self._policy = policy
        self._settled: Batcher[Owed, None] = Batcher(self._settle, most=CLAIM_MOST)
        self.wake = asyncio.Event()
        self.delivered = 0

    async def run(self) -> None:
        """For ever. What was claimed and not settled when it ends is due again when its lease has run out."""
        settling = asyncio.create_task(self._settled.run())
        try:
            while True:
                try:
                    seconds = await self._round()
                except AWAY as error:
                    log.warning("centre %s: the database is away: %s", self._centre.name, type(error).__name__)
                    seconds = POLL_S
                if seconds:
                    await pause(self._clock, seconds, self.wake)
        finally:
            settling.cancel()
            await self._link.close()

    async def _round(self) -> float:
        """One claim, sent in order. Returns how long to pause; 0 says that more may be due now."""
        self.wake.clear()
        async with borrow(self._pool) as connection:
            owed = await store.claim(
                connection, self._centre.centre, self._clock.now(),
                most=CLAIM_MOST, most_tests=CLAIM_MOST_TESTS, lease_s=LEASE_S,
            )  # fmt: skip
        if not owed:
            return POLL_S
        settling: list[asyncio.Future[None]] = []
        seconds = 0.0
        started = self._clock.steady()
        for place, item in enumerate(owed):
            if self._clock.steady() - started > LEASE_S / 4 or (place and item.test and self.wake.is_set()):
                # Late, or something came in while only tests were being told: it may be an alarm.
                await self._release(owed[place:])
                break
            outcome = await self._link.deliver(item)
            if outcome is Outcome.DELIVERED:
                settling.append(self._settled.submit(item))
                continue
            seconds = await self._failed(item, outcome)
            if seconds:
                await self._release(owed[place + 1 :])
                break
        await asyncio.gather(*settling)
        return seconds

    async def _failed(self, item: Owed, outcome: Outcome) -> float:
        """Notes the attempt, and tells the other centre. Returns for how long this one gets nothing else."""
        fate = fate_of(outcome, item.attempts)
        at = self._clock.now()
        log.warning(
            "centre %s: %s of case %d, attempt %d: %s; again in %.0f s",
            self._centre.name, item.key.reference, item.case, item.attempts, outcome.value, fate.delay_s,
        )  # fmt: skip
        async with borrow(self._pool) as connection, connection.transaction():
            await lock_case_log(connection)
            await store.settle_failed(connection, self._centre, item, outcome, at, delay_s=fate.delay_s)
            await self._note_trouble(connection, item, outcome, at)
            if self._policy.failover:
                sign = sign_of(outcome)
                if sign is not None:
                    await health.note_sign(connection, self._centre, sign, at, self._policy)
                await health.move(connection, self._centre, at, item.outbox, why=outcome.value)
        return min(fate.delay_s, LONGEST_PAUSE_S) if fate.centre_is_down else 0.0

    async def _note_trouble(self, connection: Connection, item: Owed, outcome: Outcome, at: datetime) -> None:
        kind = trouble_of(outcome, minimal=sends_minimal(item))
        if kind is None:
            return
        unit = item.key.unit if outcome.refusal else None
        await troubles.note(connection, self._centre, kind, at, unit=unit, code=said_by(self._link))
        if (
            unit is not None
            and self._policy.failover
            and await troubles.refuses_everybody(connection, self._centre, at, self._policy)
        ):
            await health.note_sign(connection, self._centre, Sign.UNITS_REFUSED, at, self._policy)

    async def _release(self, owed: Sequence[Owed]) -> None:
        async with borrow(self._pool) as connection:
            await store.release(connection, owed)

    async def _settle(self, owed: Sequence[Owed]) -> list[None]:
        at = self._clock.now()
        async with borrow(self._pool) as connection:
            await store.settle_delivered(connection, self._centre, owed, at)
            async with connection.transaction():
                await troubles.end(connection, self._centre, {item.key.unit for item in owed}, at)
            if self._policy.failover:
                await self._note_delivered(connection)
        self.delivered += len(owed)
        return [None] * len(owed)

    async def _note_delivered(self, connection: Connection) -> None:
        """Where the centre was in doubt or on trial, this ends it."""
        async with connection.transaction():
            known = (await health.states(connection)).get(self._centre.centre)
        if known in health.ENDED_BY_DELIVERY:
            async with connection.transaction():
                await lock_case_log(connection)
                await health.note_sign(connection, self._centre, Sign.DELIVERED, self._clock.now(), self._policy)
