"""Press to stored with everything real but the modem and its networks: units, fleet server, PostgreSQL, centre, clock.

    python -m bench.stored_real --presses 200

Units behind an emulated modem each (one of them with MQTT over TLS through it), warm; every press is taken and closed
by the simulated operator before the next. In these times is what this machine takes; `bench.stored` has the other
conditions, without it. Prints the units' heap low-water marks as their status has told them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg

from bench import options
from livlina.demo_score import compare, quantiles
from sim.house import LOGIN, House, Ports
from sim.modem.scenario import Scenario
from sim.operator import Operator
from sim.units import UnitError

# Unit -> (dialect, pipe).
UNITS = {1: ("bg95", "coap"), 2: ("sim7080g", "coap"), 3: ("gm02s", "coap"), 4: ("bg95", "mqtt")}
UP_S = 120.0
STAGE_S = 60.0
REST_S = 2.0
"""From taken to the next press of the same unit."""
HEARTBEAT_S = 30


@dataclass(frozen=True)
class Result:
    """`stored_ms` by pipe; `heap_low` by unit as "dialect pipe"."""

    presses: int
    lost: int
    doubled: int
    stored_ms: dict[str, dict[str, float | None]]
    heap_low: dict[str, int | None]
    network_ms: float


class Finger:
    """Presses one unit and watches its lamp."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.took: dict[str, list[float]] = {"coap": [], "mqtt": []}
        self._stored: dict[int, asyncio.Future[float]] = {}
        house.fleet.on_lamp = self._lamp

    def _lamp(self, unit: int, stage: str, at: float) -> None:
        future = self._stored.get(unit)
        if future is not None and stage in ("stored", "accepted", "taken") and not future.done():
            future.set_result(at)

    async def up(self, unit: int) -> None:
        """Until the fleet has heard of it."""
        ends = time.monotonic() + UP_S
        while not await asyncio.to_thread(self._known, unit):
            if time.monotonic() > ends:
                raise UnitError(f"unit {unit:08x} was not heard within {UP_S:.0f} s")
            await asyncio.sleep(0.2)

    def _known(self, unit: int) -> bool:
        with psycopg.connect(self.house.postgres.owner_url) as connection:
            row = connection.execute("SELECT 1 FROM unit_states WHERE unit_id = %s", [unit]).fetchone()
        return row is not None

    async def work(self, unit: int, presses: int) -> int:
        """So many presses, one after the other; how many the board has seen."""
        await self.up(unit)
        for _ in range(presses):
            started = time.monotonic()
            future = self._stored[unit] = asyncio.get_running_loop().create_future()
            await self.house.fleet.press(unit)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STAGE_S):
                    self.took[UNITS[unit][1]].append(1000 * (await future - started))
            await self.house.fleet.wait_lamp(unit, "taken", STAGE_S)
            await asyncio.sleep(REST_S)
        return presses


def heaps(house: House) -> dict[str, int | None]:
    """The lowest free heap that each unit has told, in bytes."""
    with psycopg.connect(house.postgres.owner_url) as connection:
        rows = connection.execute("SELECT unit_id, heap_low FROM unit_states ORDER BY unit_id").fetchall()
    return {" ".join(UNITS[unit]): low for unit, low in rows}


async def run(folder: Path, presses: int) -> Result:
    """One run in this folder."""
    house = House(
        folder, len(UNITS), Ports.free(), heartbeat_s=HEARTBEAT_S, pipe_of=lambda unit: UNITS[unit][1],
        modems={unit: Scenario(dialect=dialect) for unit, (dialect, _) in UNITS.items()},
    )  # fmt: skip
    try:
        await house.start()
        operator = Operator(house.url, LOGIN, house.password(), take_after=0.2, close_after=0.5)
        working = asyncio.create_task(operator.run())
        finger = Finger(house)
        each = -(-presses // len(UNITS))
        try:
            done = sum(await asyncio.gather(*(finger.work(unit, each) for unit in UNITS)))
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        truth, _, _ = await asyncio.to_thread(compare, house)
        path = Scenario().path
        return Result(
            done,
            truth.lost + max(0, done - len(truth.database)),
            truth.doubled + max(0, len(truth.database) - done),
            {pipe: quantiles(took) for pipe, took in finger.took.items()},
            await asyncio.to_thread(heaps, house),
            2 * (path.latency_ms + path.jitter_ms),
        )
    finally:
        await house.stop()


def measure(presses: int) -> Result:
    """One run in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="livlina-real-"))
    folder.chmod(0o755)
    try:
        return asyncio.run(run(folder, presses))
    finally:
        shutil.rmtree(folder)


def main() -> int:
    """0 if nothing was lost and nothing doubled."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presses", type=options.whole(1, 100_000), default=200)
    options.json_in_any_case(parser)
    result = measure(parser.parse_args().presses)
    sys.stdout.write(json.dumps(asdict(result), indent=1) + "\n")
    return 1 if result.lost or result.doubled else 0


if __name__ == "__main__":
    options.run(main)
