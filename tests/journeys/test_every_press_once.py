"""Promise 1: no press is ever lost, whatever is killed while people press."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from livlina.demo_score import compare
from protocols.wire import messages
from sim.house import LOGIN, House
from sim.operator import Operator
from sim.units import UnitError, read_journal
from tests.journeys.conftest import living_house
from tests.questions import ask

UNITS = 8
CLAIM_S = 6.0
"""For a wrong server to say *stored*."""
EARLY = (sys.executable, str(Path(__file__).with_name("early_acknowledgement.py")))


async def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Waits for a condition of the outside world; fails with ``what`` when it does not come."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, f"after {seconds:.0f} s: {what}"
        await asyncio.sleep(0.05)


async def settled(house: House, seconds: float = 300) -> None:
    """Until nothing is lost any more. What stays lost fails with the keys."""
    ends = time.monotonic() + seconds
    while True:
        truth, _, _ = await asyncio.to_thread(compare, house)
        if not truth.lost:
            return
        missing = sorted(truth.journals - truth.database) + sorted(truth.journals - truth.centre)
        assert time.monotonic() < ends, f"lost: {missing}"
        await asyncio.sleep(0.3)


async def press_and_note(house: House, unit: int, noted: list[int]) -> None:
    """One press; counts only when the unit showed that it is on flash (the lamp says that it is trying)."""
    seen = asyncio.Event()
    house.fleet.on_lamp = lambda which, stage, at: seen.set() if which == unit and stage == "trying" else None
    with contextlib.suppress(TimeoutError, UnitError):
        await house.fleet.press(unit)
        await asyncio.wait_for(seen.wait(), 3)
        noted.append(unit)


async def fault_server(house: House, _: random.Random) -> None:
    house.kill_server()
    await house.start_server()


async def fault_postgres(house: House, _: random.Random) -> None:
    house.postgres.kill()
    await until(lambda: house.postgres.pid is None, 60, "the postmaster is still there")
    await asyncio.to_thread(house.postgres.restart_if_dead)


async def fault_unit(house: House, chance: random.Random) -> None:
    unit = chance.randint(1, UNITS)
    await house.fleet.kill(unit)
    await house.fleet.restart(unit)


async def fault_centre(house: House, _: random.Random) -> None:
    house.kill_centre()
    await house.start_centre()


def test_every_press_arrives_exactly_once_while_everything_is_killed_in_turn(data_folder: Path) -> None:
    async def journey() -> None:
        chance = random.Random(20261121)
        async with living_house(data_folder, UNITS) as house:
            operator = Operator(house.url, LOGIN, house.password(), take_after=0.2, close_after=0.5)
            working = asyncio.create_task(operator.run())
            noted: list[int] = []

            async def pressing() -> None:
                while True:
                    await press_and_note(house, chance.randint(1, UNITS), noted)
                    await asyncio.sleep(0.15)

            fingers = asyncio.create_task(pressing())
            for _ in range(2):
                for fault in (fault_server, fault_postgres, fault_unit, fault_centre):
                    before = len(noted)
                    await fault(house, chance)
                    await until(
                        lambda before=before: len(noted) >= before + 3, 60, f"no presses after {fault.__name__}"
                    )
            fingers.cancel()
            await asyncio.gather(fingers, return_exceptions=True)
            await settled(house)
            truth, _, cases_without_press = await asyncio.to_thread(compare, house)
            print(f"\n{len(noted)} presses noted, {len(truth.journals)} on flash, 8 kills, "
                  f"lost {truth.lost}, doubled {truth.doubled}")  # fmt: skip
            assert len(noted) >= 24
            assert len(truth.journals) >= len(noted), "a press that was on flash is gone from its journal"
            assert truth.lost == 0
            assert truth.doubled == 0, "the centre was told twice of one press"
            assert cases_without_press == 0
            assert truth.database == truth.journals, "a press that nobody made"
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    asyncio.run(journey())


async def database_dies_under_a_press(house: House, claimed: Callable[[House], Awaitable[None]]) -> int:
    """Presses come while the database is away, then, behind `claimed`, the server is killed too. Returns how many are
    lost once every unit believes that its press is stored, so that none sends it again."""
    await until(lambda: len(heard(house)) == house.units, 60, "not every unit has been heard")
    house.postgres.kill()
    await until(lambda: house.postgres.pid is None, 60, "the postmaster is still there")
    for unit in range(1, house.units + 1):
        await house.fleet.press(unit)
    await claimed(house)
    house.kill_server()
    await asyncio.to_thread(house.postgres.restart_if_dead)
    await house.start_server()
    await until(lambda: believed(house) == house.units, 300, "not every press is stored for its unit")
    truth, _, _ = await asyncio.to_thread(compare, house)
    assert len(truth.journals) == house.units
    return len(truth.journals - truth.database)


def heard(house: House) -> set[int]:
    """Units whose heartbeat is stored: the server knows their keys from now on, so it could acknowledge too early."""
    return {row[0] for row in ask(house.postgres.owner_url, "SELECT DISTINCT unit_id FROM readings")}


def believed(house: House) -> int:
    """Presses on flash that their units know to be stored."""
    units = range(1, house.units + 1)
    return sum(entry.stage >= messages.STORED for unit in units for entry in read_journal(house.flash(unit)))


async def some_lamp_says_stored(house: House) -> None:
    """Until the first does."""
    lamps = [asyncio.create_task(house.fleet.wait_lamp(unit, "stored", 60)) for unit in range(1, house.units + 1)]
    (first, *_), rest = await asyncio.wait(lamps, return_when=asyncio.FIRST_COMPLETED)
    for lamp in rest:
        lamp.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    first.result()


async def no_lamp_says_stored(house: House) -> None:
    """A wrong server has the time to claim it; a right one never does, however long it takes."""
    ends = await asyncio.gather(
        *(house.fleet.wait_lamp(unit, "stored", CLAIM_S) for unit in range(1, house.units + 1)), return_exceptions=True
    )
    assert all(isinstance(end, UnitError) for end in ends)


def test_the_database_away_means_no_receipt_and_no_loss(data_folder: Path) -> None:
    async def journey() -> None:
        async with living_house(data_folder, 4) as house:
            assert await database_dies_under_a_press(house, no_lamp_says_stored) == 0

    asyncio.run(journey())


def test_acknowledging_before_the_commit_loses_presses(data_folder: Path) -> None:
    """Negative control: the same journey finds the loss when the promise is broken."""

    async def journey() -> None:
        async with living_house(data_folder, 4, server_command=EARLY) as house:
            assert await database_dies_under_a_press(house, some_lamp_says_stored) > 0

    asyncio.run(journey())
