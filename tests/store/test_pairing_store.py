"""Pairing in a real PostgreSQL: proven by every button or not at all, sent twice is once, two at a time are one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import psycopg
import pytest

from fleet.alarms import store as alarms
from fleet.alarms.model import Press, PressKey
from fleet.ingest.drill_orders import order_test
from fleet.pairing import store
from fleet.pairing.watch import PairingWatch
from fleet.registry import recipients, units
from fleet.registry import store as registry
from fleet.registry.reference import check_digits
from fleet.registry.secret_box import SecretBox
from fleet.store.pool import Connection, make_pool, tenant_transaction
from sim.fleet_clock import FastClock
from tests.database import FreshDatabase, do

T = TypeVar("T")
AT = datetime(2027, 3, 1, 9, tzinfo=UTC)
S = timedelta(seconds=1)
NEW, OLD, SPARE, FOREIGN = 10, 7, 11, 20
ROOMS = ("hallway", "bathroom")
ANNA, BO = "person:1", "person:2"


class Home:
    """One municipality with a recipient who has unit 7, two hubs with two pendants in stock, and a neighbour."""

    def __init__(self, database: FreshDatabase) -> None:
        self.database = database
        self.seq = 0
        do(database, self._furnish, "registry")

    async def _furnish(self, connection: Connection) -> None:
        for municipality in (1, 2):
            await registry.add_municipality(connection, municipality, f"Number {municipality}")
        await registry.add_centre(connection, name="A", protocol="dc09", host="127.0.0.1", port=1)
        for unit in (OLD, NEW, SPARE, FOREIGN):
            await registry.add_unit(
                connection, SecretBox(bytes(32)), unit=unit, municipality=2 if unit == FOREIGN else 1,
                unit_type="social", generation=0, secret=bytes(16), fingerprint=unit.to_bytes(32, "big"),
                serial=f"{unit}",
            )  # fmt: skip
            await units.change_life(connection, unit, "receive", "person:9", AT)
        self.person = await self._recipient(connection, "K-1")
        self.neighbour = await self._recipient(connection, "K-2")
        await units.change_life(connection, OLD, "pair", "person:9", AT, recipient=self.person)
        await units.change_life(connection, OLD, "prove", "person:9", AT, grounds="import:1")
        for unit in (NEW, SPARE):
            buttons = [units.Input(0, "own"), units.Input(1, "pendant"), units.Input(2, "pendant")]
            await units.describe(connection, unit, inputs=buttons)

    async def _recipient(self, connection: Connection, reference: str) -> int:
        return await recipients.add_recipient(
            connection, municipality=1, reference=reference, priority=2, district="Norr", actor="person:9", at=AT
        )

    def web(self, act: Callable[[Connection], Awaitable[T]], towns: tuple[int, ...] = (1,)) -> T:
        return asyncio.run(self._web(act, towns))

    async def _web(self, act: Callable[[Connection], Awaitable[T]], towns: tuple[int, ...] = (1,)) -> T:
        async with (
            make_pool(self.database.app_url, "web", size=1) as pool,
            tenant_transaction(pool, towns) as connection,
        ):
            return await act(connection)

    def wish(self, unit: int = NEW, reference: str = "K-1", key: UUID | None = None, **more: Any) -> store.Wish:
        recipient = self.person if reference == "K-1" else self.neighbour
        values: dict[str, Any] = {"digits": check_digits(1, reference), "rooms": ROOMS} | more
        return store.Wish(key or uuid4(), unit, recipient, **values)

    def begin(self, wish: store.Wish | None = None, actor: str = ANNA, at: datetime = AT) -> int:
        return self.web(lambda c: store.begin(c, wish or self.wish(), actor, at))

    def settle(self, pairing: int, at: datetime) -> str | None:
        async def act(connection: Connection) -> str | None:
            async with connection.transaction():
                return await store.settle(connection, pairing, order_test, at)

        return do(self.database, act, "registry")

    def press(self, unit: int, button: int, at: datetime, *, test: bool = True, answered: bool = True) -> None:
        """A press as the front doors store it; a test is answered by the centre two seconds later."""
        self.seq += 1
        press = Press(
            key=PressKey(unit, 1, self.seq), municipality=1, unit_type="social", received_at=at, pressed_at=at,
            transport="coap", generation=0, counter=self.seq, kind=9 if test else 1, input=button, count=1, age_s=3,
            attempt=2, bearer=3, battery=80, flags=2 if test else 0, clock=None, marks=(), priority=4, raw=b"\x00",
        )  # fmt: skip

        async def keep(connection: Connection) -> None:
            await alarms.store_presses(connection, [press])

        do(self.database, keep)
        if test and answered:
            self.sql(
                "INSERT INTO button_proofs SELECT %s, 1, %s, 1, %s, 3, %s, centre_id FROM centres",
                unit, self.seq, button, at + 2 * S,
            )  # fmt: skip

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database.owner_url) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def life(self, unit: int) -> str:
        return str(self.sql("SELECT life FROM units WHERE unit_id = %s", unit)[0][0])

    def asked(self) -> tuple[int, int] | None:
        """Unit and button of the newest order."""
        rows = self.sql("SELECT unit_id, args FROM unit_commands ORDER BY queued_at DESC, number DESC LIMIT 1")
        return None if not rows else (rows[0][0], 0 if rows[0][1] is None else bytes(rows[0][1])[-1])

    def responsible(self) -> list[int]:
        rows = self.sql(
            "SELECT unit_id FROM unit_recipients WHERE recipient_id = %s AND role = 'responsible'", self.person
        )
        return [row[0] for row in rows]

    def press_all(self, pairing: int, presses: list[tuple[int, int]], at: datetime = AT) -> str | None:
        became = self.settle(pairing, at)
        for place, (unit, button) in enumerate(presses):
            assert self.asked() == (unit, button)
            self.press(unit, button, at + (10 * place + 5) * S)
            became = self.settle(pairing, at + (10 * place + 10) * S)
        return became


EVERYTHING = [(OLD, 0), (NEW, 0), (NEW, 1), (NEW, 2)]


@pytest.fixture
def home(database: FreshDatabase) -> Home:
    return Home(database)


def test_a_unit_becomes_active_by_every_button_and_the_old_one_is_responsible_until_then(home: Home) -> None:
    pairing = home.begin()
    assert (home.life(NEW), home.life(OLD), home.responsible()) == ("pairing", "active", [OLD])
    assert home.press_all(pairing, EVERYTHING[:-1]) is None
    assert (home.life(NEW), home.responsible()) == ("pairing", [OLD])
    home.press(NEW, 2, AT + 60 * S)
    assert home.settle(pairing, AT + 65 * S) == "active"
    assert (home.life(NEW), home.life(OLD), home.responsible()) == ("active", "replaced", [NEW])
    row = home.sql("SELECT proof, fee_from::text, steps FROM pairings")[0]
    assert row[0].startswith(f"P-{pairing}-") and row[1] == "2027-03-01"
    rooms = {step["room"]: step["proof"] for step in row[2] if "room" in step}
    assert set(rooms) == set(ROOMS) and rooms["hallway"]["seconds"] == 5 and rooms["hallway"]["attempt"] == 2
    assert home.sql("SELECT grounds FROM units WHERE unit_id = %s", NEW) == [(f"pairing:{pairing}",)]
    actions = [row[0] for row in home.sql("SELECT action FROM audit_records WHERE actor = %s ORDER BY 1", ANNA)]
    assert actions == ["pairing.begun", "pairing.proven", "unit.pair", "unit.prove", "unit.replace"]


@pytest.mark.parametrize("missing", range(4))
def test_without_one_of_the_buttons_it_stays_pending(home: Home, missing: int) -> None:
    pairing = home.begin()
    home.settle(pairing, AT)
    for place, (unit, button) in enumerate(EVERYTHING):
        if place != missing:
            home.press(unit, button, AT + (10 * place + 5) * S)
        home.settle(pairing, AT + (10 * place + 10) * S)
    for second in range(60, 240, 5):
        assert home.settle(pairing, AT + second * S) is None
    assert (home.life(NEW), home.responsible()) == ("pairing", [OLD])
    steps = home.sql("SELECT steps FROM pairings")[0][0]
    assert steps[missing]["state"] == "failed" and steps[missing]["why"] == "not_heard"


def test_a_real_alarm_proves_nothing_and_is_real(home: Home) -> None:
    pairing = home.begin()
    home.settle(pairing, AT)
    home.press(OLD, 0, AT + 5 * S, test=False)
    home.press(NEW, 1, AT + 6 * S, test=False)
    home.press(OLD, 0, AT + 7 * S, answered=False)
    assert home.settle(pairing, AT + 10 * S) is None
    assert home.asked() == (OLD, 0)
    assert home.sql("SELECT count(*) FROM cases WHERE state = 'open' AND NOT test") == [(2,)]
    assert home.web(lambda c: store.view(c, pairing))["live_case"] is not None


def test_sent_twice_is_once_also_at_the_same_moment(home: Home) -> None:
    wish = home.wish()

    async def together() -> list[int]:
        return await asyncio.gather(*(home._web(lambda c: store.begin(c, wish, ANNA, AT)) for _ in range(4)))

    numbers = asyncio.run(together())
    assert len({*numbers, home.begin(wish, at=AT + 600 * S)}) == 1
    assert home.sql("SELECT count(*) FROM pairings") == [(1,)]
    with pytest.raises(store.PairingRefused) as refused:
        home.begin(home.wish(SPARE, key=wish.client_key))
    assert refused.value.refused.code == "key_used"


def test_a_wish_that_was_sent_and_proven_finds_its_proof_again(home: Home) -> None:
    wish = home.wish()
    pairing = home.begin(wish)
    assert home.press_all(pairing, EVERYTHING) == "active"
    assert home.begin(wish) == pairing


def test_two_assistants_at_once_are_one_pairing_and_a_word_to_the_other(home: Home) -> None:
    async def one(unit: int, actor: str) -> int | str:
        wish = home.wish(unit)
        try:
            return await home._web(lambda c: store.begin(c, wish, actor, AT))
        except store.PairingRefused as error:
            assert error.refused.by in (ANNA, BO) and error.refused.since == AT
            return error.refused.code

    async def both(first: int, second: int) -> list[int | str]:
        return await asyncio.gather(one(first, ANNA), one(second, BO))

    found = asyncio.run(both(NEW, SPARE))
    assert sorted(map(type, found), key=str) == [int, str] and "recipient_busy" in found
    home.web(lambda c: store.give_up(c, next(n for n in found if isinstance(n, int)), "wrong", ANNA, AT))
    found = asyncio.run(both(NEW, NEW))
    assert sorted(map(type, found), key=str) == [int, str]
    assert {"unit_busy", "recipient_busy"} & {str(one) for one in found}


@pytest.mark.parametrize(
    ("unit", "more", "code"),
    [
        (NEW, {"digits": "00"}, "wrong_digits"),
        (NEW, {"digits": check_digits(1, "K-2")}, "wrong_digits"),
        (OLD, {}, "paired_already"),
        (OLD, {"reference": "K-2"}, "had_by_another"),
    ],
)
def test_what_is_refused_changes_nothing(home: Home, unit: int, more: dict[str, Any], code: str) -> None:
    before = home.sql("SELECT unit_id, life FROM units ORDER BY 1")
    with pytest.raises(store.PairingRefused) as refused:
        home.begin(home.wish(unit, **more))
    assert refused.value.refused.code == code
    assert home.sql("SELECT unit_id, life FROM units ORDER BY 1") == before
    assert home.sql("SELECT count(*) FROM pairings") == [(0,)]


def test_nobody_pairs_what_is_not_theirs(home: Home) -> None:
    with pytest.raises(LookupError):
        home.begin(home.wish(FOREIGN))
    with pytest.raises(LookupError):
        home.web(lambda c: store.begin(c, home.wish(), ANNA, AT), (2,))
    with pytest.raises(LookupError):
        home.begin(home.wish(999))
    pairing = home.begin()
    with pytest.raises(LookupError):
        home.web(lambda c: store.view(c, pairing), (2,))


def test_given_up_or_not_proven_in_time_leaves_all_as_it_was(home: Home) -> None:
    pairing = home.begin()
    home.web(lambda c: store.give_up(c, pairing, "wrong door", ANNA, AT + S))
    assert (home.life(NEW), home.life(OLD), home.responsible()) == ("in_stock", "active", [OLD])
    assert home.settle(pairing, AT + 2 * S) is None
    with pytest.raises(ValueError, match="over"):
        home.web(lambda c: store.ask_again(c, pairing, ANNA, AT))
    again = home.begin(home.wish(NEW, "K-2"))
    assert home.settle(again, AT + timedelta(hours=25)) == "abandoned"
    assert home.life(NEW) == "in_stock"


def test_the_hub_is_moved_and_the_rooms_are_asked_for_anew(home: Home) -> None:
    pairing = home.begin()
    home.press_all(pairing, EVERYTHING[:3])
    for second in (125, 130):
        home.settle(pairing, AT + second * S)
    assert home.sql("SELECT steps->3->>'why' FROM pairings") == [("not_heard",)]
    home.web(lambda c: store.unit_was_moved(c, pairing, ANNA, AT + 140 * S))
    assert home.press_all(pairing, EVERYTHING[2:], AT + 150 * S) == "active"


def test_an_old_unit_that_is_broken_is_left_out_by_name(home: Home) -> None:
    pairing = home.begin()
    home.web(lambda c: store.leave_out_old(c, pairing, "broken", ANNA, AT))
    assert home.press_all(pairing, EVERYTHING[1:]) == "active"
    assert home.sql("SELECT count(*) FROM audit_records WHERE action = 'pairing.old_broken'") == [(1,)]


def test_a_pendant_that_is_registered_meanwhile_is_asked_for(home: Home) -> None:
    pairing = home.begin()
    home.press_all(pairing, EVERYTHING[:3])
    buttons = [units.Input(0, "own"), *(units.Input(number, "pendant") for number in (1, 2, 3))]
    do(home.database, lambda c: units.describe(c, NEW, inputs=buttons), "registry")
    home.press(NEW, 2, AT + 60 * S)
    assert home.settle(pairing, AT + 65 * S) is None
    assert home.asked() == (NEW, 3)
    home.press(NEW, 3, AT + 70 * S)
    assert home.settle(pairing, AT + 75 * S) == "active"


def watched(home: Home, until: Callable[[], bool], seconds: float = 300) -> None:
    """Three watches at once, faster than the world."""

    async def run() -> None:
        clock = FastClock(AT, factor=60, step_s=0.5)
        running = asyncio.create_task(clock.run())
        watches = [PairingWatch(home.database.app_url, order_test, clock=clock) for _ in range(3)]
        for one in watches:
            await one.start()
        try:
            async with asyncio.timeout(180):
                while not await asyncio.to_thread(until):
                    await asyncio.sleep(0.02)
        finally:
            for one in watches:
                await one.stop()
            running.cancel()

    asyncio.run(run())


def test_watches_order_each_press_once_and_prove_once(home: Home) -> None:
    home.begin()
    pressed: list[tuple[int, int]] = []

    def until() -> bool:
        asked = home.asked()
        if asked is not None and asked not in pressed:
            pressed.append(asked)
            at = home.sql("SELECT max(queued_at) FROM unit_commands")[0][0]
            home.press(*asked, at + S)
        return home.life(NEW) == "active"

    watched(home, until)
    assert pressed == EVERYTHING
    assert home.sql("SELECT count(*) FROM unit_commands") == [(4,)]


def test_a_unit_that_is_revoked_meanwhile_never_becomes_active(home: Home) -> None:
    pairing = home.begin()
    home.press_all(pairing, EVERYTHING[:3])
    do(home.database, lambda c: units.revoke(c, NEW, "person:9", AT), "registry")
    home.press(NEW, 2, AT + 60 * S)
    watched(home, lambda: home.sql("SELECT state FROM pairings") == [("abandoned",)])
    assert (home.life(NEW), home.responsible()) == ("in_stock", [OLD])


def test_an_absence_and_a_search_end_beside_it(home: Home) -> None:
    async def leave(connection: Connection) -> None:
        await units.change_life(connection, OLD, "leave", ANNA, AT, until=AT + 30 * S)

    do(home.database, leave, "registry")
    watched(home, lambda: home.life(OLD) == "active")


def test_a_page_cannot_make_anything_active_by_itself(home: Home) -> None:
    pairing = home.begin()

    def cheat(statement: str) -> Callable[[Connection], Coroutine[Any, Any, None]]:
        async def act(connection: Connection) -> None:
            await connection.execute(statement.encode())

        return act

    for statement, error in (
        (f"UPDATE pairings SET proof = 'P' WHERE pairing_id = {pairing}", psycopg.errors.InsufficientPrivilege),
        ("UPDATE pairings SET state = 'active', ended_at = now()", psycopg.errors.CheckViolation),
        (f"UPDATE units SET life = 'active' WHERE unit_id = {NEW}", psycopg.errors.CheckViolation),
        ("INSERT INTO button_proofs VALUES (10, 1, 1, 1, 0, 1, now(), 1)", psycopg.errors.InsufficientPrivilege),
    ):
        with pytest.raises(error):
            home.web(cheat(statement))
