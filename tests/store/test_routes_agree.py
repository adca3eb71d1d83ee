"""The alarm path writes out what the function of routes says: both name the same centres, whatever is configured."""

from __future__ import annotations

import asyncio
import random
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg

from fleet.alarms import store as alarms
from fleet.registry import store as registry
from fleet.registry.secret_box import SecretBox
from fleet.store.pool import make_pool
from tests.database import FreshDatabase
from tests.presses import press

TYPES = ("social", "personal", "tracker")
START = datetime(2027, 1, 1, tzinfo=UTC)
OWED = "SELECT centre_id, reason FROM outbox WHERE unit_id = %s ORDER BY outbox_id"
BY_FUNCTION = "SELECT livlina_route(%s, %s, 1, %s), livlina_route(%s, %s, 2, %s)"


def test_the_alarm_path_and_the_function_of_routes_name_the_same_centres(database: FreshDatabase) -> None:
    async def run() -> None:
        chance = random.Random(20270101)
        units: list[tuple[int, int, str]] = []
        async with make_pool(database.app_url, "registry", size=1) as pool, pool.connection() as connection:
            centres = [
                await registry.add_centre(connection, name=name, protocol="dc09", host="127.0.0.1", port=9)
                for name in "ABCD"
            ]
            for municipality in range(1, 13):
                await registry.add_municipality(connection, municipality, f"M{municipality}")
                for rank in (1, 2):
                    if chance.random() < 0.6:
                        await registry.route_to(connection, municipality, chance.choice(centres), rank)
                    for kind in (*TYPES, "any"):
                        for _ in range(chance.choice((0, 0, 1, 2))):
                            since = START + timedelta(days=chance.randint(-5, 5))
                            await registry.route_type_to(
                                connection, municipality, kind, chance.choice(centres), rank, since
                            )
                for kind in TYPES:
                    unit = len(units) + 1
                    units.append((unit, municipality, kind))
                    await registry.add_unit(
                        connection, SecretBox(bytes(32)), unit=unit, municipality=municipality, unit_type=kind,
                        generation=1, secret=bytes(16), fingerprint=secrets.token_bytes(32), serial="1",
                    )  # fmt: skip
        at = {unit: START + timedelta(days=chance.randint(-6, 6), seconds=unit) for unit, _, _ in units}
        with psycopg.connect(database.owner_url) as owner:
            owner.execute(
                "INSERT INTO centre_health (centre_id, municipality_id, state, since, probe_at, probe_set_at) "
                "SELECT centre_id, 0, 'down', now(), now(), now() FROM centres WHERE name = 'A'"
            )
        made = [
            replace(press(unit, 1), municipality=town, unit_type=kind, received_at=at[unit], pressed_at=at[unit])
            for unit, town, kind in units
        ]
        async with make_pool(database.app_url, "ingest", size=1) as pool, pool.connection() as connection:
            await alarms.store_presses(connection, made)
        down, moved, none = centres[0], 0, 0
        with psycopg.connect(database.owner_url) as owner:
            for unit, town, kind in units:
                values = [town, kind, at[unit]] * 2
                first, second = owner.execute(BY_FUNCTION, values).fetchone() or (None, None)
                preferred = first if first is not None else second
                other = second if preferred == first else first
                other = None if other == preferred else other
                wanted = []
                if preferred is not None and (preferred != down or other is None):
                    wanted = [(preferred, "route")]
                elif preferred is not None:
                    wanted = [(other, "failover")]
                assert owner.execute(OWED, [unit]).fetchall() == wanted, (unit, first, second)
                moved += wanted[:1] == [(other, "failover")]
                none += not wanted
        assert moved and none, "both ends of the rule were seen"

    asyncio.run(run())
