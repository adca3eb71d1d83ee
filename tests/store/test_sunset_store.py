"""Bearers as readings and proofs tell them, moved dates, refused pairing and persons to be visited, in PostgreSQL."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from fleet.connectivity import classify, inventory, sunset_store
from fleet.connectivity.calendar import Row
from fleet.connectivity.decide import SimError
from fleet.registry import recipients
from fleet.store.pool import Connection
from fleet.technicians import store as technicians
from tests.database import FreshDatabase, do
from tests.store.test_technicians import units  # noqa: F401 (units 1 and 2 of municipality 1, 3 of municipality 2)

AT = datetime(2028, 1, 10, 12, tzinfo=UTC)
TELIA, TRE, GSM, LTE_M, SIM1, SIM2 = 24001, 24002, 1, 4, 3, 4
BEFORE = AT - timedelta(days=30)


def heard(
    database: FreshDatabase, unit: int, seq: int, bearer: int, operator: int | None, radio: int | None,
    at: datetime = BEFORE,
) -> None:  # fmt: skip
    """A heartbeat, as ingest keeps it."""

    async def keep(connection: Connection) -> None:
        await connection.execute(
            "INSERT INTO readings (day, unit_id, boot, seq, municipality_id, received_at, next_due_s, transport,"
            " bearer, operator, radio) VALUES (%s, %s, 1, %s, %s, %s, 300, 'coap', %s, %s, %s)",
            (at.date(), unit, seq, 1 + (unit == 3), at, bearer, operator, radio),
        )

    do(database, keep, "ingest")


def proven(database: FreshDatabase, unit: int, bearer: int, at: datetime) -> None:
    """A test press that went the whole way, as forwarding notes it."""

    async def centre(connection: Connection) -> int:
        cursor = await connection.execute(
            "INSERT INTO centres (municipality_id, name, protocol, host, port) VALUES (1, %s, 'dc09', 'h', 1)"
            " RETURNING centre_id",
            (f"centre {bearer}",),
        )
        return int((await cursor.fetchone())["centre_id"])  # type: ignore[index,call-overload]

    number = do(database, centre, "registry")

    async def note(connection: Connection) -> None:
        await connection.execute(
            "INSERT INTO button_proofs (unit_id, boot, seq, municipality_id, input, bearer, at, centre_id)"
            " VALUES (%s, 1, %s, 1, 0, %s, %s, %s)",
            (unit, bearer, bearer, at, number),
        )

    do(database, note, "forward")


def in_use(database: FreshDatabase, *numbers: int) -> None:
    with psycopg.connect(database.owner_url) as connection:
        connection.execute(
            "UPDATE units SET life = 'active', grounds = 'import:test' WHERE unit_id = ANY (%s)", (list(numbers),)
        )


def verdict(database: FreshDatabase, unit: int, today: date) -> str:
    async def judge(connection: Connection) -> str:
        (found,) = await sunset_store.units(connection, unit=unit)
        return classify.judge(found, await sunset_store.dates(connection), today, {}).what

    return do(database, judge, "registry")


def test_readings_that_tell_their_operator_are_where_a_unit_was_seen(database: FreshDatabase) -> None:
    heard(database, 1, 1, SIM1, TELIA, GSM)
    heard(database, 1, 2, SIM2, TRE, LTE_M)
    heard(database, 1, 3, SIM1, None, None)  # tells nothing of its network
    heard(database, 1, 4, SIM1, TELIA, GSM, BEFORE + timedelta(days=1))
    heard(database, 1, 5, 2, None, 7)

    async def read(connection: Connection) -> object:
        (found,) = await sunset_store.units(connection, unit=1)
        return [(one.slot, one.operator, one.technology, one.last_seen) for one in found.seen]

    assert do(database, read, "registry") == [
        (0, "fixed", "ethernet", BEFORE.date()), (1, "telia", "gsm", BEFORE.date() + timedelta(days=1)),
        (2, "tre", "lte_m", BEFORE.date()),
    ]  # fmt: skip


def test_a_proof_counts_for_the_bearer_that_it_came_by(database: FreshDatabase) -> None:
    heard(database, 1, 1, SIM1, TRE, LTE_M)
    assert verdict(database, 1, AT.date()) == "unknown"
    proven(database, 1, SIM2, BEFORE + timedelta(hours=1))
    assert verdict(database, 1, AT.date()) == "unknown"
    proven(database, 1, SIM1, BEFORE + timedelta(hours=1))
    assert verdict(database, 1, AT.date()) == "fine"


def test_a_doomed_unit_is_refused_after_its_day_unless_the_date_moves(database: FreshDatabase) -> None:
    heard(database, 1, 1, SIM1, TELIA, GSM)

    async def refused(connection: Connection) -> str | None:
        return await sunset_store.refusal(connection, 1, AT)

    async def answer(connection: Connection) -> None:
        await sunset_store.keep_answer(connection, 1, {"gsm"}, "person:1", AT)

    async def move(connection: Connection) -> None:
        row = Row("telia", "gsm", "SE", date(2029, 12, 31), "a letter")
        await sunset_store.move_date(connection, row, "person:1", AT)

    do(database, answer, "registry")
    said = do(database, refused, "registry")
    assert said is not None and "2027-12-31" in said and "another unit" in said
    do(database, move, "registry")
    assert do(database, refused, "registry") is None


def test_a_changed_date_stays_written(database: FreshDatabase) -> None:
    async def move(connection: Connection) -> None:
        row = Row("telia", "gsm", "SE", date(2029, 12, 31), "a letter")
        await sunset_store.move_date(connection, row, "person:1", AT)

    async def forget(connection: Connection) -> None:
        await connection.execute("DELETE FROM sunset_changes")

    do(database, move, "registry")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        do(database, forget, "registry")


def test_each_person_whose_unit_has_lost_its_networks_gets_one_visit(database: FreshDatabase) -> None:
    heard(database, 1, 1, SIM1, TELIA, GSM)
    heard(database, 2, 1, SIM1, TRE, LTE_M)
    heard(database, 3, 1, SIM1, TELIA, GSM)
    in_use(database, 1, 2)

    async def visits(connection: Connection) -> list[int]:
        return await sunset_store.open_person_visits(connection, technicians.open_task, "console:test", AT)

    async def tasks(connection: Connection) -> list[tuple[int, str]]:
        cursor = await connection.execute("SELECT unit_id, kind FROM technician_tasks")
        return [(row["unit_id"], row["kind"]) for row in await cursor.fetchall()]  # type: ignore[call-overload]

    assert do(database, visits, "registry") == [1]
    assert do(database, visits, "registry") == [1]
    assert do(database, tasks, "registry") == [(1, "network closed")]


def test_who_lives_alone_and_what_a_plan_allows_reach_the_judgement(database: FreshDatabase) -> None:
    """Two units on a network that closes, with modems that could do more: the plan of the second one's SIM cannot."""
    cards = "8946012345678901233", "8946012345678901241"
    with psycopg.connect(database.owner_url) as connection:
        for unit, card in ((1, cards[0]), (2, cards[1])):
            connection.execute(
                "INSERT INTO unit_sims (unit_id, slot, municipality_id, iccid) VALUES (%s, 1, 1, %s)", (unit, card)
            )

    async def say(connection: Connection) -> None:
        for unit, card, allows in ((1, cards[0], ("gsm", "lte_m")), (2, cards[1], ("gsm",))):
            await inventory.put_sim(
                connection, 1, inventory.Sim(card, technologies=allows), actor="console:test", at=AT
            )
            await sunset_store.keep_answer(connection, unit, {"gsm", "lte_m"}, "person:1", AT)
            recipient = await recipients.add_recipient(
                connection, municipality=1, reference=f"R-{unit}", priority=2, district="", lives_alone=unit == 2,
                actor="console:test", at=AT,
            )  # fmt: skip
            await connection.execute(
                "INSERT INTO unit_recipients (unit_id, recipient_id, municipality_id, unit_type, role, since)"
                " VALUES (%s, %s, 1, 'social', 'responsible', %s)", (unit, recipient, AT),
            )  # fmt: skip

    heard(database, 1, 1, SIM1, TELIA, GSM)
    heard(database, 2, 1, SIM1, TELIA, GSM)
    do(database, say, "registry")
    assert [verdict(database, unit, AT.date()) for unit in (1, 2)] == ["over_the_air", "sim_swap"]
    for duty in ("registry", "supervise"):
        found = do(database, sunset_store.units, duty)
        assert [unit.lives_alone for unit in found if unit.number in (1, 2)] == [False, True], duty

    async def wrong(connection: Connection) -> None:
        await inventory.put_sim(connection, 1, inventory.Sim(cards[0], technologies=("6g",)), actor="a", at=AT)

    with pytest.raises(SimError, match="a plan allows"):
        do(database, wrong, "registry")
