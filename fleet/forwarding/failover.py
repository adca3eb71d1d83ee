"""The loop that probes centres, and looks for alarms that nobody has had in time or that no longer concern anybody."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from fleet.alarms.store import lock_case_log
from fleet.clock import Clock, pause
from fleet.forwarding import health, troubles
from fleet.forwarding.decide import proven_by_probe, sign_of_probe, trouble_of
from fleet.forwarding.model import Centre, Policy, TroubleKind
from fleet.forwarding.worker import CentreLink, said_by
from fleet.store.borrow import AWAY, borrow
from fleet.store.pool import Pool

log = logging.getLogger("livlina.forwarding")


class Failover:
    """Probes of all centres, each on a connection of its own, so that none waits for another one's silence."""

    def __init__(self, pool: Pool, link_to: Callable[[Centre], CentreLink], clock: Clock, policy: Policy) -> None:
        self._pool = pool
        self._link_to = link_to
        self._clock = clock
        self._policy = policy
        self._centres: dict[int, Centre] = {}
        self._probes: dict[int, asyncio.Task[None]] = {}

    async def follow(self, centres: Sequence[Centre]) -> None:
        """These are the centres from now on. Raises one of AWAY."""
        new = [centre for centre in centres if centre.centre not in self._centres]
        if new and self._policy.failover:
            async with borrow(self._pool) as connection, connection.transaction():
                await health.begin(connection, new, self._clock.now())
        self._centres = {centre.centre: centre for centre in centres}

    async def run(self) -> None:
        """For ever."""
        try:
            while True:
                if self._policy.failover:
                    try:
                        await self._look()
                    except AWAY as error:
                        log.warning("the database is away, failover waits: %s", type(error).__name__)
                await pause(self._clock, self._policy.sweep_s)
        finally:
            for probe in self._probes.values():
                probe.cancel()

    async def _look(self) -> None:
        at = self._clock.now()
        async with borrow(self._pool) as connection:
            async with connection.transaction():
                due = await health.claim_probes(connection, at, self._policy)
            async with connection.transaction():
                await health.withdraw_answered(connection, at)
            async with connection.transaction():
                late = await health.overdue(connection, at, self._policy)
            if late:
                async with connection.transaction():
                    await lock_case_log(connection)
                    for outbox, centre in late:
                        if centre in self._centres:
                            await health.move(connection, self._centres[centre], at, outbox)
        for number in due & set(self._centres):
            running = self._probes.get(number)
            if running is not None and running.done():
                running.result()  # a fault of ours ends this loop, and with it the process
            if running is None or running.done():
                self._probes[number] = asyncio.create_task(self._probe(self._centres[number]))

    async def _probe(self, centre: Centre) -> None:
        link = self._link_to(centre)
        try:
            outcome = await link.probe()
        finally:
            await link.close()
        try:
            async with borrow(self._pool) as connection, connection.transaction():
                await lock_case_log(connection)
                at = self._clock.now()
                await health.note_sign(connection, centre, sign_of_probe(outcome), at, self._policy)
                trouble = trouble_of(outcome)
                # A probe's own name may be unknown there: that is no unit of ours.
                if trouble is not None and trouble is not TroubleKind.UNIT:
                    await troubles.note(connection, centre, trouble, at, code=said_by(link))
                await troubles.end_after_probe(connection, centre, proven_by_probe(outcome), at)
        except AWAY as error:
            log.warning("a probe of centre %s is not noted: %s", centre.name, type(error).__name__)
