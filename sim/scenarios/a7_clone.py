"""A7: somebody has read the lost unit's key out of it and put it into another modem, while it is not revoked.

What he tells again is told again. A press of his own cannot be told from the unit's: it opens a case as the unit's
would, and the case says that two may hold the key. He can neither vouch for his press nor deny the unit's.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from fleet.ingest import commands
from protocols.wire import messages
from sim.scenarios.a7_house import Air, Card, House
from sim.scenarios.scenario import Check

NOT_MINE, OPEN = 0, 1
ANSWERS_S: Final = 20.0
SETTLED_S: Final = 3.0
UNPROVEN: Final = "freshness_unproven"


class Clone:
    """The lost unit's identity behind another modem, and what is found out about it."""

    def __init__(self, house: House, air: Air, lost: Card, see_to_cases: Callable[[], None], through_s: float) -> None:
        self._house, self._air, self._lost = house, air, lost
        self._see_to_cases, self._through_s = see_to_cases, through_s
        self._card = Card(lost.identity, lost.certificate, lost.boot, lost.counters, lost.seqs)
        self.checks: list[Check] = []

    def _exactly(self, name: str, value: Any, wanted: Any) -> None:
        self.checks.append(Check(name, value, wanted, value == wanted))

    @property
    def _cases(self) -> int:
        return int(self._house.value("SELECT count(*) FROM cases"))

    def _marks(self, message: messages.Alarm) -> str:
        query = "SELECT marks FROM presses WHERE unit_id = %s AND boot = %s AND seq = %s"
        found = self._house.value(query, self._lost.identity.unit, message.boot, message.seq)
        return "not stored" if found is None else " ".join(found)

    async def play(self, pressed: Sequence[messages.Alarm], tasks: Callable[[Card], str]) -> list[Check]:
        """Everything that he does, in order. ``pressed`` is what the unit has told before."""
        thief = await Air.open(self._house.ingest.coap_address)
        await self._tells_again(thief, pressed)
        self._exactly("open tasks for technicians about the clone", tasks(self._lost), "modem changed")
        await self._presses(thief)
        await self._denies(thief)
        thief.close()
        self._see_to_cases()
        return self.checks

    async def _tells_again(self, thief: Air, pressed: Sequence[messages.Alarm]) -> None:
        lost, house, before = self._lost, self._house, self._cases
        own, other = (bytes([0x35, 0x90 + modem] + [0] * 6) for modem in (1, 2))
        await self._air.ask(lost.seal(lost.beat(status={19: own})))
        for _ in range(5):
            await thief.ask(self._card.seal(self._card.beat(status={19: other})))
        for message in pressed:
            await thief.ask(self._card.seal(message))
        self._exactly(f"cases opened by a clone that tells {len(pressed)} presses again", self._cases - before, 0)
        query = "SELECT count(*), coalesce(sum(moved), 0) FROM security_notices WHERE unit_id = %s AND moved > 0"
        noted, moved = house.rows(query, lost.identity.unit)[0]
        self.checks.append(Check("notices of a clone with another IMEI", noted, "1 an hour", noted == 1 == moved))

    async def _presses(self, thief: Air) -> None:
        """A press of his own, for which he vouches."""
        message = self._card.press()
        await thief.ask(self._card.seal(message))
        self._exactly("marks of a clone's own press", self._marks(message), UNPROVEN)
        await self._house.acting(
            lambda c: commands.challenge_unproven(
                c, [self._lost.identity.unit], at=self._house.now(), random=secrets.token_bytes
            ),
            "ingest",
        )
        await self._answered(thief, self._card, OPEN)
        self._exactly("marks of it once the clone has vouched for it", self._marks(message), UNPROVEN)
        self._see_to_cases()

    async def _denies(self, thief: Air) -> None:
        """He pushes the counter far ahead; the unit presses, and he says that it did not."""
        lost = self._lost
        behind = Card(lost.identity, lost.certificate, lost.boot, itertools.count(next(lost.counters)), lost.seqs)
        lost.counters = itertools.count(next(lost.counters) + 10_000)
        self._card.counters = lost.counters
        await thief.ask(self._card.seal(self._card.beat()))
        began, message = time.monotonic(), behind.press()
        heard = await self._air.ask(behind.seal(message))
        spent = time.monotonic() - began
        good = heard is not None and spent <= self._through_s
        self.checks.append(
            Check("the genuine unit's alarm beside its clone (s)", round(spent, 3), self._through_s, good)
        )
        answered = await self._answered(thief, self._card, NOT_MINE)
        self._exactly("denials of it by the clone that the fleet has heard", int(answered > 0), 1)
        await self._house.until(lambda: self._state(message) == "closed", SETTLED_S)
        self._exactly("its case once the clone has denied it", self._state(message), "open")

    def _state(self, message: messages.Alarm) -> str:
        query = (
            "SELECT k.state FROM presses p JOIN cases k USING (case_id) "
            "WHERE p.unit_id = %s AND p.boot = %s AND p.seq = %s"
        )
        return str(self._house.value(query, self._lost.identity.unit, message.boot, message.seq))

    async def _answered(self, thief: Air, card: Card, state: int) -> int:
        """Says this of every press that the fleet asks about, until it asks no more; how often it did."""
        waiting = "SELECT count(*) FROM unit_commands WHERE unit_id = %s AND kind = 1 AND answered_at IS NULL"
        await self._house.until(lambda: self._house.value(waiting, card.identity.unit), SETTLED_S)
        answers, began = 0, time.monotonic()
        while self._house.value(waiting, card.identity.unit) and time.monotonic() - began <= ANSWERS_S:
            await thief.ask(card.seal(card.beat()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    while True:
                        asked = card.opened(await thief.pushed.get())
                        if isinstance(asked, messages.Command) and asked.kind == messages.COMMAND_CHALLENGE:
                            data = {1: (asked.args or {})[1], 2: state}
                            said = messages.Answer(
                                boot=card.boot, seq=next(card.seqs), number=asked.number, result=0, data=data
                            )
                            await thief.ask(card.seal(said))
                            answers += 1
        return answers
