"""Carries out what the supervisor asks for before a person hears of a unit: orders, SMS wakes, SIM providers' views.

It decides nothing about a unit's state: the answer is the unit's next message, or what the provider says. A step that
came too late, or whose unit was heard meanwhile, is taken and not done. An SMS wakes a unit and never commands it, and
so many go out a minute at most: an outage that nobody has recognised yet must not become a bill.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import psycopg

from fleet.clock import Clock, SystemClock, pause
from fleet.connectivity.accounts import Opening, open_account
from fleet.connectivity.provider import Provider, ProviderError
from fleet.loops import Loops
from fleet.registry.secret_box import SecretBoxError
from fleet.store.borrow import AWAY, borrow
from fleet.store.pool import Connection, Pool, fetch_all, make_pool
from fleet.store.sql_file import read_statements
from fleet.supervision.model import Step

log = logging.getLogger("livlina.supervision")
SQL = read_statements("fleet.supervision", "steps.sql")

LOOK_S: Final = 1.0
AT_ONCE: Final = 50
STALE: Final = timedelta(minutes=2)
PROBE_LASTS: Final = timedelta(seconds=90)
WAKES_A_MINUTE: Final = 60
KEPT: Final = timedelta(days=30)
PRUNE_S: Final = 3600.0
WAKE: Final = "LIVLINA"
"""Not a frame: whatever does not open only wakes a unit (docs/wire.md)."""
ATTACHED: Final = {"online": True, "attached": True, "offline": False, "blocked": False}
"""What a provider's session says; anything else says nothing."""

OrderProbe = Callable[[Connection, int, datetime, datetime], Awaitable[int]]
"""Asks a unit for a sign of life over the path that it was last heard on: connection, unit, at, expires at."""


class Sms(Protocol):
    """A gateway. Never raises for what the gateway does."""

    async def send(self, address: str, text: str) -> str:
        """One attempt; ``delivered`` when the gateway has it, else why not."""


class Steps:
    """Any number of processes may run it; a step is taken by one. Nothing is opened before ``start``."""

    def __init__(
        self, database_url: str, box: Opening, order: OrderProbe, sms: Sms | None, *, clock: Clock | None = None
    ) -> None:
        self._clock: Clock = clock or SystemClock()
        self._ingest: Pool = make_pool(database_url, "ingest", size=1, name="supervision-probes")
        self._forward: Pool = make_pool(database_url, "forward", size=2, name="supervision-steps")
        self._box = box
        self._order = order
        self._sms = sms
        self._loops = Loops("supervision steps")
        self._open: dict[int, Provider] = {}
        self._wakes: list[float] = []
        self._pruned = 0.0

    async def start(self) -> None:
        """Starts the loops; a database that is away at start is waited for."""
        await self._ingest.open()
        await self._forward.open()
        for work in (self._probe, self._wake, self._ask):
            self._loops.start(self._again(work))

    async def stop(self) -> None:
        """Ends them. A step that was taken and not done is lost: the ladder has others."""
        await self._loops.stop()
        for provider in self._open.values():
            await provider.close()
        self._open.clear()
        await self._ingest.close()
        await self._forward.close()

    async def watch(self) -> None:
        """Raises RuntimeError when a loop has ended by a fault of ours."""
        await self._loops.watch()

    async def _again(self, work: Callable[[datetime], Awaitable[int]]) -> None:
        while True:
            found = 0
            try:
                found = await work(self._clock.now())
            except (*AWAY, psycopg.Error) as error:
                log.warning("steps are carried out later: %s", type(error).__name__)
            if found < AT_ONCE:
                await pause(self._clock, LOOK_S)

    async def _probe(self, at: datetime) -> int:
        """Orders a sign of life; whoever is connected gets it at once, others with their next message."""
        if self._clock.steady() - self._pruned > PRUNE_S:
            self._pruned = self._clock.steady()
            async with borrow(self._ingest) as connection, connection.transaction():
                await connection.execute(SQL["prune"], {"before": at - KEPT})
        async with borrow(self._ingest) as connection, connection.transaction():
            taken = await _claim(connection, (Step.PROBE_PATH,), at)
            for row in taken:
                outcome = _not_needed(row)
                if outcome is None:
                    await self._order(connection, row["unit_id"], at, at + PROBE_LASTS)
                    outcome = "ordered"
                await _settle(connection, row, outcome, None, at)
        return len(taken)

    async def _wake(self, at: datetime) -> int:
        """Wakes by SMS. A second wake goes to the unit's other number, where it has one."""
        async with borrow(self._forward) as connection, connection.transaction():
            taken = await _claim(connection, (Step.WAKE, Step.PROBE_SPARE), at)
        for row in taken:
            outcome = _not_needed(row) or await self._send(row)
            async with borrow(self._forward) as connection, connection.transaction():
                await _settle(connection, row, outcome, None, at)
        return len(taken)

    async def _send(self, row: Mapping[str, Any]) -> str:
        if self._sms is None:
            return "no gateway"
        now = self._clock.steady()
        self._wakes = [then for then in self._wakes if now - then < 60]
        if len(self._wakes) >= WAKES_A_MINUTE:
            return "too many a minute"
        numbers = [card["msisdn"] for card in await self._cards(row) if card["msisdn"]]
        if not numbers:
            return "no number"
        self._wakes.append(now)
        return "sent" if await self._sms.send(f"+{numbers[row['before'] % len(numbers)]}", WAKE) == "delivered" else (
            "the gateway refused"
        )  # fmt: skip

    async def _ask(self, at: datetime) -> int:
        """Asks the SIM's provider whether it is attached. A view that says nothing decides nothing."""
        async with borrow(self._forward) as connection, connection.transaction():
            taken = await _claim(connection, (Step.ASK_SIM,), at)
        for row in taken:
            outcome, attached = _not_needed(row), None
            if outcome is None:
                outcome, attached = await self._view(row)
            async with borrow(self._forward) as connection, connection.transaction():
                await _settle(connection, row, outcome, attached, self._clock.now())
        return len(taken)

    async def _view(self, row: Mapping[str, Any]) -> tuple[str, bool | None]:
        cards = [card for card in await self._cards(row) if card["provider_id"] is not None]
        if not cards:
            return "no provider", None
        card = cards[0]
        try:
            provider = await self._provider(card["provider_id"])
            session = (await provider.session(await provider.sim(card["iccid"]))).session
        except ProviderError as error:
            return f"the provider did not say: {error}"[:200], None
        except SecretBoxError:
            return "the provider's secret does not open", None
        return session, ATTACHED.get(session)

    async def _cards(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        async with borrow(self._forward) as connection:
            return await fetch_all(connection, SQL["cards"], {"unit_id": row["unit_id"]})

    async def _provider(self, number: int) -> Provider:
        if number not in self._open:
            async with borrow(self._forward) as connection:
                self._open[number] = await open_account(connection, self._box, number, steady=self._clock.steady)
        return self._open[number]


def _not_needed(row: Mapping[str, Any]) -> str | None:
    return "too late" if row["stale"] else "heard meanwhile" if row["heard"] else None


async def _claim(connection: Connection, steps: tuple[Step, ...], at: datetime) -> list[dict[str, Any]]:
    values = {"steps": [step.value for step in steps], "at": at, "since": at - STALE, "most": AT_ONCE}
    return await fetch_all(connection, SQL["claim"], values)


async def _settle(
    connection: Connection, row: Mapping[str, Any], outcome: str, attached: bool | None, at: datetime
) -> None:
    values = {"step_id": row["step_id"], "outcome": outcome, "attached": attached, "at": at}
    await connection.execute(SQL["settle"], values)
