"""A database with a small past: alarms, receipts, records and units' events, chained, its heads signed as it grew."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from psycopg.rows import dict_row

from fleet.alarms import store as alarms
from fleet.evidence.audit import record
from fleet.evidence.chainer import chain_once
from fleet.evidence.heads import read_heads, sign_head
from fleet.evidence.model import Head
from fleet.evidence.signing import PublicKeys, SigningKey, read_public_keys
from fleet.registry import store as registry
from fleet.registry.secret_box import SecretBox
from fleet.store.pool import Connection, Pool, make_pool, tenant_transaction
from tests.database import FreshDatabase
from tests.presses import press

BEGIN = datetime(2026, 3, 2, 8, tzinfo=UTC)


@dataclass
class EvidenceHouse:
    """The duties, the signing key and the heads file of one database."""

    database: FreshDatabase
    folder: Path
    pools: dict[str, Pool]
    key: SigningKey
    at: datetime = BEGIN
    cases: list[int] = field(default_factory=list)
    rounds: int = 0

    @property
    def heads_file(self) -> Path:
        return self.folder / "heads.jsonl"

    @property
    def keys(self) -> PublicKeys:
        return read_public_keys(self.folder / "signing.pub")

    def elsewhere(self) -> list[Head]:
        """The heads as they were kept outside the database."""
        return read_heads(self.heads_file)

    def later(self, seconds: float = 7.0) -> datetime:
        self.at += timedelta(seconds=seconds)
        return self.at

    async def chain(self) -> int:
        """Chains what waits, all of it."""
        total = 0
        async with self.pools["evidence"].connection() as connection:
            while added := await chain_once(connection, self.later()):
                total += added
        return total

    async def sign(self) -> Head | None:
        async with self.pools["evidence"].connection() as connection:
            return await sign_head(connection, self.key, self.heads_file, self.later())

    async def act(self, number: int, municipality: int = 1) -> None:
        """One record of an action of somebody."""
        async with tenant_transaction(self.pools["web"], [municipality]) as connection:
            await record(
                connection, actor=f"person:{number % 5 + 1}", action="unit.assigned", municipality_id=municipality,
                subject=f"unit:{number:08x}", detail={"recipient": number, "from": "in_stock"}, at=self.later(),
            )  # fmt: skip

    async def alarm(self, unit: int, seq: int, *, close: bool = True) -> int:
        """A press that a centre accepts, that is taken by a person and closed; returns its case."""
        async with self.pools["ingest"].connection() as connection:
            await alarms.store_presses(connection, [press(unit, seq, received_at=self.later(), pressed_at=self.at)])
        async with self.pools["forward"].connection() as connection, connection.transaction():
            rows = await (
                await connection.execute("SELECT case_id FROM presses WHERE unit_id = %s AND seq = %s", [unit, seq])
            ).fetchone()
            assert rows is not None
            case = int(rows["case_id"])
            values = {"at": self.later(), "case": case}
            await connection.execute("UPDATE outbox SET delivered_at = %(at)s WHERE case_id = %(case)s", values)
            await connection.execute("UPDATE presses SET accepted_at = %(at)s WHERE case_id = %(case)s", values)
        if close:
            async with tenant_transaction(self.pools["web"], [1, 2]) as connection:
                await alarms.take_case(connection, case, "operator 7", at=self.later())
            async with tenant_transaction(self.pools["web"], [1, 2]) as connection:
                await alarms.close_case(connection, case, "operator 7", "helped", at=self.later())
        self.cases.append(case)
        return case

    async def event(self, unit: int, seq: int) -> None:
        """Something that a unit says of itself."""
        async with self.pools["ingest"].connection() as connection:
            await connection.execute(
                "INSERT INTO unit_events (unit_id, boot, seq, municipality_id, received_at, kind, data, raw) "
                "VALUES (%s, 1, %s, 1, %s, 3, %s, %s)",
                [unit, seq, self.later(), bytes([seq % 256]), secrets.token_bytes(20)],
            )

    async def past(self, rounds: int) -> None:
        """So many rounds of life, the head signed every third."""
        for _ in range(rounds):
            self.rounds += 1
            number = self.rounds
            await self.act(number)
            await self.alarm(1 + number % 8, 1000 + number)
            await self.event(1 + number % 8, 5000 + number)
            await self.act(number + 500, municipality=2)
            await self.chain()
            if number % 3 == 0:
                await self.sign()
        await self.sign()


@asynccontextmanager
async def evidence_house(database: FreshDatabase, folder: Path) -> AsyncIterator[EvidenceHouse]:
    """Units 1..9 belong to municipality 1, 11..19 to 2; both have a centre."""
    pools = {
        duty: make_pool(database.app_url, duty, size=2) for duty in ("registry", "ingest", "forward", "web", "evidence")
    }
    for pool in pools.values():
        await pool.open()
    try:
        async with pools["registry"].connection() as connection:
            await _furnish(connection)
        yield EvidenceHouse(database, folder, pools, SigningKey.open(folder / "signing.key", create=True))
    finally:
        for pool in pools.values():
            await pool.close()


async def _furnish(connection: Connection) -> None:
    box = SecretBox(secrets.token_bytes(32))
    centre = await registry.add_centre(connection, name="A", protocol="dc09", host="127.0.0.1", port=1)
    for municipality in (1, 2):
        await registry.add_municipality(connection, municipality, f"Municipality {municipality}")
        await registry.route_to(connection, municipality, centre)
        for unit in range(municipality * 10 - 9, municipality * 10):
            await registry.add_unit(
                connection, box, unit=unit, municipality=municipality, unit_type="social", generation=1,
                secret=bytes(16), fingerprint=secrets.token_bytes(32), serial="1",
            )  # fmt: skip


@asynccontextmanager
async def as_owner(house: EvidenceHouse) -> AsyncIterator[Connection]:
    """The database's superuser, whom no trigger stops."""
    connection = await psycopg.AsyncConnection.connect(house.database.owner_url, row_factory=dict_row)
    try:
        yield connection
    finally:
        await connection.close()
