"""A11: the server restarts, and is away for four minutes.

Front doors and supervision end and begin anew on the same database and address; a crowd goes on beating into nothing,
and some persons press meanwhile. Nobody may be blamed for our own downtime, and no press may wait for long.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator
from functools import partial
from typing import Final
from unittest import mock

from fleet.supervision.watch import Watch
from provisioning.identity import make_identity
from sim.scenarios import truth
from sim.scenarios.crowd import DISTRICTS, SIM_1, SIM_2, Crowd, One, Way
from sim.scenarios.evidence import gather, worst
from sim.scenarios.fleet_under_test import PRIMARY, SECONDARY
from sim.scenarios.path import Air
from sim.scenarios.scenario import Check, Options, Scenario
from sim.scenarios.supervised_fleet import Gate, SupervisedFleet
from sim.scenarios.wearers import BrainUnit, Plan
from sim.scenarios.world import World

BEFORE_S: Final = 700.0
AFTER_S: Final = 1500.0
GRAIN_S: Final = 5.0
AT_CENTRE_S: Final = 30.0
PROFILE: Final = ("DP2", 1800, 90_000)
OPERATORS: Final = (24001, 24002, 24007)
FIRST_WHOLE: Final = 1_000_001
SABOTAGES: Final = {"no-downtime": "our own downtime is not taken into account when units are judged"}


def _people(units: int, dual: float, chance: random.Random) -> list[One]:
    made = []
    for unit in range(1, units + 1):
        area, operator = chance.randrange(40), OPERATORS[unit % len(OPERATORS)]
        ways = [Way(SIM_1, operator, area, f"issuer {unit % 2}")]
        ways += [Way(SIM_2, 24008, area, "issuer 2")] * (chance.random() < dual)
        made.append(One(unit, ways, f"D{chance.randrange(DISTRICTS):02d}", chance.randrange(1, 6)))
    return made


@contextlib.contextmanager
def _applied(sabotage: str | None) -> Iterator[None]:
    if sabotage is None:
        yield
        return
    with mock.patch.object(Watch, "suspend", lambda self, at_ms: None):
        yield


async def _wearers(options: Options, fleet: SupervisedFleet, stack: contextlib.ExitStack) -> dict[int, BrainUnit]:
    """Whole units, for those who press. Nobody is there to answer while the server is away."""
    numbers, made = options.numbers, {}
    pressing = range(FIRST_WHOLE, FIRST_WHOLE + int(numbers["presses"]))
    plans = [Plan(make_identity(unit), int(numbers["heartbeat_s"])) for unit in pressing]
    await fleet.register([plan.identity for plan in plans], "social")
    fleet.rows("UPDATE units SET life = 'active', grounds = 'import:scenario' WHERE unit_id >= %s RETURNING unit_id",
               FIRST_WHOLE)  # fmt: skip
    for plan in plans:
        seed = options.seed * 1_000_003 + plan.unit
        wearer = made[plan.unit] = BrainUnit(fleet.world, plan, seed)
        gate = Gate(fleet.world, fleet.door, Air(loss=numbers["loss"]), random.Random(seed), wearer.down)
        gate.closed = lambda: not fleet.up
        wearer.connect(gate)
        stack.callback(wearer.close)
        stack.callback(gate.close)
    return made


async def run(options: Options) -> list[Check]:
    """Before, the restart, and after."""
    numbers, world = options.numbers, World(coarse_s=GRAIN_S)
    chance = random.Random(f"a11 {options.seed}")
    folder = options.folder / "fleet"
    folder.mkdir()
    fleet = SupervisedFleet(world, folder)
    truth_file = options.folder / "truth.jsonl"
    away_s = numbers["minutes"] * 60
    goes, comes = BEFORE_S, BEFORE_S + away_s
    with _applied(options.sabotage), contextlib.ExitStack() as stack:
        async with fleet.running():
            began = time.monotonic()
            crowd = fleet.crowd = Crowd(fleet.postgres.owner_url, _people(options.units, numbers["dual"], chance),
                                        int(numbers["heartbeat_s"]), numbers["loss"], chance)  # fmt: skip
            fleet.profile(*PROFILE)
            fleet.calm = [(0.0, goes - 60)]
            await crowd.register(world.clock.now())
            wearers = await _wearers(options, fleet, stack)
            pressed = {unit: chance.uniform(goes + 2, comes - 2) for unit in wearers}
            with contextlib.closing(truth.Truth(truth_file)) as written:
                acts = [(at, partial(wearers[unit].contact, True)) for unit, at in pressed.items()]
                acts += [(at + 0.2, partial(wearers[unit].contact, False)) for unit, at in pressed.items()]
                await fleet.forward(goes)
                options.say("the server ends")
                await fleet.stop_server()
                for at, act in sorted(acts, key=lambda one: one[0]):
                    await fleet.forward(at)
                    act()
                for unit, at in pressed.items():
                    written.note(at, unit, "pressed")
            await fleet.forward(comes)
            world.fine = [(comes - 1, comes + 60)]
            options.say("the server is back")
            await fleet.start_server()
            await fleet.forward(comes + AFTER_S)
            logs = {name: fleet.centre_log(name) for name in (PRIMARY, SECONDARY)}
            found = gather(fleet.postgres.owner_url, logs, fleet.telephone_log)
            told, incidents = fleet.told(), fleet.incidents()
            states = {row["state"]: row["n"] for row in
                      fleet.rows("SELECT state, count(*) AS n FROM unit_supervision GROUP BY state")}  # fmt: skip
            await fleet.close()
            spent = time.monotonic() - began
    known = truth.read(truth_file)
    delays = []
    for one in known:
        stored = found.presses.get(one.unit, [])
        told_at = found.first_told(stored[0].reference) if stored else None
        delays.append(None if told_at is None else told_at - comes)
    longest = worst(delays)
    twice = sum(len(found.presses.get(one.unit, [])) != 1 for one in known)
    off = sum(states.get(state, 0) for state in ("silent", "off", "no_power", "no_network"))
    return [
        Check("units that a person was told of", len(told), 0, not told),
        Check("incidents", len(incidents), 0, not incidents),
        Check("units in a verdict at the end", off, 0, not off),
        Check("presses while it was away", len(known), "all of them at the centre", longest is not None),
        Check("longest from the return to the centre (s)", longest, AT_CENTRE_S,
              longest is not None and longest <= AT_CENTRE_S),
        Check("presses that are not in the database exactly once", twice, 0, twice == 0),
        Check("clock factor (simulated s in a real s)", round(world.clock.now() / spent, 1), "any", True),
    ]  # fmt: skip


SCENARIO = Scenario(
    name="A11",
    title="the server restarts and is away for four minutes",
    units=9_900,
    run=run,
    sabotages=SABOTAGES,
    numbers={"minutes": 4, "presses": 10, "dual": 0.8, "heartbeat_s": 300, "loss": 0.01},
    bounds={"minutes": (1, 60), "presses": (1, 100), "dual": (0, 1), "heartbeat_s": (60, 900), "loss": (0, 0.2)},
)
