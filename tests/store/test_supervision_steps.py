"""What supervision asks for before a person hears of a unit is carried out: orders, SMS wakes, a provider's view."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleet.connectivity import accounts, inventory
from fleet.ingest.probe_orders import order_probe
from fleet.registry import store as registry
from fleet.registry.secret_box import SecretBox
from fleet.store.pool import Connection
from fleet.supervision import steps
from fleet.supervision.steps import WAKE, WAKES_A_MINUTE, Steps
from sim.fleet_clock import FastClock
from tests.database import FreshDatabase, do, rows
from tests.sim_accounts import SECRET, Scene, account, iccid_of

BOX = SecretBox(secrets.token_bytes(32))
START = datetime(2027, 3, 1, 9, tzinfo=UTC)
AGO = timedelta(minutes=6)


class Gateway:
    """Keeps what it was given."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    async def send(self, address: str, text: str) -> str:
        self.sent.append((address, text))
        return "delivered"


@pytest.fixture(autouse=True)
def units(database: FreshDatabase) -> None:
    """Units 1 and 2 in use; unit 1 has two SIM cards and was last heard on the second."""

    async def add(connection: Connection) -> None:
        await registry.add_municipality(connection, 1, "One")
        for unit in (1, 2):
            await registry.add_unit(
                connection, SecretBox(bytes(32)), unit=unit, municipality=1, unit_type="social", generation=0,
                secret=bytes(16), fingerprint=unit.to_bytes(32, "big"), serial=f"{unit}",
            )  # fmt: skip

    do(database, add, "registry")
    rows(database, "INSERT INTO unit_states (unit_id, municipality_id, seen_at, bearer, iccid1, iccid2)"
                   " VALUES (1, 1, %s, 4, %s, %s), (2, 1, %s, 3, NULL, NULL)",
         START - AGO, iccid_of(1), iccid_of(2), START - AGO)  # fmt: skip


def with_cards(database: FreshDatabase, scene: Scene | None = None) -> None:
    async def add(connection: Connection) -> None:
        number = None
        if scene is not None:
            number = await accounts.add_account(
                connection, BOX, municipality=1, name="account", kind=scene.kind, url=scene.url, secret=SECRET,
                options={}, actor="console:test", at=START,
            )  # fmt: skip
        for card in (1, 2):
            sim = inventory.Sim(iccid=iccid_of(card), issuer="Acme", msisdn=f"4670000000{card}", provider=number)
            await inventory.put_sim(connection, 1, sim, actor="console:test", at=START)

    do(database, add, "registry")


def asked(database: FreshDatabase, step: str, unit: int = 1, at: datetime = START) -> None:
    rows(database, "INSERT INTO supervision_steps (unit_id, municipality_id, step, asked_at) VALUES (%s, 1, %s, %s)",
         unit, step, at)  # fmt: skip


def carried_out(database: FreshDatabase, gateway: Gateway | None) -> list[tuple[Any, ...]]:
    """What became of every step, when none is left."""

    async def work() -> None:
        running = Steps(database.app_url, BOX, order_probe, gateway, clock=FastClock(START))
        await running.start()
        try:
            await until(lambda: not rows(database, "SELECT 1 FROM supervision_steps WHERE outcome IS NULL"))
        finally:
            await running.stop()

    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.02)

    asyncio.run(work())
    return rows(database, "SELECT unit_id, step, outcome, attached FROM supervision_steps ORDER BY step_id")


def test_a_unit_is_ordered_to_speak(database: FreshDatabase) -> None:
    asked(database, "probe path")
    assert carried_out(database, None) == [(1, "probe path", "ordered", None)]
    ordered = rows(database, "SELECT unit_id, kind, actor, expires_at FROM unit_commands")
    assert ordered == [(1, 3, "machine:supervision", START + steps.PROBE_LASTS)]


def test_a_wake_goes_to_the_card_in_use_and_the_next_one_to_the_other(database: FreshDatabase) -> None:
    with_cards(database)
    gateway = Gateway()
    asked(database, "sms wake")
    asked(database, "sms wake", at=START + timedelta(seconds=1))
    asked(database, "sms wake", unit=2)
    found = carried_out(database, gateway)
    assert [row[2] for row in found] == ["sent", "sent", "no number"]
    assert gateway.sent == [("+46700000002", WAKE), ("+46700000001", WAKE)]


def test_wakes_have_a_limit(database: FreshDatabase) -> None:
    with_cards(database)
    for place in range(WAKES_A_MINUTE + 5):
        asked(database, "sms wake", at=START + timedelta(milliseconds=place))
    gateway = Gateway()
    found = [row[2] for row in carried_out(database, gateway)]
    assert (found.count("sent"), found.count("too many a minute"), len(gateway.sent)) == (60, 5, 60)


def test_what_is_no_longer_needed_is_not_done(database: FreshDatabase) -> None:
    with_cards(database)
    asked(database, "sms wake", at=START - steps.STALE - timedelta(seconds=1))
    rows(database, "UPDATE unit_states SET seen_at = %s WHERE unit_id = 2", START)
    asked(database, "probe path", unit=2, at=START - timedelta(seconds=10))
    gateway = Gateway()
    assert [row[2] for row in carried_out(database, gateway)] == ["too late", "heard meanwhile"]
    assert (gateway.sent, rows(database, "SELECT 1 FROM unit_commands")) == ([], [])


@pytest.mark.parametrize("attached", [True, False])
def test_a_provider_is_asked_whether_the_card_is_attached(database: FreshDatabase, attached: bool) -> None:
    with account("emnify") as scene:
        card = scene.account.cards[iccid_of(2)]
        card.state, card.attached, card.seen_at = "1", attached, scene.time() - 10 * 86_400
        with_cards(database, scene)
        asked(database, "ask sim provider")
        ((_, _, outcome, found),) = carried_out(database, None)
    assert found is attached, outcome


def test_a_provider_that_refuses_says_nothing_of_the_unit(database: FreshDatabase) -> None:
    with account("emnify") as scene:
        scene.account.secret = "another"
        with_cards(database, scene)
        asked(database, "ask sim provider")
        ((_, _, outcome, found),) = carried_out(database, None)
    assert found is None
    assert outcome.startswith("the provider did not say")


def test_without_gateway_or_provider_it_says_so(database: FreshDatabase) -> None:
    asked(database, "sms wake")
    asked(database, "ask sim provider")
    assert sorted(row[2] for row in carried_out(database, None)) == ["no gateway", "no provider"]
