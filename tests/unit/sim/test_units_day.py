"""A tracker's day: real firmware, real MicroPython, an emulated modem; it sleeps between its heartbeats, and what its
own ledger says of a day is what the model says, within a tolerance.

The hours of sleep pass quickly (`sleep_speed`), everything while it is awake takes its real time. A quick run takes a
few heartbeats for the day's rate, `make proof` all 24.
"""

import asyncio
from dataclasses import replace

import pytest

from firmware.core import power, profiles
from protocols.wire import cbor, messages
from sim.cellular import CellularUnits, configured
from sim.modem.scenario import Grant, load

HEARTBEAT_S = 3600
TOLERANCE = 0.3
"""The model takes an exchange as it was measured on another board, 22 s in all; a unit here is through sooner, on a
network that answers at once. What the ledger cannot see (self-discharge, spare SIM, presses) is left out."""
_MEMORY = 4
# What is asked for is granted: 10 s of active time, and a period of hours (TS 24.008 10.5.7.3, 10.5.7.4a).
CALM = replace(load("calm"), grant=Grant(active="00000101", tau="00100110"))
TRACKER = {"heartbeat_s": HEARTBEAT_S, "profile": profiles.TRACKER}


class Nights:
    """What a unit said at each of its deep sleeps."""

    def __init__(self):
        self.sleeps = []
        self.news = asyncio.Condition()

    def __call__(self, unit, sleep):
        self.sleeps.append(sleep)
        asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self):
        async with self.news:
            self.news.notify_all()

    async def until(self, count, timeout):
        async with asyncio.timeout(timeout), self.news:
            await self.news.wait_for(lambda: len(self.sleeps) >= count)

    def books(self):
        return [cbor.decode(sleep.memory)[_MEMORY][-1] for sleep in self.sleeps]


async def tracker(street, wakes, timeout):
    """Let a tracker wake so often; (the sleeps, the modem)."""
    modems = CellularUnits({1: CALM})
    modems.open()
    nights = Nights()
    fleet = street.fleet
    fleet.on_levels, fleet.on_sleep, fleet.sleep_speed = modems.levels, nights, 36000.0
    await street.coap()
    try:
        await fleet.start(street.folders, modems.environment)
        await nights.until(wakes, timeout)
        await fleet.kill(1)
    finally:
        modems.close()
    return nights


def model_uj(count):
    """What the model says of so many hours: floor and heartbeats, once sent."""
    kind = profiles.named("tracker")
    mv = kind.battery[1]
    return count * (power.steady(power.FLOOR_UA, mv) * HEARTBEAT_S // power.DAY_S + power.heartbeat_uj(mv))


def judge(street, nights, wakes):
    books = nights.books()
    # The first wake is a power-up, with a search and a status.
    hours = wakes - 1
    spent = books[-1][1] - books[0][1]
    model = model_uj(hours)
    days = power.capacity(500, 3900, 0) * hours / 24 / spent
    print(
        f"{hours} h of a tracker: ledger {spent / 3.6e6:.2f} mWh, model {model / 3.6e6:.2f} mWh ({spent / model:.0%}); "
        f"wakes of {sorted(book[2] for book in books)[len(books) // 2] / 1000:.1f} s (median); {days:.0f} days"
    )
    assert [book[0] for book in books] == list(range(1, wakes + 1)), "each wake is counted once"
    assert abs(spent - model) <= TOLERANCE * model
    assert all(3000 <= sleep.ms // 1000 <= HEARTBEAT_S for sleep in nights.sleeps)
    assert len(street.far.heartbeats(1)) >= wakes
    assert not street.far.alarms(1)


def test_some_hours_of_a_tracker(on_street):
    async def scenario(street):
        judge(street, await tracker(street, 4, 150), 4)

    on_street(scenario, modem=configured(CALM), **TRACKER)


@pytest.mark.proof
@pytest.mark.timeout(1500)
def test_a_day_of_a_tracker(on_street):
    async def scenario(street):
        judge(street, await tracker(street, 25, 1200), 25)

    on_street(scenario, modem=configured(CALM), **TRACKER)


def test_a_press_wakes_a_tracker_and_is_taken_before_it_sleeps_again(on_street):
    async def scenario(street):
        nights = Nights()
        fleet, far = street.fleet, street.far
        fleet.on_sleep = nights
        await street.coap()
        await fleet.start(street.folders)
        await nights.until(1, 60)
        await fleet.press(1)
        await fleet.wait_lamp(1, "stored", 60)
        (key,) = {(one.boot, one.seq) for one in far.alarms(1)}
        # Stored is not taken: it stays awake and asks.
        await far.until(lambda: [one for _, one in far.received if isinstance(one, messages.Query)], 60)
        assert len(nights.sleeps) == 1
        far.raise_stage(1, *key, messages.TAKEN)
        await nights.until(2, 60)
        assert {(one.boot, one.seq) for one in far.alarms(1)} == {key}, "one press, however the board was woken"

    on_street(scenario, **TRACKER)
