"""A database with two simulated centres, a fast clock, and the workers that stand between them."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fleet.alarms import store as alarms
from fleet.alarms.decide import priority_of
from fleet.alarms.model import Press
from fleet.escalation.run import Escalation
from fleet.forwarding.link_dc09 import Dc09Link
from fleet.forwarding.model import Policy
from fleet.forwarding.notices import NoticeLink, Notices
from fleet.forwarding.run import Forwarding
from fleet.registry import store as registry
from fleet.registry.secret_box import SecretBox
from fleet.routines import store as routines
from fleet.routines.document import read_document
from fleet.store.pool import Pool, make_pool
from sim.centre import Centre
from sim.fleet_clock import FastClock
from tests.database import FreshDatabase
from tests.presses import press
from tests.questions import ask

MONDAY = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
"""10:00 by Swedish clocks."""

PATIENCE_S = 180.0
"""The fast clock is as slow as this process: minutes of its own take as long as they take."""
SOCIAL, PERSONAL = range(1, 10), range(21, 30)
"""Units of municipality 1."""


@dataclass
class Stage:
    """What a test acts on. ``a`` is the primary centre, ``b`` the secondary one."""

    database: FreshDatabase
    clock: FastClock
    ingest: Pool
    registry: Pool
    a: Centre
    b: Centre
    seq: dict[int, int] = field(default_factory=dict)

    async def press(self, unit: int, **more: Any) -> str:
        """A press now; returns its reference."""
        return (await self.presses([unit], **more))[0]

    async def presses(self, units: Sequence[int], **more: Any) -> list[str]:
        """A press of each of these units, in one batch."""
        made = []
        for unit in units:
            self.seq[unit] = self.seq.get(unit, 0) + 1
            made.append(self._press(unit, self.seq[unit], **more))
        async with self.ingest.connection() as connection:
            await alarms.store_presses(connection, made)
        return [one.key.reference for one in made]

    def _press(self, unit: int, seq: int, **more: Any) -> Press:
        now = self.clock.now()
        unit_type = "personal" if unit in PERSONAL else "social"
        values = {"received_at": now, "pressed_at": now, "unit_type": unit_type, **more}
        values.setdefault("priority", priority_of(unit_type, values.get("kind", 1), values.get("flags", 0)))
        return replace(press(unit, seq), **values)

    async def take(self, case: int, actor: str = "anna") -> None:
        """A person takes the case."""
        async with make_pool(self.database.app_url, "forward", size=1) as pool, pool.connection() as connection:
            await alarms.take_case(connection, case, actor, self.clock.now())

    async def routine(self, document: Mapping[str, Any]) -> int:
        """Applies a document; returns how many rows it changed."""
        at = self.clock.now()
        async with self.registry.connection() as connection:
            changes = await routines.changes_of(connection, read_document(document), at)
            await routines.apply(connection, changes, at)
        return len(changes)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return ask(self.database.owner_url, query, values)

    def value(self, query: str, *values: object) -> Any:
        found = self.rows(query, *values)
        return found[0][0] if found else None

    async def until(self, query: str, expected: object, seconds: float = PATIENCE_S) -> None:
        """Waits in real seconds, while the fast clock runs."""
        ends = time.monotonic() + seconds
        while (found := await asyncio.to_thread(self.value, query)) != expected:
            assert time.monotonic() < ends, f"{query}: {found!r}, not {expected!r}, after {seconds} s"
            await asyncio.sleep(0.02)

    async def has(self, centre: Centre, *references: str) -> None:
        """Waits until the centre has logged all of these."""
        async with asyncio.timeout(PATIENCE_S):
            while not set(references) <= {record.reference for record in centre.records}:
                await asyncio.sleep(0.01)

    def case_log(self, case: int = 1) -> list[str]:
        return [row[0] for row in self.rows("SELECT change FROM case_log WHERE case_id = %s ORDER BY position", case)]

    def after(self, at: datetime, since: datetime) -> float:
        """Seconds of the fast clock between the two."""
        return (at - since).total_seconds()


@asynccontextmanager
async def two_centres(
    database: FreshDatabase, folder: Path, *, factor: float = 40.0, start: datetime = MONDAY
) -> AsyncIterator[Stage]:
    """Units 1..9 social and 21..29 personal in municipality 1, whose alarms go to A, and to B for want of A."""
    clock = FastClock(start, factor=factor, step_s=max(0.1, factor / 400))
    centres = [Centre(clock=lambda: clock.now().timestamp()) for _ in range(2)]
    ports = [await c.start("127.0.0.1", 0, folder / f"{n}.jsonl") for c, n in zip(centres, "AB", strict=True)]
    pools = [make_pool(database.app_url, duty, size=2) for duty in ("registry", "ingest")]
    for pool in pools:
        await pool.open()
    async with pools[0].connection() as connection:
        await registry.add_municipality(connection, 1, "One")
        for name, port in zip("AB", ports, strict=True):
            await registry.add_centre(connection, name=name, protocol="dc09", host="127.0.0.1", port=port)
        for unit in (*SOCIAL, *PERSONAL):
            await registry.add_unit(
                connection, SecretBox(secrets.token_bytes(32)), unit=unit, municipality=1,
                unit_type="personal" if unit in PERSONAL else "social", generation=1, secret=bytes(16),
                fingerprint=secrets.token_bytes(32), serial="1",
            )  # fmt: skip
    stage = Stage(database, clock, pools[1], pools[0], *centres)
    since = (start - timedelta(days=30)).isoformat()
    await stage.routine(
        {"route": [{"municipality": 1, "rank": r, "centre": c, "valid_from": since} for r, c in ((1, "A"), (2, "B"))]}
    )
    running = asyncio.create_task(clock.run())
    try:
        yield stage
    finally:
        running.cancel()
        for pool in pools:
            await pool.close()
        for centre in centres:
            await centre.stop()


@asynccontextmanager
async def forwarding(
    stage: Stage, *, workers: int = 1, policy: Policy | None = None
) -> AsyncIterator[list[Forwarding]]:
    """Forwarding by the stage's clock, as in so many processes."""
    made = [
        Forwarding(
            stage.database.app_url, lambda centre: Dc09Link(centre.host, centre.port, stage.clock),
            clock=stage.clock, policy=policy,
        )
        for _ in range(workers)
    ]  # fmt: skip
    async with contextlib.AsyncExitStack() as stack:
        for one in made:
            await one.start()
            stack.push_async_callback(one.stop)
        yield made


@asynccontextmanager
async def escalation(stage: Stage, *, workers: int = 1) -> AsyncIterator[list[Escalation]]:
    """Escalation by the stage's clock."""
    made = [Escalation(stage.database.app_url, clock=stage.clock) for _ in range(workers)]
    async with contextlib.AsyncExitStack() as stack:
        for one in made:
            await one.start()
            stack.push_async_callback(one.stop)
        yield made


@asynccontextmanager
async def notices(stage: Stage, links: Mapping[str, NoticeLink]) -> AsyncIterator[Notices]:
    """The workers that tell people."""
    made = Notices(stage.database.app_url, links, clock=stage.clock)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
