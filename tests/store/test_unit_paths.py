"""The paths of units in a real PostgreSQL, filled by the front doors' own commit, and what-if on them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from fleet.connectivity import what_if
from fleet.connectivity.model import Failure
from fleet.connectivity.paths import Proven, Seen, note_proven, note_seen
from fleet.ingest.paths_seen import note_moves
from fleet.ingest.sim_orders import order_sim
from fleet.registry import store as registry
from fleet.registry.secret_box import SecretBox
from fleet.store.pool import Connection, make_pool, tenant_transaction
from tests.database import FreshDatabase, do, rows

NOW = datetime(2027, 3, 1, 22, tzinfo=UTC)
DAY = timedelta(days=1)
TELIA, TRE, TELE2, TELENOR, LTE = 24001, 24002, 24007, 24008, 3
SIM1, SIM2, WIFI = 3, 4, 1


@pytest.fixture(autouse=True)
def units(database: FreshDatabase) -> None:
    """Units 1 to 6, in use; 1 to 5 belong to municipality 1, 6 to municipality 2."""

    async def add(connection: Connection) -> None:
        for number in (1, 2):
            await registry.add_municipality(connection, number, f"M{number}")
        for unit in range(1, 7):
            await registry.add_unit(
                connection, SecretBox(bytes(32)), unit=unit, municipality=1 if unit < 6 else 2, unit_type="social",
                generation=0, secret=bytes(16), fingerprint=unit.to_bytes(32, "big"), serial=f"{unit}",
            )  # fmt: skip

    do(database, add, "registry")
    rows(database, "UPDATE units SET life = 'active', grounds = 'test:1'")
    rows(database, "INSERT INTO unit_states (unit_id, municipality_id, seen_at) "
                   "SELECT unit_id, municipality_id, now() FROM units")  # fmt: skip


def see(database: FreshDatabase, *seen: tuple[int, int, int, datetime], cell: int | None = None) -> None:
    batch = [Seen(unit, bearer, operator, LTE, cell, None, at) for unit, bearer, operator, at in seen]
    do(database, lambda c: note_seen(c, batch))


def prove(database: FreshDatabase, *proven: tuple[int, int, datetime]) -> None:
    do(database, lambda c: note_proven(c, [Proven(unit, slot, at, "own:1/1") for unit, slot, at in proven]))


def fates(database: FreshDatabase, kind: Any, name: str) -> dict[int, str]:
    async def look(connection: Connection) -> dict[int, str]:
        failure = await what_if.failure_of(connection, kind, name)
        return {one.unit: one.fate for one in await what_if.what_if(connection, failure, NOW)}

    return do(database, look, "registry")


def test_a_way_is_one_row_and_few_writes(database: FreshDatabase) -> None:
    see(database, (1, SIM1, TELIA, NOW), (1, SIM1, TELIA, NOW + timedelta(minutes=1)), (2, WIFI, 0, NOW))
    before = rows(database, "SELECT xmin::text FROM unit_paths WHERE unit_id = 1")
    see(database, (1, SIM1, TELIA, NOW + timedelta(minutes=9)))
    assert rows(database, "SELECT xmin::text FROM unit_paths WHERE unit_id = 1") == before, "too soon to be written"
    see(database, (1, SIM1, TELIA, NOW + timedelta(minutes=9)), cell=77)
    assert rows(database, "SELECT cell FROM unit_paths WHERE unit_id = 1") == [(77,)], "another cell is written at once"
    see(database, (1, SIM1, TELIA, NOW + timedelta(hours=1)), (1, SIM2, TRE, NOW))
    found = rows(database, "SELECT unit_id, slot, operator, cell FROM unit_paths ORDER BY 1, 2")
    assert found == [(1, 1, TELIA, 77), (1, 2, TRE, None), (2, 0, 0, None)]
    assert rows(database, "SELECT max(seen_at) FROM unit_paths")[0][0] == NOW + timedelta(hours=1)


def test_a_sim_without_its_operator_says_nothing_and_an_older_message_changes_nothing(database: FreshDatabase) -> None:
    do(database, lambda c: note_seen(c, [Seen(1, SIM1, None, LTE, 5, 5, NOW), Seen(1, 5, TELIA, LTE, 5, 5, NOW)]))
    assert rows(database, "SELECT * FROM unit_paths") == []
    see(database, (1, SIM1, TELIA, NOW))
    see(database, (1, SIM1, TELIA, NOW - DAY), cell=4)
    assert rows(database, "SELECT seen_at FROM unit_paths") == [(NOW,)]


def test_a_proof_holds_for_the_way_the_sim_was_last_seen_on_and_ends_with_the_sim(database: FreshDatabase) -> None:
    rows(database, "UPDATE unit_states SET iccid2 = '8946000000000000001'")
    see(database, (1, SIM2, TRE, NOW - DAY / 2), (1, SIM2, TELIA, NOW - DAY))
    prove(database, (1, 2, NOW))
    proven = "SELECT operator FROM unit_paths WHERE proven_at IS NOT NULL"
    assert rows(database, proven) == [(TRE,)]
    prove(database, (1, 1, NOW))
    assert rows(database, proven) == [(TRE,)], "a SIM that was not seen proves no way"
    rows(database, "UPDATE unit_states SET iccid2 = '8946000000000000002'")
    see(database, (1, SIM2, TRE, NOW + timedelta(minutes=1)))
    assert rows(database, proven) == [], "another card begins anew"


def test_what_if_counts_by_what_was_seen_and_proven(database: FreshDatabase) -> None:
    late = NOW - 3 * DAY
    see(database, (1, SIM1, TELIA, NOW), (1, SIM2, TRE, NOW - DAY / 2), (2, SIM1, TELIA, NOW), (2, SIM2, TRE, late))
    see(database, (3, SIM1, TELIA, NOW), (4, SIM1, TRE, NOW), (4, SIM2, TELIA, NOW - DAY / 2))
    prove(database, (1, 2, NOW - DAY / 2), (2, 2, late))
    expected = {1: "survives", 2: "doubtful", 3: "lost", 4: "unaffected", 5: "unknown", 6: "unknown"}
    assert fates(database, "operator", "24001") == fates(database, "operator", "telia") == expected
    rows(database, "UPDATE units SET life = 'absent', life_until = now() + interval '1 day' WHERE unit_id = 3")
    assert 3 not in fates(database, "operator", "24001")


def test_two_operators_on_one_radio_network_fall_together(database: FreshDatabase) -> None:
    see(database, (1, SIM1, TELE2, NOW), (1, SIM2, TELENOR, NOW - DAY / 2))
    see(database, (2, SIM1, TELE2, NOW), (2, SIM2, TELIA, NOW - DAY / 2))
    prove(database, (1, 2, NOW), (2, 2, NOW))
    assert {u: f for u, f in fates(database, "operator", "Tele2").items() if u < 3} == {1: "survives", 2: "survives"}
    assert {u: f for u, f in fates(database, "network", "Net4Mobility").items() if u < 3} == {1: "lost", 2: "survives"}
    rows(database, "DELETE FROM radio_networks WHERE operator = 24008")
    rows(database, "UPDATE unit_paths SET seen_at = seen_at")
    assert fates(database, "network", "Net4Mobility")[1] == "survives", (
        "negative control: without the table it is missed"
    )


def test_an_issuer_is_a_failure_of_its_own_and_a_suspended_sim_carries_nothing(database: FreshDatabase) -> None:
    for slot, issuer in ((1, "Acme"), (2, "Other")):
        rows(database, "INSERT INTO unit_sims VALUES (1, %s, 1, %s, %s)", slot, f"894600000000000001{slot}", issuer)
    rows(database, "INSERT INTO sims (iccid, municipality_id, issuer, state, made_at) "
                   "VALUES ('8946000000000000012', 1, 'Other', 'active', now())")  # fmt: skip
    see(database, (1, SIM1, TELIA, NOW), (1, SIM2, TRE, NOW))
    prove(database, (1, 2, NOW - timedelta(hours=1)))
    see(database, (1, SIM1, TELIA, NOW + timedelta(hours=1)))
    assert fates(database, "issuer", "acme")[1] == "survives"
    rows(database, "UPDATE sims SET state = 'suspended'")
    assert fates(database, "issuer", "Acme")[1] == "lost"
    with pytest.raises(what_if.WhatIfError, match="Acme, Other"):
        fates(database, "issuer", "Nobody")


def test_pages_see_their_municipality_s_paths_only(database: FreshDatabase) -> None:
    see(database, (1, SIM1, TELIA, NOW), (6, SIM1, TELIA, NOW))

    async def look(municipalities: list[int]) -> tuple[list[int], int]:
        async with (
            make_pool(database.app_url, "web", size=1) as pool,
            tenant_transaction(pool, municipalities) as connection,
        ):
            seen = await (await connection.execute("SELECT unit_id FROM unit_paths ORDER BY 1")).fetchall()
            shared = await (await connection.execute("SELECT count(*) AS n FROM radio_networks")).fetchall()
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute("SELECT sealed FROM sim_provider_secrets")
            return [row["unit_id"] for row in seen], shared[0]["n"]

    assert asyncio.run(look([1]))[0] == [1]
    assert asyncio.run(look([2]))[0] == [6]
    assert asyncio.run(look([1, 2]))[0] == [1, 6]
    assert asyncio.run(look([]))[0] == []
    assert asyncio.run(look([1]))[1] > 0


def test_a_drill_tries_a_sample_and_says_where_the_prediction_was_wrong(database: FreshDatabase) -> None:
    for unit in (1, 2, 3, 4):
        see(database, (unit, SIM1, TELIA, NOW), (unit, SIM2, TRE, NOW - DAY / 2))
        prove(database, (unit, 2, NOW - DAY / 2))
    see(database, *((unit, SIM1, TELIA, NOW + timedelta(minutes=1)) for unit in (1, 2, 3, 4)))
    failure = Failure("operator", "24001")

    async def begin(connection: Connection) -> dict[str, Any]:
        judged = await what_if.what_if(connection, failure, NOW)
        return await what_if.begin_drill(
            connection, order_sim, failure, judged, share=1.0, seed=7, actor="console:test", at=NOW,
            lasts=timedelta(hours=2),
        )  # fmt: skip

    drill = do(database, begin, "registry")
    assert drill["units"] == [f"{unit:08x}" for unit in (1, 2, 3, 4)]
    rows(database, "UPDATE unit_commands SET sent_at = queued_at, answered_at = queued_at + interval '1 minute', "
                   "result = CASE unit_id WHEN 3 THEN 3 ELSE 0 END WHERE unit_id < 4")  # fmt: skip
    rows(
        database,
        "INSERT INTO readings (day, unit_id, boot, seq, municipality_id, received_at, next_due_s, transport, bearer) "
        "VALUES (%s, 1, 1, 1, 1, %s, 300, 'coap', 4)",
        NOW.date(), NOW + timedelta(minutes=3),
    )  # fmt: skip

    def result(hours: float) -> dict[str, Any]:
        at = NOW + timedelta(hours=hours)
        return do(database, lambda c: what_if.drill_result(c, drill["drill"], at), "registry")

    early = result(1)
    assert (early["proven"], early["waited_for"], early["not_tried"], early["holds"]) == (1, 2, 1, False)
    late = result(2)
    assert (late["proven"], late["missed_units"], late["not_tried"]) == (1, ["00000002"], 2)
    assert late["right_of_tried"] == 0.5
    assert late["holds"] is False
    rows(database, "DELETE FROM path_drill_units WHERE unit_id = 2")
    assert result(2)["holds"] is True


def test_a_sim_that_is_in_another_unit_makes_a_technician_s_task(database: FreshDatabase) -> None:
    told: dict[str, list[Any]] = {
        "unit_id": [1, 2, 3], "at": [NOW] * 3, "imei": ["35", "36", None],
        "iccid1": ["89460000000000000001", "89460000000000000002", None], "iccid2": [None] * 3,
    }  # fmt: skip
    do(database, lambda c: note_moves(c, told))
    assert rows(database, "SELECT * FROM technician_tasks") == [], "a first word is no move"
    rows(database, "UPDATE unit_states SET iccid1 = '89460000000000000001', imei = '35' WHERE unit_id = 1")
    rows(database, "UPDATE unit_states SET iccid1 = '89460000000000000003', imei = '36' WHERE unit_id = 2")
    moved = told | {"iccid1": [told["iccid1"][0], told["iccid1"][0], None], "imei": ["99", "36", None]}
    do(database, lambda c: note_moves(c, moved))
    do(database, lambda c: note_moves(c, moved))
    found = rows(database, "SELECT unit_id, kind, part, reports, detail->>'was_in' FROM technician_tasks ORDER BY 1")
    assert found == [(1, "modem changed", None, 2, None), (2, "SIM moved", 0, 2, "00000001")]


def test_a_heartbeat_that_names_no_network_renews_the_last_one_of_its_sim(database: FreshDatabase) -> None:
    see(database, (1, SIM1, TRE, NOW - 2 * DAY), (1, SIM1, TELIA, NOW - DAY), (1, SIM2, TRE, NOW - DAY / 2))
    prove(database, (1, 2, NOW))
    assert fates(database, "operator", "24002")[1] == "doubtful", "it is on SIM 2 until it is heard on SIM 1"
    do(
        database,
        lambda c: note_seen(c, [Seen(1, SIM1, None, None, None, None, NOW), Seen(2, SIM1, None, 3, 1, 1, NOW)]),
    )
    found = rows(database, "SELECT slot, operator FROM unit_paths WHERE seen_at = %s", NOW)
    assert found == [(1, TELIA)]
    assert fates(database, "operator", "24001")[1] == "survives"
    assert fates(database, "operator", "24002")[1] == "unaffected"
