"""Which SIM a change prefers for each unit, whom it leaves out, and units that do not know all of a policy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleet.connectivity import changes, preference
from fleet.connectivity.policy import PolicyError
from fleet.store.pool import Connection
from protocols.wire import cbor, messages
from tests.database import FreshDatabase, do, rows
from tests.sim_accounts import iccid_of
from tests.store.test_policy_changes import add_units, look

START = datetime(2027, 3, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
TELIA, TELE2 = 24001, 24007


@pytest.fixture(autouse=True)
def units(database: FreshDatabase) -> None:
    """Units 1 to 4 in use. Each was on Telia with SIM 1 just now, and on Tele2 with SIM 2 an hour ago, proven."""
    add_units(database, 4)
    for slot, operator, ago in ((1, TELIA, 0), (2, TELE2, 1)):
        rows(
            database,
            "INSERT INTO unit_paths (unit_id, slot, operator, radio, municipality_id, first_seen_at, seen_at, "
            "proven_at, proof) SELECT unit_id, %s, %s, 4, 1, %s, %s, %s, 'own:1/1' FROM units",
            slot, operator, START - 24 * HOUR, START - ago * HOUR, START - ago * HOUR,
        )  # fmt: skip


def heard(database: FreshDatabase, unit: int, slot: int, signal: int) -> None:
    rows(
        database,
        "INSERT INTO readings (day, unit_id, boot, seq, municipality_id, received_at, next_due_s, transport, bearer, "
        "signal) VALUES (%s, %s, 1, %s, 1, %s, 300, 'coap', %s, %s)",
        START.date(), unit, unit * 10 + slot, START - HOUR, slot + 2, signal,
    )  # fmt: skip


def told(database: FreshDatabase, unit: int, kind: int, data: dict[int, int], ago: timedelta) -> None:
    rows(
        database,
        "INSERT INTO unit_events (unit_id, boot, seq, municipality_id, received_at, kind, data, raw) "
        "VALUES (%s, 1, %s, 1, %s, %s, %s, '')", unit, kind, START - ago, kind, cbor.encode(data),
    )  # fmt: skip


def begin(database: FreshDatabase, document: dict[str, Any]) -> dict[str, Any]:
    async def work(connection: Connection) -> dict[str, Any]:
        return await changes.begin(
            connection, document, stages=[100], soak_s=0, most_failed=9, within_s=7200, seed=1, actor="console:t",
            at=START,
        )  # fmt: skip

    return do(database, work, "registry")


def chosen(database: FreshDatabase) -> dict[int, int]:
    return dict(rows(database, "SELECT unit_id, preferred FROM policy_change_units ORDER BY 1"))


def test_best_is_each_units_own_and_goes_out_so(database: FreshDatabase) -> None:
    for unit, first, second in ((1, -100, -90), (2, -100, -97), (3, -100, -90), (4, -100, -90)):
        heard(database, unit, 1, first)
        heard(database, unit, 2, second)
    told(database, 3, messages.EVENT_SIM_CHANGED, {1: 0, 2: 3}, HOUR / 2)
    told(database, 4, messages.EVENT_SIM_PROVEN, {1: 1, 2: 0}, HOUR / 2)
    found = begin(database, {"preferred": "best"})
    assert chosen(database) == {1: 2, 2: 1, 3: 1, 4: 1}
    assert (found["preferred"], found["left_out"]) == ({"1": 3, "2": 1}, [])
    assert look(database, 2) == 4
    args = {
        unit: cbor.decode(bytes(data))
        for unit, data in rows(database, "SELECT unit_id, args FROM unit_commands WHERE kind = 4")
    }
    assert args == {1: {1: 1}, 2: {1: 0}, 3: {1: 0}, 4: {1: 0}}
    rows(database, "UPDATE unit_commands SET answered_at = %s, result = 0", START + 2 * HOUR)
    look(database, 2.1)
    rows(
        database, "UPDATE unit_paths SET proven_at = %s WHERE slot = CASE unit_id WHEN 1 THEN 2 ELSE 1 END",
        START + 2.2 * HOUR,
    )  # fmt: skip
    look(database, 2.3)
    assert do(database, lambda c: changes.report(c, found["change"]), "registry")["state"] == "done"


def test_a_sim_that_failed_is_no_best(database: FreshDatabase) -> None:
    """The control of the one above: without what unit 4 has told it is sent to the stronger SIM."""
    heard(database, 4, 1, -100)
    heard(database, 4, 2, -90)
    begin(database, {"preferred": "best"})
    assert chosen(database)[4] == 2


def test_whom_a_policy_would_keep_off_every_sim_that_works_is_left_out(database: FreshDatabase) -> None:
    """Units 1 to 3 have SIM 1 of an operator that is not the one it is seen on. Unit 2 has a SIM 2 at home; unit 3's
    has not worked of late; of unit 4's cards nothing is known."""
    for unit in (1, 2, 3):
        rows(database, "INSERT INTO unit_sims VALUES (%s, 1, 1, %s, 'Acme')", unit, iccid_of(unit))
        rows(
            database, "INSERT INTO sims (iccid, municipality_id, operator, made_at) VALUES (%s, 1, 24005, %s)",
            iccid_of(unit), START,
        )  # fmt: skip
    rows(database, "DELETE FROM unit_paths WHERE unit_id = 1 AND slot = 2")
    told(database, 3, messages.EVENT_SIM_CHANGED, {1: 0, 2: 1}, HOUR / 2)
    found = begin(database, {"preferred": 1, "roaming": False})
    assert sorted(chosen(database)) == [2, 4]
    assert [one["unit"] for one in found["left_out"]] == ["00000001", "00000003"]
    assert "no SIM that may be used" in found["left_out"][0]["why"]
    detail = rows(database, "SELECT detail FROM audit_records WHERE action = 'sim_policy.change_begun'")[0][0]
    assert detail["left_out"] == 2


def test_without_the_look_they_would_be_silenced(database: FreshDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: what leaves a unit out is that look, and nothing before it."""
    rows(database, "INSERT INTO unit_sims VALUES (1, 1, 1, %s, 'Acme')", iccid_of(1))
    rows(
        database, "INSERT INTO sims (iccid, municipality_id, operator, made_at) VALUES (%s, 1, 24005, %s)", iccid_of(1),
        START,
    )  # fmt: skip
    rows(database, "DELETE FROM unit_paths WHERE unit_id <> 1 OR slot = 2")
    with pytest.raises(PolicyError, match="all 1 units are left out: no SIM that may be used"):
        begin(database, {"preferred": 1, "roaming": False})
    monkeypatch.setattr(preference, "restricts", lambda policy: False)
    begin(database, {"preferred": 1, "roaming": False})
    assert sorted(chosen(database)) == [1]


def test_an_older_unit_says_nothing_of_roaming_and_has_failed(database: FreshDatabase) -> None:
    change = begin(database, {"preferred": 1, "roaming": False, "hold_s": 120})["change"]
    assert look(database, 0) == 4
    assert cbor.decode(bytes(rows(database, "SELECT args FROM unit_commands LIMIT 1")[0][0])) == {1: 0, 4: 0, 5: 120}
    said = {1: {}, 2: {1: 6}, 3: {1: 9}, 4: {1: 4}}
    for unit, data in said.items():
        rows(
            database, "UPDATE unit_commands SET answered_at = %s, result = 0, answer = %s WHERE unit_id = %s",
            START + HOUR / 4, cbor.encode(data), unit,
        )  # fmt: skip
    look(database, 0.5)
    failed = do(database, lambda c: changes.report(c, change), "registry")["failed"]
    assert [one["unit"] for one in failed] == ["00000001", "00000004"]
    assert "does not know roaming" in failed[0]["why"]


def test_what_every_unit_knows_is_held_by_an_older_one(database: FreshDatabase) -> None:
    change = begin(database, {"preferred": 1, "forbidden": [24008]})["change"]
    look(database, 0)
    rows(
        database,
        "UPDATE unit_commands SET answered_at = %s, result = 0, answer = %s",
        START + HOUR / 4,
        cbor.encode({}),
    )
    look(database, 0.5)
    assert do(database, lambda c: changes.report(c, change), "registry")["stages"][0]["reported"] == 4
