"""A8: a whole fleet is told to test on one day, and those who need help must not wait for it.

Whoever obeys is ordered a drill by the fleet's own command, and presses once his unit has taken it; a press without one
would be a real alarm. Operators sit at the fleet's own console. What happens is drawn from the seed (`a8_story`), the
verdict is `a8_judge`.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import psycopg

from firmware.core import pendants
from fleet.alarms.store import SQL as CASES
from fleet.forwarding.store import SQL as OUTBOX
from fleet.ingest import commands
from fleet.store.pool import Pool, fetch_all, make_pool
from fleet.technicians import drills
from fleet.technicians.watch import DrillWatch
from protocols.wire.messages import COMMAND_DRILL
from provisioning.identity import make_identity
from sim.scenarios import truth
from sim.scenarios.a8_judge import HELP, TESTS, Found, judge
from sim.scenarios.a8_story import OWN, PENDANT, Day, Drill, Silent, answerable_day, handling
from sim.scenarios.desk import Desk
from sim.scenarios.evidence import lines, seconds
from sim.scenarios.fleet_under_test import MUNICIPALITY, PRIMARY, SECONDARY, FleetUnderTest, Part
from sim.scenarios.path import Air
from sim.scenarios.path import Path as Way
from sim.scenarios.people import next_local
from sim.scenarios.scenario import Check, Options, Scenario
from sim.scenarios.wearers import ETHERNET, BrainUnit, Pendant, Plan, attach
from sim.scenarios.world import START, World

ZONE = ZoneInfo("Europe/Stockholm")
TUESDAY, EIGHT = 1, 8
HEARTBEAT_S = 300
PENDANT_EVERY_S = 604_800
AWAKE_S = 20.0
"""A unit has been heard once when its order or its wearer's finger comes."""
FINGER_S = 0.2
LEAVES_S = 180.0
"""After its last press a unit takes no part any more."""
ORDER_S = 1200.0
"""An order that a unit has not taken by then, behind four heartbeats, is off."""
GIVES_UP_S = 400.0
"""Whoever has not seen by then that his unit is ready presses all the same: he cannot do harm."""
LOOKED_S = 100.0
"""After a press somebody tells what the lamp has shown."""
PAGE_S = 10.0
"""How often somebody looks whether a unit is ready."""
BEFORE_S = 360.0
DRAIN_S = 1800.0
ACTOR = "test day"
_READY = (
    "SELECT c.unit_id, c.number FROM unit_commands c "
    "JOIN unnest(%(unit)s::bigint[], %(number)s::bigint[]) AS t(unit_id, number) USING (unit_id, number) "
    "WHERE c.answered_at IS NOT NULL"
)
SAY_EVERY_S = 7200.0

SABOTAGES: Mapping[str, str] = {
    "tests-to-operators": "tests stand in the operators' queue, behind real alarms, until somebody closes them",
    "fifo": "tests stand in the operators' queue, and whoever came first is first",
    "no-drill-watch": "nobody looks for drills that were ordered and never came",
    "proof-by-hub": "a proof names the unit and not the button",
}


class _Fleet(FleetUnderTest):
    """With the watch over drills, as `fleet.app` has it."""

    def __init__(self, world: World, folder: Path, sabotage: str | None) -> None:
        super().__init__(world, folder)
        self._sabotage = sabotage

    def further_parts(self) -> Sequence[Part]:
        if self._sabotage == "no-drill-watch":
            return ()
        return [DrillWatch(self.postgres.app_url, clock=self.world.time)]


class _Watched(BrainUnit):
    """A unit whose lamp somebody looks at: `shown` holds every stage that it has shown."""

    shown: set[str]

    @property
    def stage(self) -> str:
        return self._stage

    @stage.setter
    def stage(self, name: str) -> None:
        self.__dict__.setdefault("shown", set()).add(name)
        self._stage = name


class _Flood:
    """One run on a fleet that runs."""

    def __init__(self, options: Options, world: World, fleet: _Fleet, base: float) -> None:
        self._options, self._world, self._fleet, self._base = options, world, fleet, base
        self._plans: dict[int, Plan] = {}
        self._units: dict[int, _Watched] = {}
        self._ways: dict[int, Way] = {}
        self._pendants: dict[int, Pendant] = {}
        self._registry: Pool = make_pool(fleet.postgres.app_url, "registry", size=1, name="orders")
        self.taken: dict[tuple[int, int], bool] = {}
        self.orders: dict[tuple[int, int], float] = {}
        self.truth_file = options.folder / "truth.jsonl"
        self._waiting: dict[tuple[int, int], Drill] = {}
        self._to_press: Counter[int] = Counter()
        self.desk_log = options.folder / "desk.jsonl"
        self._written = truth.Truth(self.truth_file)
        numbers = options.numbers
        self.desk = Desk(
            world, fleet.postgres.app_url, self.desk_log, operators=int(numbers["operators"]),
            handling=handling(numbers, options.seed), municipalities=[MUNICIPALITY],
        )  # fmt: skip

    async def register(self, plan: Day) -> None:
        """The whole fleet; only who takes part needs keys here."""
        parts = {one.unit for one in plan.drills} | {unit for _, unit in plan.alarms}
        identities = [make_identity(unit) for unit in range(1, self._options.units + 1)]
        await self._fleet.register(identities, "social")
        for one in identities:
            if one.unit not in parts:
                continue
            rows = []
            if one.unit in plan.paired:
                key = secrets.token_bytes(16)
                self._pendants[one.unit] = Pendant(one.unit, key)
                rows = [(PENDANT, one.unit, key, PENDANT_EVERY_S)]
            self._plans[one.unit] = Plan(one, HEARTBEAT_S, rows)
        await self._registry.open()
        await self.desk.start()

    async def play(self, plan: Day) -> None:
        """Everything in order."""
        told = SAY_EVERY_S
        for at, act in sorted(self._acts(plan), key=lambda one: one[0]):
            await self._world.run_until(self._base + at)
            self._fleet.check()
            self.desk.check()
            found = act()
            if found is not None:
                await found
            if at >= told:
                self._options.say(f"{at / 3600:.1f} h")
                told += SAY_EVERY_S
        await self._world.run_until(self._base + plan.ends + DRAIN_S)
        for unit in list(self._units):
            self._leaves(unit)
        await self.desk.stop()
        await self._registry.close()
        self._written.close()

    def _acts(self, plan: Day) -> Iterator[tuple[float, Callable[[], Any]]]:
        for one in plan.drills:
            if one.button == OWN:
                yield one.wakes_at, partial(self._wakes, one.unit)
            if one.silent is Silent.NOT_HEARD:
                yield one.at - 1, partial(self._loses, one.unit)
                yield one.at + GIVES_UP_S, partial(self._tests, one)
            yield one.at, partial(self._order, one)
        self._to_press.update(one.unit for one in plan.drills)
        for at, unit in plan.alarms:
            yield at - AWAKE_S, partial(self._wakes, unit)
            yield at, partial(self._needs_help, unit)
            yield at + FINGER_S, partial(self._lets_go, unit)
            yield at + LEAVES_S, partial(self._leaves, unit)
        for tick in range(int((plan.ends + ORDER_S) / PAGE_S)):
            yield tick * PAGE_S, self._pages

    def _wakes(self, unit: int) -> None:
        seed = self._options.seed * 1_000_003 + unit
        numbers = self._options.numbers
        air = Air(numbers["least_ms"] / 1000, numbers["most_ms"] / 1000, numbers["loss"])
        self._units[unit] = _Watched(self._world, self._plans[unit], seed)
        self._ways[unit] = attach(self._units[unit], self._world, self._fleet.door, air, seed)

    def _leaves(self, unit: int) -> None:
        leaving = self._units.pop(unit, None)
        if leaving is not None:
            leaving.close()
        way = self._ways.pop(unit, None)
        if way is not None:
            way.close()

    def _loses(self, unit: int) -> None:
        self._ways.pop(unit).close()

    async def _order(self, drill: Drill) -> None:
        at = self._world.time.now()
        self.orders[drill.unit, drill.button] = self._world.clock.now()
        args = {1: drill.button} if drill.button != OWN else None
        async with self._registry.connection() as connection, connection.transaction():
            number = await commands.queue(
                connection, drill.unit, COMMAND_DRILL, args, ACTOR, at=at, expires_at=at + timedelta(seconds=ORDER_S)
            )
        if drill.silent is not Silent.NOT_HEARD:
            self._waiting[drill.unit, number] = drill
        self._world.touch()

    async def _pages(self) -> None:
        """Whoever stands at a button looks at his unit's page: has it taken the order?"""
        if not self._waiting:
            return
        values = {"unit": [unit for unit, _ in self._waiting], "number": [number for _, number in self._waiting]}
        async with self._registry.connection() as connection:
            ready = await fetch_all(connection, _READY, values)
        for row in ready:
            drill = self._waiting.pop((row["unit_id"], row["number"]))
            if drill.silent is Silent.NO_WAY:
                self._world.clock.call_later(drill.after_s - 0.1, partial(self._loses, drill.unit))
            self._world.clock.call_later(drill.after_s, partial(self._tests, drill))

    def _tests(self, drill: Drill) -> None:
        what = TESTS if drill.silent is None else drill.silent.value
        self._written.note(self._world.clock.now(), drill.unit, what, drill.button)
        self._to_press[drill.unit] -= 1
        if not self._to_press[drill.unit]:
            self._world.clock.call_later(LEAVES_S, partial(self._leaves, drill.unit))
        if drill.silent is Silent.DEAD_BUTTON:
            return
        unit = self._units[drill.unit]
        unit.shown.clear()
        if drill.button == PENDANT:
            unit.radio(self._pendants[drill.unit].frame(pendants.PRESS))
        else:
            unit.contact(True)
            self._world.clock.call_later(FINGER_S, partial(unit.contact, False))
        if drill.silent is None:
            self._world.clock.call_later(LOOKED_S, partial(self._looked, drill, unit))

    def _looked(self, drill: Drill, unit: _Watched) -> None:
        self.taken[drill.unit, drill.button] = "taken" in unit.shown

    def _needs_help(self, unit: int) -> None:
        self._written.note(self._world.clock.now(), unit, HELP, OWN)
        self._units[unit].contact(True)

    def _lets_go(self, unit: int) -> None:
        self._units[unit].contact(False)


@contextlib.contextmanager
def applied(sabotage: str | None) -> Iterator[None]:
    """Takes the protection out of this process, and puts it back. Raises LookupError when there is nothing to take out:
    the code has changed, and the sabotage with it."""
    with contextlib.ExitStack() as stack:
        if sabotage in ("tests-to-operators", "fifo"):
            order = "ORDER BY c.opened_at" if sabotage == "fifo" else "ORDER BY c.priority, c.opened_at"
            _without(stack, CASES, "cases_not_closed", " AND NOT c.test ORDER BY c.priority, c.opened_at", f" {order}")
            nothing = "SELECT 0 AS case_id, 0 AS municipality_id WHERE false"
            stack.enter_context(mock.patch.dict(OUTBOX, {"close_tests": nothing}))
        elif sabotage == "proof-by-hub":
            _without(stack, OUTBOX, "prove_buttons", "p.municipality_id, p.input,", "p.municipality_id, 0,")
        yield


def _without(stack: contextlib.ExitStack, statements: dict[str, Any], name: str, present: str, instead: str) -> None:
    if present not in statements[name]:
        raise LookupError(f"the statement {name} has changed: the sabotage takes nothing out of it")
    stack.enter_context(mock.patch.dict(statements, {name: statements[name].replace(present, instead)}))


async def run(options: Options) -> list[Check]:
    """Plays it and judges it."""
    plan, alone = answerable_day(options.units, options.numbers, options.seed)
    world = World()
    base = next_local(0, TUESDAY, EIGHT, ZONE)
    world.clock.move(base - BEFORE_S)
    folder = options.folder / "fleet"
    folder.mkdir()
    fleet = _Fleet(world, folder, options.sabotage)
    with applied(options.sabotage):
        async with fleet.running():
            flood = _Flood(options, world, fleet, base)
            await flood.register(plan)
            options.say(f"{options.units} units, {len(plan.drills)} tests, {len(plan.alarms)} real alarms")
            began = time.monotonic()
            await flood.play(plan)
            spent = time.monotonic() - began
            found = await _found(fleet, flood, plan, base)
    factor = round((plan.ends + DRAIN_S) / spent, 1)
    return [
        *judge(truth.read(flood.truth_file), flood.orders, found),
        Check("taken within 60 s by the same operators on the same day without a test", alone, "any", True),
        Check("tests a minute", round(len(plan.drills) / plan.ends * 60, 2), "any", True),
        Check("clock factor (simulated s in a real s)", factor, "any", True),
    ]


async def _found(fleet: _Fleet, flood: _Flood, plan: Day, base: float) -> Found:
    since, until = START + timedelta(seconds=base - 60), START + timedelta(seconds=base + plan.ends + DRAIN_S + 60)
    async with make_pool(fleet.postgres.app_url, "registry", size=1) as pool, pool.connection() as connection:
        report = await drills.report(connection, since, until, fleet.world.time.now())
    with psycopg.connect(fleet.postgres.owner_url) as owner:
        proofs = owner.execute("SELECT unit_id, input, bearer, at FROM button_proofs").fetchall()
        tasks = owner.execute(
            "SELECT unit_id, part, opened_at, detail ->> 'why' FROM technician_tasks WHERE closed_at IS NULL"
        ).fetchall()
        presses = owner.execute("SELECT unit_id, count(*) FROM presses GROUP BY unit_id").fetchall()
    told = [
        (int(line["reference"][:8], 16), line["category"], seconds(datetime.fromisoformat(line["at"])))
        for name in (PRIMARY, SECONDARY)
        for line in lines(fleet.centre_log(name))
        if line["reference"]
    ]
    desk = [(line["at"], line["unit"], line["what"]) for line in lines(flood.desk_log)]
    return Found(
        proofs=[(unit, button, bearer, seconds(at)) for unit, button, bearer, at in proofs],
        tasks=[(unit, part if part is not None else -1, seconds(at), why) for unit, part, at, why in tasks],
        desk=desk, told=told, taken=flood.taken, presses=dict(presses), report=report, bearer=ETHERNET,
    )  # fmt: skip


SCENARIO = Scenario(
    name="A8",
    title="a flood of tests after a platform change",
    units=11000,
    run=run,
    sabotages=SABOTAGES,
    numbers={
        "obey": 0.26,
        "hours": 12,
        "real_per_min": 0.86,
        "operators": 4,
        "handling_min": 1.5,
        "silent": 40,
        "least_ms": 50,
        "most_ms": 400,
        "loss": 0.01,
    },
)
