"""A whole house whose units reach the fleet through modems: press, stored, accepted, taken."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

from sim.house import LOGIN, House, Ports
from sim.modem.scenario import Scenario, load
from sim.operator import Operator

# Unit -> (modem, pipe).
UNITS = {1: ("bg95", "coap"), 2: ("sim7080g", "coap"), 3: ("gm02s", "coap"), 4: ("bg95", "mqtt")}


def quick(dialect: str) -> Scenario:
    """A warm cell whose timings are short."""
    return dataclasses.replace(load("calm"), dialect=dialect)


def test_a_press_goes_the_whole_way_through_each_modem(data_folder: Path) -> None:
    async def journey() -> None:
        house = House(
            data_folder, len(UNITS), Ports.free(), heartbeat_s=20, pipe_of=lambda unit: UNITS[unit][1],
            modems={unit: quick(dialect) for unit, (dialect, _) in UNITS.items()},
        )  # fmt: skip
        lamps: dict[int, list[str]] = {unit: [] for unit in UNITS}
        house.fleet.on_lamp = lambda unit, stage, at: lamps[unit].append(stage)
        try:
            await house.start()
            operator = Operator(house.url, LOGIN, house.password(), take_after=1.0, close_after=5.0)
            working = asyncio.create_task(operator.run())
            try:
                await asyncio.gather(*(press(house, unit) for unit in UNITS))
            finally:
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)
            for unit in UNITS:
                # A moment of the sim's own that comes late may look like a lamp that is out, or begins anew.
                order = list(dict.fromkeys(stage for stage in lamps[unit] if stage != "off"))
                assert order[:2] == ["trying", "stored"] and order[-1] == "taken", (unit, lamps[unit])
                assert house.cellular.rigs[unit].device.commands, "nothing went through the modem"
        finally:
            await house.stop()

    asyncio.run(journey())


async def press(house: House, unit: int) -> None:
    """One press; returns when its wearer sees that a person has taken it."""
    await house.fleet.press(unit)
    await house.fleet.wait_lamp(unit, "taken", 300)
