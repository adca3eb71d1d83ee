"""Presses at a path that loses datagrams: real units, the real fleet server on PostgreSQL, and a centre, in real time.

    python -m bench.loss --units 1250 --presses 8 --loss 0.2

Every unit presses so often, each time after its last press was stored; no more than are told at once (core.contact):
of further ones the count travels, and no message is owed for each. Judged by what stands on the units' own flash,
in the database and in the centre's log: a press that is missing further on is lost, one that stands there without a
press on any flash, or twice, is doubled. `--sabotage no_key_check` must find doubled ones.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psycopg

from bench import options
from firmware.core.contact import BURST
from livlina.demo_score import compare, quantiles
from sim.house import House, Ports, free_port
from sim.units import UnitError

AT_ONCE = 40
"""Fingers in the whole fleet: more would measure how fast this machine can press."""
STORED_S = 120.0
SETTLE_S = 180.0
HEARTBEAT_S = 600
SABOTAGES = {"no_key_check": (sys.executable, "-m", "bench.no_key_check")}
_ARRIVED = ("stored", "accepted", "taken")


@dataclass(frozen=True)
class Verdict:
    """What a run has shown."""

    units: int
    presses: int
    journals: int
    database: int
    centre: int
    lost: int
    doubled: int
    cases: int
    stored_ms: dict[str, float | None]
    seconds: float
    carried: dict[str, int]

    @property
    def passed(self) -> bool:
        return not self.lost and not self.doubled and self.journals == self.presses and self.cases == self.units


@contextlib.contextmanager
def relay(port: int, to: int, loss: float, seed: int) -> Iterator[dict[str, int]]:
    """A lossy path in a process of its own; its counts stand in the dict when it is over."""
    argv = [
        sys.executable, "-m", "sim.lossy_relay", "--listen", f"127.0.0.1:{port}", "--to", f"127.0.0.1:{to}",
        "--loss", str(loss), "--seed", str(seed),
    ]  # fmt: skip
    counts: dict[str, int] = {}
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == b"listening\n"
        try:
            yield counts
        finally:
            process.stdin.close()
            with contextlib.suppress(json.JSONDecodeError):
                counts.update(json.loads(process.stdout.readline()))


class Fingers:
    """One finger for each unit. `stored_ms` of every press."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.stored_ms: list[float] = []
        self._places = asyncio.Semaphore(AT_ONCE)
        self._seen: dict[int, asyncio.Future[float]] = {}
        self._trying: set[int] = set()
        house.fleet.on_lamp = self._lamp

    def _lamp(self, unit: int, stage: str, at: float) -> None:
        if stage == "trying":
            self._trying.add(unit)
        elif stage in _ARRIVED and unit in self._trying:
            self._trying.discard(unit)
            seen = self._seen.pop(unit, None)
            if seen is not None and not seen.done():
                seen.set_result(at)

    async def work(self, unit: int, presses: int) -> int:
        """Press so often; how many presses the board has seen."""
        done = 0
        for _ in range(presses):
            seen = self._seen[unit] = asyncio.get_running_loop().create_future()
            async with self._places:
                started = time.monotonic()
                with contextlib.suppress(UnitError):
                    await self.house.fleet.press(unit)
                    done += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STORED_S):
                    self.stored_ms.append(1000 * (await seen - started))
        return done


async def settled(house: House) -> None:
    """Until the database and the centre have what the journals have, or for as long as anybody would wait."""
    ends = time.monotonic() + SETTLE_S
    while time.monotonic() < ends:
        truth, _, _ = await asyncio.to_thread(compare, house)
        if not truth.lost:
            return
        await asyncio.sleep(2)


def cases(house: House) -> int:
    """How many cases were opened."""
    with psycopg.connect(house.postgres.owner_url) as connection:
        row = connection.execute("SELECT count(*) FROM cases").fetchone()
    assert row is not None
    return int(row[0])


async def run(folder: Path, units: int, presses: int, loss: float, seed: int, sabotage: str | None) -> Verdict:
    """One run in this folder."""
    ports = Ports.free()
    front = free_port(2)
    more: dict[str, Any] = {"server_command": SABOTAGES[sabotage]} if sabotage else {}
    house = House(
        folder, units, ports, heartbeat_s=HEARTBEAT_S, pipe_of=lambda unit: "coap",
        coap_addresses=[("127.0.0.1", front)], **more,
    )  # fmt: skip
    started = time.monotonic()
    try:
        with relay(front, ports.coap, loss, seed) as carried:
            await house.start()
            fingers = Fingers(house)
            pressed = sum(await asyncio.gather(*(fingers.work(unit, presses) for unit in house.flashes())))
            await settled(house)
            truth, _, _ = await asyncio.to_thread(compare, house)
            verdict = Verdict(
                units, pressed, len(truth.journals), len(truth.database), len(truth.centre),
                truth.lost + max(0, pressed - len(truth.journals)),
                truth.doubled + len(truth.database - truth.journals) + len(truth.centre - truth.database),
                cases(house), quantiles(fingers.stored_ms), round(time.monotonic() - started, 1), carried,
            )  # fmt: skip
        return replace(verdict, carried=dict(carried))
    finally:
        await house.stop()


def measure(units: int, presses: int, loss: float, seed: int = 1, sabotage: str | None = None) -> Verdict:
    """One run in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="livlina-loss-"))
    folder.chmod(0o755)
    try:
        return asyncio.run(run(folder, units, presses, loss, seed, sabotage))
    finally:
        shutil.rmtree(folder)


def main() -> int:
    """0 if no press was lost and none doubled."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=options.whole(1, 5000), default=1250)
    parser.add_argument("--presses", type=options.whole(1, 1 + BURST), default=8, help="of each unit")
    parser.add_argument("--loss", type=options.real(0, 0.9), default=0.2, help="of datagrams, each way")
    parser.add_argument("--seed", type=options.SEED, default=1)
    parser.add_argument("--sabotage", choices=sorted(SABOTAGES))
    options.json_in_any_case(parser)
    arguments = parser.parse_args()
    verdict = measure(arguments.units, arguments.presses, arguments.loss, arguments.seed, arguments.sabotage)
    sys.stdout.write(json.dumps({**asdict(verdict), "passed": verdict.passed}, indent=1) + "\n")
    return 0 if verdict.passed else 1


if __name__ == "__main__":
    options.run(main)
