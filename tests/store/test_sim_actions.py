"""What is asked of SIM providers: once a key, audited, done when the provider shows it; secrets that no page reads."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from fleet.connectivity import accounts, actions, changes, inventory, looks
from fleet.connectivity.accounts import AccountError
from fleet.connectivity.actions import ActionError, Actions
from fleet.connectivity.decide import SimError
from fleet.connectivity.run import Connectivity
from fleet.registry import store as registry
from fleet.registry.secret_box import SecretBox, SecretBoxError
from fleet.store.pool import Connection, make_pool, tenant_transaction
from sim.fleet_clock import FastClock
from tests.database import FreshDatabase, do, rows
from tests.sim_accounts import KINDS, SECRET, Scene, account, iccid_of

BOX = SecretBox(secrets.token_bytes(32))
ONE = iccid_of(1)
START = datetime(2027, 3, 1, 9, tzinfo=UTC)
CLOCK = FastClock(START)
kinds = pytest.mark.parametrize("kind", KINDS)


def set_up(database: FreshDatabase, scene: Scene) -> int:
    """An account and its first SIM in the inventory."""
    from sim.providers.rest import OPTIONS

    async def add(connection: Connection) -> int:
        await registry.add_municipality(connection, 1, "One")
        number = await accounts.add_account(
            connection, BOX, municipality=1, name=f"account at {scene.kind}", kind=scene.kind, url=scene.url,
            secret=SECRET, options=OPTIONS if scene.kind == "rest" else {}, actor="console:test", at=CLOCK.now(),
        )  # fmt: skip
        sim = inventory.Sim(iccid=ONE, issuer="Acme", provider=number)
        await inventory.put_sim(connection, 1, sim, actor="console:test", at=CLOCK.now())
        return number

    return do(database, add, "registry")


def ask(database: FreshDatabase, key: str, action: Any, octets: int | None = None) -> tuple[int, bool]:
    return do(
        database,
        lambda c: actions.ask(c, key, ONE, action, "person:3", at=CLOCK.now(), octets=octets),
        "registry",
    )


def turn(database: FreshDatabase, times: int = 1, *, after_s: float = 0) -> list[tuple[str, str | None]]:
    """So many turns of a worker of its own, later by so much; what the actions are then."""
    due = timedelta(seconds=after_s)

    async def work() -> None:
        pool = make_pool(database.app_url, "forward", size=2)
        await pool.open()
        worker = Actions(pool, BOX, FastClock(START + due))
        try:
            for _ in range(times):
                await worker.one()
        finally:
            await worker.close()
            await pool.close()

    asyncio.run(work())
    return rows(database, "SELECT state, why FROM sim_actions ORDER BY action_id")  # type: ignore[return-value]


@kinds
def test_an_activation_is_done_when_the_provider_shows_it(database: FreshDatabase, kind: str) -> None:
    with account(kind, delay_s=30) as scene:
        set_up(database, scene)
        number, new = ask(database, "k1", "activate")
        assert ask(database, "k1", "activate") == (number, False)
        assert new
        with pytest.raises(ActionError, match="another action"):
            ask(database, "k1", "reset")
        assert turn(database) == [("accepted", None)]
        assert turn(database, after_s=61) == [("accepted", None)], "the provider has not done it yet"
        scene.time.s += 31
        assert turn(database, after_s=200) == [("done", None)]
        assert rows(database, "SELECT state, provider_ref IS NOT NULL FROM sims") == [("active", True)]
        acted = [row[0] for row in rows(database, "SELECT action FROM audit_records ORDER BY record_id")]
        assert acted == ["sim_provider.added", "sim.put", "sim.activate", "sim.activate_done"]
        again, _ = ask(database, "k2", "activate")
        asked = len(scene.account.log)
        assert turn(database, after_s=300)[-1] == ("done", None)
        assert [method for method, _ in scene.account.log[asked:] if method in ("PUT", "PATCH")] == [], again


@kinds
def test_a_reset_whose_answer_was_lost_is_sent_once(database: FreshDatabase, kind: str) -> None:
    with account(kind) as scene:
        set_up(database, scene)
        scene.account.lost = 1
        ask(database, "k1", "reset")
        found = turn(database, times=3, after_s=1)
        assert found[0][0] == "unclear"
        assert scene.account.cards[ONE].resets == 1
        ask(database, "k2", "reset")
        assert turn(database, after_s=2)[-1][0] == "done"
        assert scene.account.cards[ONE].resets == 2


def test_a_worker_that_ended_while_it_sent_a_reset_leaves_it_unclear(database: FreshDatabase) -> None:
    with account("onence") as scene:
        set_up(database, scene)
        ask(database, "k1", "reset")
        rows(database, "UPDATE sim_actions SET state = 'sending', attempts = 1")
        assert turn(database, after_s=1)[0][0] == "unclear"
        assert scene.account.cards[ONE].resets == 0


@kinds
def test_a_provider_that_asks_for_fewer_requests_is_asked_later(database: FreshDatabase, kind: str) -> None:
    with account(kind, burst=0, window_s=5) as scene:
        set_up(database, scene)
        ask(database, "k1", "activate")
        state, why = turn(database)[0]
        assert (state, "429" in (why or "")) == ("queued", True)
        asked = len(scene.account.log)
        turn(database, after_s=2)
        assert len(scene.account.log) == asked, "not before its time"
        scene.account.burst = 100
        assert turn(database, after_s=10)[0][0] == "accepted"


def test_what_a_provider_does_not_offer_is_refused_and_a_view_that_never_comes_fails(database: FreshDatabase) -> None:
    with account("onence", delay_s=10**9) as scene:
        set_up(database, scene)
        ask(database, "k1", "limit", 5_000_000)
        assert turn(database)[0][0] == "refused"
        ask(database, "k2", "activate")
        assert turn(database)[1][0] == "accepted"
        assert turn(database, after_s=2 * 3600 + 60)[1] == ("failed", "the provider's view never showed it")


def test_a_sim_that_somebody_relies_on_is_not_suspended(database: FreshDatabase) -> None:
    with account("emnify") as scene:
        set_up(database, scene)

        async def unit(connection: Connection) -> None:
            await registry.add_unit(
                connection, BOX, unit=1, municipality=1, unit_type="social", generation=0, secret=bytes(16),
                fingerprint=bytes(32), serial="1",
            )  # fmt: skip

        do(database, unit, "registry")
        rows(database, "INSERT INTO unit_sims VALUES (1, 1, 1, %s, 'Acme')", ONE)
        rows(database, "UPDATE units SET life = 'active', grounds = 'test:1'")
        with pytest.raises(ActionError, match="00000001"):
            ask(database, "k1", "suspend")
        rows(database, "UPDATE units SET life = 'in_stock'")
        assert ask(database, "k1", "suspend")[1]


def test_a_secret_is_sealed_to_its_account_and_read_by_one_duty(database: FreshDatabase) -> None:
    with account("emnify") as scene:
        number = set_up(database, scene)
    sealed = bytes(rows(database, "SELECT sealed FROM sim_provider_secrets")[0][0])
    assert SECRET.encode() not in sealed
    assert BOX.open_for_sim_provider(sealed, number) == SECRET.encode()
    with pytest.raises(SecretBoxError):
        BOX.open_for_sim_provider(sealed, number + 1)

    async def read(connection: Connection) -> None:
        await connection.execute("SELECT sealed FROM sim_provider_secrets")

    for duty in ("registry", "ingest", "web"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            do(database, read, duty)
    do(database, read, "forward")
    assert "opens-the-account" not in str(do(database, accounts.accounts, "registry"))


def test_the_inventory_is_checked_and_each_municipality_sees_its_own(database: FreshDatabase) -> None:
    with account("emnify") as scene:
        set_up(database, scene)
    with pytest.raises(SimError):
        do(
            database,
            lambda c: inventory.put_sim(
                c, 1, inventory.Sim(iccid=ONE[:-1] + str((int(ONE[-1]) + 1) % 10)), actor="console:t", at=CLOCK.now()
            ),
            "registry",
        )
    changed = inventory.Sim(iccid=ONE, imsi="240011234567890", operator=24001, plan="5 MB", cost_ore=1250)
    do(database, lambda c: inventory.put_sim(c, 1, changed, actor="console:t", at=CLOCK.now()), "registry")
    found = do(database, inventory.sims, "registry")
    assert [(one["iccid"], one["issuer"], one["plan"], one["operator"]) for one in found] == [
        (ONE, "Acme", "5 MB", 24001)
    ]

    async def seen(municipality: int) -> int:
        async with (
            make_pool(database.app_url, "web", size=1) as pool,
            tenant_transaction(pool, [municipality]) as connection,
        ):
            return len(await inventory.sims(connection))

    assert asyncio.run(seen(1)) == 1
    assert asyncio.run(seen(2)) == 0


def test_an_account_is_https_or_loopback(database: FreshDatabase) -> None:
    for url in ("http://provider.example", "ftp://x", "https://user:word@provider.example"):
        with pytest.raises(AccountError):
            do(
                database,
                lambda c, url=url: accounts.add_account(
                    c, BOX, municipality=0, name="n", kind="emnify", url=url, secret="s", options={},
                    actor="console:t", at=CLOCK.now(),
                ),
                "registry",
            )  # fmt: skip


def test_the_server_s_part_carries_out_what_was_asked_before_it_started(database: FreshDatabase) -> None:
    ordered: list[int] = []

    async def order(_connection: Connection, unit: int, *_more: Any) -> int:
        ordered.append(unit)
        return 1

    async def work() -> None:
        part = Connectivity(database.app_url, BOX, order)
        await part.start()
        try:
            async with asyncio.timeout(120):
                while rows(database, "SELECT state FROM sim_actions") != [("done",)] or not ordered:
                    await asyncio.sleep(0.05)
        finally:
            await part.stop()

    with account("emnify") as scene:
        set_up(database, scene)
        scene.account.cards[ONE].state = "1"
        do(
            database,
            lambda c: registry.add_unit(
                c, BOX, unit=7, municipality=1, unit_type="social", generation=0, secret=bytes(16),
                fingerprint=bytes(32), serial="7",
            ),
            "registry",
        )  # fmt: skip
        rows(database, "UPDATE units SET life = 'active', grounds = 'test:1'")
        rows(database, "INSERT INTO unit_sims VALUES (7, 1, 1, %s, 'Acme')", ONE)
        do(
            database,
            lambda c: changes.begin(
                c, {"preferred": 1}, stages=[100], soak_s=0, most_failed=0, within_s=60, seed=1,
                actor="console:t", at=CLOCK.now(),
            ),
            "registry",
        )  # fmt: skip
        ask(database, "k1", "activate")
        rows(database, "UPDATE sim_actions SET next_try_at = now() - interval '1 minute'")
        asyncio.run(work())
    assert ordered == [7]


@kinds
def test_what_a_provider_says_now_is_asked_for_by_the_duty_that_may(database: FreshDatabase, kind: str) -> None:
    with account(kind) as scene:
        number = set_up(database, scene)
        seen = do(database, lambda c: looks.look(c, BOX, ONE, steady=CLOCK.steady), "forward")
        assert seen["sim"]["iccid"] == ONE and seen["session"]["session"] and seen["usage"]["octets"] >= 0
        found = do(database, lambda c: looks.networks(c, BOX, number, steady=CLOCK.steady), "forward")
        assert (found["networks"] is None) == (kind != "emnify"), "the others offer no list"
        with pytest.raises(LookupError, match="in no account"):
            do(database, lambda c: looks.look(c, BOX, iccid_of(2), steady=CLOCK.steady), "forward")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            do(database, lambda c: looks.look(c, BOX, ONE, steady=CLOCK.steady), "registry")


def test_a_card_that_is_locked_to_another_modem_is_said(database: FreshDatabase) -> None:
    with account("rest") as scene:
        set_up(database, scene)
    rows(database, "INSERT INTO units (unit_id, municipality_id, unit_type) VALUES (1, 1, 'social')")
    rows(database, "INSERT INTO unit_states (unit_id, municipality_id, seen_at, iccid1, imei) "
                   "VALUES (1, 1, now(), %s, '864475041234567')", ONE)  # fmt: skip
    for lock, expected in ((None, None), ("8644750412345678", False), ("359999041234567", True)):
        rows(database, "UPDATE sims SET imei_lock = %s", lock)
        (found,) = do(database, inventory.sims, "registry")
        assert (found["seen_unit"], found["locked_out"]) == (1, expected)
