"""Units, recipients and searches in a real PostgreSQL: what is written down, who may read what, what is gone after."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import psycopg
import pytest

from fleet.people.model import Actor
from fleet.registry import recipients, searches, units
from fleet.registry import store as registry
from fleet.registry.secret_box import SecretBox, SecretBoxError
from fleet.store.pool import Connection, make_pool, tenant_transaction
from protocols.wire import cbor
from tests.database import FreshDatabase, do

T = TypeVar("T")
AT = datetime.now(UTC)
BOX = SecretBox(bytes(32))
ONE, OTHER = 1, 2
TRACKER = 3
CANARY = recipients.Person(
    "Kanariefågel Gulsdotter", "Burvägen 17, 3 tr", "Nyckel hos grannen Kvitter",
    (recipients.Contact("Sång Gulsdotter", "0706-123321", "dotter"),),
)  # fmt: skip
CANARIES = ("Kanariefågel", "Gulsdotter", "Burvägen", "Kvitter", "0706-123321")
ANNA = Actor("person:1", frozenset({"operator"}), (ONE,))
BO = Actor("person:2", frozenset({"operator"}), (ONE,))


@pytest.fixture(autouse=True)
def town(database: FreshDatabase) -> None:
    """Units 1 and 2 and a tracker in municipality 1, unit 4 in municipality 2."""

    async def add(connection: Connection) -> None:
        for municipality in (ONE, OTHER):
            await registry.add_municipality(connection, municipality, f"Number {municipality}")
        for unit in (1, 2, TRACKER, 4):
            await registry.add_unit(
                connection, BOX, unit=unit, municipality=OTHER if unit == 4 else ONE,
                unit_type="tracker" if unit == TRACKER else "social", generation=0, secret=bytes(16),
                fingerprint=unit.to_bytes(32, "big"), serial=f"{unit}",
            )  # fmt: skip

    do(database, add, "registry")


def as_web(
    database: FreshDatabase, act: Callable[[Connection], Awaitable[T]], municipalities: tuple[int, ...] = (ONE,)
) -> T:
    async def run() -> T:
        async with (
            make_pool(database.app_url, "web", size=1) as pool,
            tenant_transaction(pool, municipalities) as connection,
        ):
            return await act(connection)

    return asyncio.run(run())


def sql(database: FreshDatabase, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.owner_url) as connection:
        cursor = connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []


def life(database: FreshDatabase, unit: int, *events: Any, **more: Any) -> None:
    async def move(connection: Connection) -> None:
        for event in events:
            grounds = "pairing:1" if event == "prove" else None
            person = more.get("recipient")
            if event == "pair" and person is None:
                person = await units.planned_for(connection, unit) or await stranger(connection, unit)
            await units.change_life(
                connection, unit, event, "person:1", AT, grounds=grounds, until=more.get("until"), recipient=person
            )

    do(database, move, "registry")


async def stranger(connection: Connection, unit: int) -> int:
    return await recipients.add_recipient(
        connection, municipality=ONE, reference=f"U-{unit}", priority=3, district="", actor="person:9", at=AT
    )


def recipient(database: FreshDatabase, reference: str = "K-1", *, protected: bool = False) -> int:
    async def add(connection: Connection) -> int:
        number = await recipients.add_recipient(
            connection, municipality=ONE, reference=reference, priority=2, district="Norr", protected=protected,
            actor="person:9", at=AT,
        )  # fmt: skip
        await recipients.seal_person(connection, BOX, number, CANARY, actor="person:9", at=AT)
        return number

    return as_web(database, add)


def case_of(database: FreshDatabase, unit: int, person: int, unit_type: str = "social") -> int:
    """An open case of a unit that this person has."""
    sql(
        database, "INSERT INTO unit_recipients (unit_id, recipient_id, municipality_id, unit_type, role, since) "
        "VALUES (%s, %s, 1, %s, 'responsible', now()) ON CONFLICT DO NOTHING", unit, person, unit_type,
    )  # fmt: skip
    rows = sql(
        database, "INSERT INTO cases (municipality_id, unit_id, unit_type, priority, kind, presses, opened_at, "
        "last_press_at) VALUES (1, %s, %s, 2, 1, 1, now(), now()) RETURNING case_id", unit, unit_type,
    )  # fmt: skip
    return int(rows[0][0])


def look(database: FreshDatabase, person: int, actor: Actor = ANNA, **why: Any) -> recipients.Person | None:
    return as_web(database, lambda c: recipients.open_person(c, BOX, actor, person, at=AT, **why))


def test_every_change_of_a_life_is_in_its_log_and_in_the_audit(database: FreshDatabase) -> None:
    person = recipient(database)
    life(database, 1, "receive")
    life(database, 1, "assign", recipient=person)
    life(database, 1, "pair", "prove", "replace", "return")
    assert sql(database, "SELECT became FROM unit_life_log ORDER BY entry_id") == [
        ("in_stock",), ("assigned",), ("pairing",), ("active",), ("replaced",), ("returned",),
    ]  # fmt: skip
    assert sql(database, "SELECT grounds FROM units WHERE unit_id = 1") == [("pairing:1",)]
    actions = [row[0] for row in sql(database, "SELECT action FROM audit_records WHERE subject = 'unit:00000001'")]
    assert actions == ["unit.receive", "unit.assign", "unit.pair", "unit.prove", "unit.replace", "unit.return"]


def test_a_refused_move_changes_nothing_and_writes_nothing(database: FreshDatabase) -> None:
    with pytest.raises(units.LifeError, match="into stock"):
        life(database, 1, "pair", recipient=1)
    with pytest.raises(LookupError):
        life(database, 99, "receive")
    assert sql(database, "SELECT count(*) FROM unit_life_log") == [(0,)]
    assert sql(
        database,
        "SELECT count(*) FROM audit_records WHERE subject LIKE 'unit:%%'",
    ) == [(0,)]


def test_re_use_wipes_who_had_the_unit_and_keeps_its_history(database: FreshDatabase) -> None:
    person = recipient(database)
    life(database, 1, "receive")
    life(database, 1, "assign", recipient=person)
    life(database, 1, "pair")
    sql(
        database, "INSERT INTO pairings (municipality_id, client_key, unit_id, unit_type, recipient_id, state, steps, "
        "started_by, started_at, changed_at, ended_at, ended_by, proof, fee_from) VALUES (1, gen_random_uuid(), 1, "
        "'social', %s, 'active', '[{\"room\": \"bedroom\"}]', 'person:1', now(), now(), now(), 'machine:pairing', "
        "'P-1', '2027-03-01')", person,
    )  # fmt: skip
    life(database, 1, "prove", "return")
    assert sql(database, "SELECT count(*) FROM unit_recipients WHERE unit_id = 1") == [(1,)]
    life(database, 1, "clean", "restock")
    assert sql(database, "SELECT count(*) FROM unit_recipients WHERE unit_id = 1") == [(0,)]
    assert sql(database, "SELECT recipient_id, steps::text, proof FROM pairings") == [(None, "[]", "P-1")]
    assert sql(database, "SELECT grounds FROM units WHERE unit_id = 1") == [(None,)]
    assert sql(database, "SELECT count(*) FROM unit_life_log WHERE unit_id = 1") == [(7,)]
    assert not [row for row in sql(database, "SELECT t::text FROM unit_life_log t") if "K-1" in row[0]]


def test_no_page_can_make_a_unit_active_without_grounds(database: FreshDatabase) -> None:
    async def cheat(statement: str) -> None:
        async def act(connection: Connection) -> None:
            await connection.execute(statement.encode())

        await asyncio.to_thread(as_web, database, act)

    for statement, error in (
        ("UPDATE units SET life = 'active' WHERE unit_id = 1", psycopg.errors.CheckViolation),
        ("UPDATE units SET grounds = 'x' WHERE unit_id = 1", psycopg.errors.InsufficientPrivilege),
        ("UPDATE pairings SET proof = 'x'", psycopg.errors.InsufficientPrivilege),
    ):
        with pytest.raises(error):
            asyncio.run(cheat(statement))


def test_an_absence_ends_by_the_clock(database: FreshDatabase) -> None:
    life(database, 1, "receive", "pair", "prove")
    life(database, 1, "leave", until=AT + timedelta(days=2))

    def end(days: float) -> int:
        return do(database, lambda c: units.end_absences(c, AT + timedelta(days=days)), "registry")

    assert (end(1), end(2), end(3)) == (0, 1, 0)
    assert sql(database, "SELECT life, life_until FROM units WHERE unit_id = 1") == [("active", None)]
    assert sql(database, "SELECT actor FROM unit_life_log ORDER BY entry_id DESC LIMIT 1") == [("machine:registry",)]


def test_retiring_and_revoking_end_keys_and_certificates_and_tell_the_doors(database: FreshDatabase) -> None:
    with psycopg.connect(database.owner_url, autocommit=True) as listening:
        listening.execute("LISTEN livlina_units")
        do(database, lambda c: units.revoke(c, 1, "person:1", AT), "registry")
        life(database, 2, "receive", "retire")
        told = [one.payload for one in listening.notifies(timeout=60, stop_after=2)]
    assert told == ["00000001", "00000002"]
    assert sql(database, "SELECT state, life FROM units WHERE unit_id < 3 ORDER BY 1, unit_id") == [
        ("revoked", "made"), ("revoked", "retired"),
    ]  # fmt: skip
    assert sql(database, "SELECT count(*) FROM unit_certificates WHERE revoked_at IS NOT NULL") == [(2,)]
    with pytest.raises(units.LifeError, match="revoked"):
        life(database, 1, "receive")


def test_what_a_unit_is_made_of(database: FreshDatabase) -> None:
    buttons = (units.Input(0, "own"), units.Input(1, "pendant", "PX-1"), units.Input(2, "pendant", "PX-2"))

    async def tell(connection: Connection) -> tuple[Any, ...]:
        assert await units.inputs_of(connection, 1) == (units.Input(0, "own"),)
        sim = units.Sim(1, "89460800000000000017", "Tele2")
        await units.describe(connection, 1, board="hub-c6", modem="bg95", owner="Number 1", inputs=buttons, sims=[sim])
        await units.describe(connection, 1, inputs=buttons[:2])
        with pytest.raises(LookupError):
            await units.describe(connection, 99, board="x")
        return await units.inputs_of(connection, 1), await units.sims_of(connection, 1)

    inputs, sims = do(database, tell, "registry")
    assert inputs == buttons[:2]
    assert [one.iccid for one in sims] == ["89460800000000000017"]
    assert sql(database, "SELECT board, modem, owner FROM units WHERE unit_id = 1") == [("hub-c6", "bg95", "Number 1")]


def test_person_data_open_for_a_case_and_each_look_is_written_down(database: FreshDatabase) -> None:
    person = recipient(database)
    case = case_of(database, 1, person)
    assert look(database, person, case_id=case) == CANARY
    rows = as_web(database, lambda c: recipients.openings(c, unseen=True))
    assert [(row["kind"], row["actor"], row["case_id"]) for row in rows] == [
        ("case", "person:1", case), ("write", "person:9", None),
    ]  # fmt: skip
    assert sql(database, "SELECT actor FROM audit_records WHERE action = 'recipient.opened'") == [("person:1",)]
    as_web(database, lambda c: recipients.see_openings(c, [rows[0]["opening_id"]], "person:8", AT))
    assert len(as_web(database, lambda c: recipients.openings(c, unseen=True))) == 1


def test_without_a_case_or_a_reason_it_stays_shut(database: FreshDatabase) -> None:
    person, neighbour = recipient(database), recipient(database, "K-2")
    case = case_of(database, 1, person)
    sql(database, "UPDATE cases SET state = 'closed', taken_at = now(), closed_at = now()")
    other = case_of(database, 2, neighbour)
    for why in ({}, {"reason": "short"}, {"case_id": case}, {"case_id": other}, {"case_id": 999}):
        with pytest.raises(recipients.OpeningRefused) as refused:
            look(database, person, **why)
        assert not any(canary in str(refused.value) for canary in CANARIES)
    with pytest.raises(LookupError):
        as_web(database, lambda c: recipients.open_person(c, BOX, ANNA, person, reason="x" * 20, at=AT), (OTHER,))
    assert look(database, person, reason="The door is locked and nobody answers") == CANARY
    kinds = sql(database, "SELECT kind FROM recipient_openings WHERE recipient_id = %s ORDER BY opening_id", person)
    assert kinds == [("write",), ("break_glass",)]


def test_a_protected_person_opens_to_named_staff_for_an_open_case_only(database: FreshDatabase) -> None:
    person = recipient(database, protected=True)
    case = case_of(database, 1, person)
    for why in ({"case_id": case}, {"reason": "I would really like to know"}):
        with pytest.raises(recipients.OpeningRefused, match="protected"):
            look(database, person, **why)
    as_web(database, lambda c: recipients.change_staff(c, person, "person:1", listed=True, actor="person:8", at=AT))
    assert look(database, person, ANNA, case_id=case) == CANARY
    for actor, why in ((BO, {"case_id": case}), (ANNA, {"reason": "I would really like to know"})):
        with pytest.raises(recipients.OpeningRefused, match="protected"):
            look(database, person, actor, **why)
    sql(database, "UPDATE cases SET state = 'closed', taken_at = now(), closed_at = now()")
    with pytest.raises(recipients.OpeningRefused):
        look(database, person, ANNA, case_id=case)


@pytest.mark.parametrize("protected", [False, True])
def test_the_database_itself_shows_no_sealed_row_without_an_opening(database: FreshDatabase, protected: bool) -> None:
    person = recipient(database, protected=protected)
    case = case_of(database, 1, person)

    async def rows(connection: Connection) -> int:
        cursor = await connection.execute("SELECT sealed FROM care_persons")
        return len(await cursor.fetchall())

    def opening(kind: str, extra: str = "NULL, NULL") -> Callable[[Connection], Awaitable[int]]:
        async def act(connection: Connection) -> int:
            await connection.execute(
                "INSERT INTO recipient_openings (municipality_id, recipient_id, actor, at, kind, case_id, reason) "
                f"VALUES (1, {person}, 'person:1', now(), '{kind}', {extra})".encode()
            )
            return await rows(connection)

        return act

    assert as_web(database, rows) == 0
    assert as_web(database, opening("case", f"{case}, NULL")) == (0 if protected else 1)
    assert as_web(database, opening("break_glass", "NULL, 'because'")) == (0 if protected else 1)
    assert as_web(database, rows) == 0, "the opening was another transaction's"
    sql(database, "UPDATE cases SET state = 'closed', taken_at = now(), closed_at = now()")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_web(database, opening("case", f"{case}, NULL"))
    # The control: without row level security the same look shows the row.
    sql(database, "ALTER TABLE care_persons DISABLE ROW LEVEL SECURITY")
    assert as_web(database, rows) == 1


def test_the_sealed_part_holds_no_word_of_it_and_is_bound_to_its_person(database: FreshDatabase) -> None:
    person, other = recipient(database), recipient(database, "K-2")
    for row in sql(database, "SELECT sealed FROM care_persons"):
        assert not any(canary.encode() in bytes(row[0]) for canary in CANARIES)
    sql(
        database, "UPDATE care_persons SET sealed = (SELECT sealed FROM care_persons WHERE recipient_id = %s) "
        "WHERE recipient_id = %s", other, person,
    )  # fmt: skip
    with pytest.raises(SecretBoxError) as refused:
        look(database, person, reason="The door is locked and nobody answers")
    assert not any(canary in "".join(traceback.format_exception(refused.value)) for canary in CANARIES)
    assert not any(canary in repr(CANARY) for canary in CANARIES[:4])


def test_canaries_are_in_no_table_of_the_database(database: FreshDatabase) -> None:
    person = recipient(database)
    look(database, person, reason="The door is locked and nobody answers")
    tables = sql(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    for (table,) in tables:
        for row in sql(database, f"SELECT t::text FROM {table} t"):
            assert not any(canary in row[0] for canary in CANARIES), table


def position(database: FreshDatabase, unit: int, seq: int, at: datetime) -> None:
    async def report(connection: Connection) -> None:
        await connection.execute(
            "INSERT INTO unit_events (unit_id, boot, seq, municipality_id, received_at, kind, data, raw) "
            "VALUES (%s, 1, %s, 1, %s, 1, %s, %s)",
            (unit, seq, at, cbor.encode({1: 578391234, 2: 140381234}), b"\x83frame"),
        )

    do(database, report)


def search(database: FreshDatabase, case: int, hours: float = 1, **more: Any) -> int:
    values: dict[str, Any] = {"reason": "Not come home", "consent": "Agreed with the daughter in March"} | more
    return as_web(
        database,
        lambda c: searches.start_search(
            c, case=case, lasts=timedelta(hours=hours), actor="person:1", at=AT, **values
        ),
    )  # fmt: skip


def kept(database: FreshDatabase) -> tuple[list[int], list[int]]:
    """Events that hold a position, and positions of searches, by sequence number."""
    events = sql(database, "SELECT seq FROM unit_events WHERE data IS NOT NULL OR raw <> '' ORDER BY seq")
    found = sql(database, "SELECT seq FROM search_positions ORDER BY seq")
    return [row[0] for row in events], [row[0] for row in found]


def test_a_tracker_s_position_is_kept_in_a_search_alone_and_purged_after_it(database: FreshDatabase) -> None:
    minute = timedelta(minutes=1)
    case = case_of(database, TRACKER, recipient(database), "tracker")
    position(database, TRACKER, 1, AT - minute)
    number = search(database, case)
    position(database, TRACKER, 2, AT + minute)
    position(database, 1, 3, AT + minute)  # no tracker: its positions belong to its alarms
    position(database, TRACKER, 4, AT + timedelta(hours=2))
    assert kept(database) == ([3], [2])
    found = as_web(database, lambda c: searches.positions(c, number, actor="person:1", at=AT + 2 * minute))
    assert [(round(one["latitude"], 3), round(one["longitude"], 3)) for one in found] == [(57.839, 14.038)]
    with pytest.raises(LookupError):
        as_web(database, lambda c: searches.positions(c, number, actor="person:2", at=AT + 2 * minute), (OTHER,))
    as_web(database, lambda c: searches.end_search(c, number, "person:1", AT + 5 * minute))
    with pytest.raises(LookupError):
        as_web(database, lambda c: searches.positions(c, number, actor="person:1", at=AT + 6 * minute))

    def purge(at: datetime) -> int:
        return do(database, lambda c: searches.purge(c, at), "registry")

    assert purge(AT + 6 * minute) == 0
    assert purge(AT + timedelta(hours=2)) == 1
    assert kept(database) == ([3], [])
    assert purge(AT + timedelta(hours=3)) == 0


def test_a_search_ends_by_the_clock_and_begins_with_all_that_it_needs(database: FreshDatabase) -> None:
    case = case_of(database, TRACKER, recipient(database), "tracker")
    social = case_of(database, 1, recipient(database, "K-2"))
    for wrong in ({"reason": " "}, {"consent": ""}, {"hours": 0}, {"hours": 25}):
        with pytest.raises(searches.SearchRefused):
            search(database, case, **wrong)
    with pytest.raises(searches.SearchRefused, match="tracker"):
        search(database, social)
    search(database, case)
    with pytest.raises(psycopg.errors.UniqueViolation):
        search(database, case)
    do(database, lambda c: searches.purge(c, AT + timedelta(hours=1)), "registry")
    assert sql(database, "SELECT ended_by FROM search_sessions") == [("machine:registry",)]
    actions = [row[0] for row in sql(database, "SELECT action FROM audit_records WHERE subject LIKE 'search:%%'")]
    assert actions == ["search.started", "search.ended"]


def test_row_level_security_is_forced_and_foreign_rows_do_not_exist(database: FreshDatabase) -> None:
    person = recipient(database)
    case_of(database, 1, person)
    tables = (
        "unit_sims", "unit_inputs", "unit_life_log", "care_recipients", "care_persons", "protected_staff",
        "recipient_openings", "unit_recipients", "pairings", "search_sessions", "search_positions",
    )  # fmt: skip
    for table in tables:
        rows = sql(database, "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE relname = %s", table)
        assert rows == [(True, True)], table

    async def count(connection: Connection) -> list[int]:
        found = []
        for table in tables:
            cursor = await connection.execute(f"SELECT 1 FROM {table}".encode())
            found.append(len(await cursor.fetchall()))
        return found

    assert sum(as_web(database, count, (OTHER,))) == 0
    assert sum(as_web(database, count, (ONE,))) >= 3
