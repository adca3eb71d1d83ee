"""What every connection of a pool is: its duty's role, and an end to what hangs."""

from __future__ import annotations

import asyncio
from typing import Any

from fleet.store.pool import make_pool
from tests.database import FreshDatabase

ASKED = (
    "SELECT ARRAY[current_user::text, session_user::text, current_setting('lock_timeout'), "
    "current_setting('statement_timeout'), current_setting('idle_in_transaction_session_timeout'), "
    "current_setting('timezone')] AS found"
)


def test_a_connection_acts_for_its_duty_and_waits_for_nothing_for_ever(database: FreshDatabase) -> None:
    async def run() -> list[Any]:
        async with make_pool(database.app_url, "ingest", size=1) as pool:
            found = []
            for _ in range(2):
                async with pool.connection() as connection:
                    row = await (await connection.execute(ASKED)).fetchone()
                    assert row is not None
                    found.append(row["found"])
                    # What a transaction that fails takes back are not these.
                    await connection.rollback()
            return found

    assert asyncio.run(run()) == [["livlina_ingest", "livlina_app", "10s", "30s", "10s", "UTC"]] * 2
