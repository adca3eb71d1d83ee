"""A whole house whose unit loses its way: the other card, and when no card carries data any more, an SMS."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from firmware.core import profiles
from livlina.gateway import add_gateway
from protocols.centre.alarm import Geo
from protocols.centre.sia_dc09.frame import decode
from protocols.centre.sia_dc09.position import read as read_position
from protocols.wire import cbor, messages
from sim.house import House, Ports
from sim.modem.scenario import Gnss, Scenario, Step, load
from sim.units import UnitError
from tests.ports import free_port
from tests.questions import ask
from tests.sms_gateway import SmsOperator, sms_operator

FLEETS_NUMBER = "+46700000001"
UNITS_NUMBER = "46700000002"
PATIENCE_S = 300.0
"""On a busy machine. That a press is stored in 20 s with SIM 1 dead is judged in `make proof` (bench.stored)."""
IN_VAIN_S = 30.0
"""Where there is no way: longer than the way by SMS takes where there is one."""
HOLD_S = 0.8


def two_cards(dialect: str) -> Scenario:
    return dataclasses.replace(load("sweden"), dialect=dialect)


def rows(house: House, sql: str) -> list[tuple[object, ...]]:
    return ask(house.postgres.owner_url, sql)


async def until(
    house: House, sql: str, wanted: Callable[[list[tuple[object, ...]]], bool], seconds: float = PATIENCE_S
) -> None:
    """A database in another process has no other signal for a test."""
    async with asyncio.timeout(seconds):
        while not wanted(await asyncio.to_thread(rows, house, sql)):
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def living(house: House):  # type: ignore[no-untyped-def]
    try:
        await house.start()
        # Its first heartbeat has arrived: it has a network, and the governor has nothing against it.
        await until(house, "SELECT bearer FROM unit_states", bool)
        yield house.cellular.rigs[1].device
    finally:
        await house.stop()


@pytest.mark.parametrize("pipe", ["coap", "mqtt"])
def test_a_press_on_a_card_whose_network_is_gone_is_stored_by_the_other(data_folder: Path, pipe: str) -> None:
    async def journey() -> None:
        house = House(
            data_folder, 1, Ports.free(), heartbeat_s=5, pipe_of=lambda unit: pipe, modems={1: two_cards("bg95")}
        )
        async with living(house) as device:
            assert rows(house, "SELECT bearer FROM unit_states") == [(messages.BEARER_SIM1,)]
            device.do(Step("network", at_ms=0, name="net4mobility", up=False))
            pressed = time.monotonic()
            await house.fleet.press(1)
            await house.fleet.wait_lamp(1, "stored", PATIENCE_S)
            print(f"{pipe}: pressed to stored in {time.monotonic() - pressed:.1f} s, SIM 1 dead")
            assert rows(house, "SELECT DISTINCT bearer FROM presses") == [(messages.BEARER_SIM2,)]
            # And what it says of itself from now on.
            await until(house, "SELECT bearer FROM unit_states", lambda rows: rows == [(messages.BEARER_SIM2,)])
            kinds = "SELECT kind FROM unit_events"
            await until(house, kinds, lambda rows: (messages.EVENT_SIM_CHANGED,) in rows)

    asyncio.run(journey())


def test_where_staff_are_follows_their_alarm_to_the_centre(data_folder: Path) -> None:
    async def journey() -> None:
        receiver = Gnss(first_ms=300)
        house = House(
            data_folder, 1, Ports.free(), heartbeat_s=5, pipe_of=lambda unit: "coap", unit_type="personal",
            profile=profiles.PERSONAL, modems={1: dataclasses.replace(two_cards("bg95"), gnss=receiver)},
        )  # fmt: skip
        async with living(house):
            told = f"SELECT about_boot, about_seq, data FROM unit_events WHERE kind = {messages.EVENT_POSITION}"
            assert rows(house, told) == [], "nobody looks before an alarm"
            await house.fleet.set_pin(1, "button", 0)
            await asyncio.sleep(HOLD_S)  # a finger
            await house.fleet.set_pin(1, "button", 1)
            await house.fleet.wait_lamp(1, "accepted", PATIENCE_S)

            def fixed(rows: list[tuple[object, ...]]) -> bool:
                return any(1 in cbor.decode(bytes(row[2])) for row in rows)  # type: ignore[call-overload]

            await until(house, told, fixed)
            boot, seq, data = next(row for row in rows(house, told) if fixed([row]))
            found = cbor.decode(bytes(data))  # type: ignore[call-overload]
            assert [(boot, seq)] == rows(house, "SELECT boot, seq FROM presses")
            degrees = (float(receiver.latitude), float(receiver.longitude))
            assert (found[1] / 1e7, found[2] / 1e7) == pytest.approx(degrees)
            assert rows(house, "SELECT state FROM cases") == [("open",)], "while the case is open"
            # And behind the alarm to the centre, as news of the press that it has.
            await until(house, "SELECT delivered_at IS NOT NULL FROM position_outbox", lambda rows: (True,) in rows)
            alarm, *more = [json.loads(line) for line in house.centre_log.read_text().splitlines()]
            # A centre that answers late is told of the alarm once more.
            place, news = next((at, one) for one in more if (at := position(one)) is not None)
            assert (alarm["duplicate"], news["duplicate"]) == (False, True)
            assert news["reference"] == alarm["reference"] == f"00000001-{boot}-{seq}"
            assert (place.lat, place.lon) == pytest.approx(degrees, abs=0.0001)

    asyncio.run(journey())


def position(line: dict[str, str]) -> Geo | None:
    """What a line of the centre's log says of where somebody is."""
    return read_position(dict(decode(bytes.fromhex(line["raw"])).xdata))


class Messenger:
    """The operator's network between a modem and the gateway's HTTP, both ways."""

    def __init__(self, house: House, operator: SmsOperator, token: str) -> None:
        self.sent: list[bytes] = []
        self.answers: list[tuple[int, object]] = []
        self._house = house
        self._operator = operator
        self._token = token
        self._tasks: set[asyncio.Task[None]] = set()

    def heard(self, number: str, payload: bytes) -> None:
        """The modem has sent a message."""
        assert number.lstrip("+") == FLEETS_NUMBER.lstrip("+")
        self.sent.append(payload)
        task = asyncio.get_running_loop().create_task(self._post(payload))
        self._tasks.add(task)

    async def _post(self, payload: bytes) -> None:
        url = f"http://127.0.0.1:{self._house.environment['LIVLINA_HOOKS_PORT']}/hooks/sms/one"
        async with httpx.AsyncClient(timeout=60) as client:
            answer = await client.post(
                url,
                headers={"Authorization": f"Bearer {self._token}"},
                json={"from": "+" + UNITS_NUMBER, "text": payload.hex()},
            )
        self.answers.append((answer.status_code, answer.json()))

    async def deliver(self) -> None:
        """Bring what the fleet sends to the modem."""
        device = self._house.cellular.rigs[1].device
        while True:
            _, body = await self._operator.next(600)
            assert body["to"] == "+" + UNITS_NUMBER
            device.do(Step("sms", at_ms=0, payload=body["data"], sender=FLEETS_NUMBER.lstrip("+")))

    async def close(self) -> None:
        await asyncio.gather(*self._tasks)


@pytest.mark.proof
def test_without_the_way_by_sms_the_same_press_is_stored_nowhere(data_folder: Path) -> None:
    """The negative control: the same house and the same loss, and a unit that knows no number of the fleet. Every run
    has it without a house, where time costs nothing (tests/unit/sim/test_sms_alone.py)."""

    async def journey() -> None:
        house = House(
            data_folder, 1, Ports.free(), heartbeat_s=5, pipe_of=lambda unit: "coap", modems={1: two_cards("bg95")}
        )
        async with living(house) as device:
            sent: list[bytes] = []
            device.on_sms = lambda number, payload: sent.append(payload)
            device.do(Step("block", at_ms=0, port=house.ports.coap, up=False))
            await house.fleet.press(1)
            await house.fleet.wait_lamp(1, "not_delivered", PATIENCE_S)
            with pytest.raises(UnitError):
                await house.fleet.wait_lamp(1, "stored", IN_VAIN_S)
            assert not sent and rows(house, "SELECT count(*) FROM presses") == [(0,)]
            # It was still trying all the time.
            device.do(Step("block", at_ms=0, port=house.ports.coap, up=True))
            await house.fleet.wait_lamp(1, "stored", PATIENCE_S)

    asyncio.run(journey())


def test_with_no_data_on_any_card_a_press_is_stored_by_sms_and_its_wearer_sees_it(data_folder: Path) -> None:
    async def journey() -> None:
        async with sms_operator() as operator:
            house = House(
                data_folder, 1, Ports.free(), heartbeat_s=5, pipe_of=lambda unit: "coap",
                modems={1: two_cards("bg95")}, sms_number=FLEETS_NUMBER,
                environment={"LIVLINA_HOOKS_PORT": str(free_port())},
            )  # fmt: skip
            async with living(house) as device:
                settings = dataclasses.replace(
                    house.settings, database_url=house.postgres.app_url, owner_url=house.postgres.owner_url
                )
                made = await asyncio.to_thread(add_gateway, settings, "one", 0, operator.url, None)
                messenger = Messenger(house, operator, made["token"])
                device.on_sms = messenger.heard
                delivering = asyncio.create_task(messenger.deliver())
                try:
                    device.do(Step("block", at_ms=0, port=house.ports.coap, up=False))
                    await house.fleet.press(1)
                    await house.fleet.wait_lamp(1, "not_delivered", PATIENCE_S)
                    await house.fleet.wait_lamp(1, "stored", PATIENCE_S)
                finally:
                    delivering.cancel()
                    await asyncio.gather(delivering, return_exceptions=True)
                    await messenger.close()
                assert (200, {"accepted": True}) in messenger.answers and len(messenger.sent[0]) <= 140
                assert rows(house, "SELECT count(*), min(bearer), max(bearer) FROM presses") == [
                    (1, messages.BEARER_SMS, messages.BEARER_SMS)
                ]
                assert rows(house, "SELECT count(*) FROM cases") == [(1,)]
                # The data path comes back: the same press is nobody's second one.
                device.do(Step("block", at_ms=0, port=house.ports.coap, up=True))
                told = "SELECT bearer FROM readings WHERE received_at > (SELECT max(received_at) FROM presses)"
                await until(house, told, bool)
                assert rows(house, "SELECT count(*) FROM presses") == [(1,)]

    asyncio.run(journey())
