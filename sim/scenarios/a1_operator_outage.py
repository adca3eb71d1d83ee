"""A1: an operator is out from 02:00 to 04:40.

Front doors, forwarding and supervision are the product's own, on a PostgreSQL of its own and the world's clock. A crowd
beats on two operators; those that somebody presses are whole units on CPython over a way that is out when their
operator is. Who has no path stands in a truth that the product never reads. How a unit changes its SIM is played with
the times of logged modems: that real firmware keeps them is shown elsewhere (docs/firmware, A5).
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Final
from unittest import mock

from fleet.store.pool import make_pool
from fleet.supervision import cohorts, detector, store
from protocols.wire.messages import STATUS_TAC
from provisioning.identity import make_identity
from sim.scenarios import truth
from sim.scenarios.a1_judge import Night, Seen, judge
from sim.scenarios.a1_story import OTHER, OUT, PROFILE, SPARE, Story
from sim.scenarios.crowd import SIM_1, SIM_2, Crowd, One, Way, peak_per_s
from sim.scenarios.evidence import gather
from sim.scenarios.fleet_under_test import PRIMARY, SECONDARY
from sim.scenarios.path import Air
from sim.scenarios.scenario import Check, Options, Scenario
from sim.scenarios.supervised_fleet import Gate, SupervisedFleet
from sim.scenarios.wearers import BrainUnit, Plan
from sim.scenarios.world import START, World

LTE_M = 4
SETTLE_S: Final = 2400.0
PRESSING: Final = {"dual": 5, "single": 3, "elsewhere": 4}
CHANGE_AT_A_PRESS_S: Final = 20.0
"""A unit that is pressed on a path that is out has changed its SIM so long after (99th percentile, slowest times)."""
GRAIN_S: Final = 5.0

SABOTAGES: Final = {
    "no-cohorts": "units are judged one by one: what they share is not looked at",
    "no-presumption": "who is on a path that is wholly out and not due yet is not listed",
    "no-priority": "the visit list is in the order of the units' numbers",
}


@contextlib.contextmanager
def _applied(sabotage: str | None) -> Iterator[None]:
    if sabotage == "no-cohorts":
        with mock.patch.object(cohorts.Tally, "standing_out", lambda self: []):
            yield
    elif sabotage == "no-priority":
        by_number = store.SQL["visits"].replace("ORDER BY priority, district, reference, unit_id", "ORDER BY unit_id")
        if by_number == store.SQL["visits"]:
            raise RuntimeError("the visit list is ordered in another way now: the sabotage takes nothing out")
        with mock.patch.dict(store.SQL, {"visits": by_number}):
            yield
    elif sabotage == "no-presumption":
        with mock.patch.object(detector.Detector, "_out", lambda self, incident, now_ms: []):
            yield
    else:
        yield


class _Night:
    def __init__(self, options: Options, world: World) -> None:
        self.options, self.world = options, world
        numbers = options.numbers
        self.chance = random.Random(f"a1 {options.seed}")
        folder = options.folder / "fleet"
        folder.mkdir()
        self.fleet = SupervisedFleet(world, folder)
        self.story = Story(options.units, numbers, self.chance)
        self.begins, self.ends, self.hit = self.story.begins, self.story.ends, self.story.hit
        self.crowd = Crowd("", [], int(numbers["heartbeat_s"]), numbers["loss"], self.chance)
        self.pressed: dict[int, tuple[str, float]] = {}
        self.singles: set[int] = set()
        self._moved: dict[int, float] = {}
        self._whole: dict[int, BrainUnit] = {}
        self.truth_file = options.folder / "truth.jsonl"

    async def wearers(self, stack: contextlib.ExitStack) -> list[tuple[float, Callable[[], None]]]:
        """Those that are pressed, and their acts: (at, act)."""
        first = 1_000_001
        made: list[tuple[int, str]] = []
        for kind, number in PRESSING.items():
            made += [(first + len(made) + n, kind) for n in range(number)]
        plans = [Plan(make_identity(unit), int(self.options.numbers["heartbeat_s"])) for unit, _ in made]
        await self.fleet.register([plan.identity for plan in plans], "social")
        self.fleet.rows("UPDATE units SET life = 'active', grounds = 'import:scenario' WHERE unit_id > 1000000"
                        " RETURNING unit_id")  # fmt: skip
        known = []
        acts: list[tuple[float, Callable[[], None]]] = []
        for plan, (unit, kind) in zip(plans, made, strict=True):
            operator = OTHER if kind == "elsewhere" else OUT
            ways = [Way(SIM_1, operator, 1, "issuer A")]
            ways += [Way(SIM_2, SPARE, 1, "issuer B")] * (kind == "dual")
            known.append(One(unit, ways, "D00", 3))
            wearer = _Whole(self.world, plan, self.options.seed * 1_000_003 + unit, operator)
            air = Air(loss=self.options.numbers["loss"])
            self._whole[unit] = wearer
            gate = Gate(self.world, self.fleet.door, air, random.Random(unit), wearer.down)
            gate.closed = partial(self._closed, unit, kind)
            wearer.connect(gate)
            stack.callback(wearer.close)
            stack.callback(gate.close)
            at = self.chance.uniform(self.begins + 60, self.ends - 120)
            self.pressed[unit] = (kind, at)
            acts += [(at, partial(wearer.contact, True)), (at + 0.2, partial(wearer.contact, False))]
        self.crowd.know(known, START - timedelta(days=30))
        self.singles = {one.unit for one in known if len(one.ways) == 1 and one.way.operator == OUT}
        return acts

    def _closed(self, unit: int, kind: str) -> bool:
        now = self.world.clock.now()
        if kind == "elsewhere" or not self.begins <= now < self.ends:
            return False
        if kind == "single":
            return True
        moved = self._moved.setdefault(unit, self.begins + self.chance.uniform(100, 380))
        pressed = self.pressed[unit][1] if unit in self.pressed else None
        if pressed is not None and now >= pressed:
            moved = min(moved, pressed + CHANGE_AT_A_PRESS_S)
        if now >= moved:
            # From its next message on it says so; it stays there for the night.
            self._whole[unit].bearer = SIM_2
            self._whole[unit].says["operator"] = SPARE
        return now < moved


class _Whole(BrainUnit):
    """A unit on SIM 1 of an operator."""

    def __init__(self, world: World, plan: Plan, seed: int, operator: int) -> None:
        super().__init__(world, plan, seed, bearer=SIM_1, says={"operator": operator, "radio": LTE_M},
                         status={STATUS_TAC: 1})  # fmt: skip


async def _play(night: _Night, stack: contextlib.ExitStack) -> Seen:
    fleet, world, options = night.fleet, night.world, night.options
    night.crowd = Crowd(fleet.postgres.owner_url, night.story.people(), int(options.numbers["heartbeat_s"]),
                        options.numbers["loss"], night.chance)  # fmt: skip
    night.crowd.out = night.story.out
    fleet.profile(*PROFILE)
    await night.crowd.register(world.clock.now())
    fleet.crowd = night.crowd
    acts = await night.wearers(stack)
    world.fine = [(at - 5, at + 40) for _, at in night.pressed.values()] + [(night.ends - 2, night.ends + 60)]
    calm = night.begins + max(900.0, 2.0 * night.crowd.interval_s), night.ends - 5
    fleet.calm = [(0.0, night.begins - 60), calm, (night.ends + night.crowd.interval_s + 60, night.ends + SETTLE_S)]
    visits_at = night.story.visits_at(night.crowd)
    seen = Seen()
    for at, act in sorted([*acts, (visits_at, None)], key=lambda one: one[0]):
        await fleet.forward(at)
        if act is None:
            await _look(night, seen)
        else:
            act()
    options.say(f"{(world.clock.now() - night.begins) / 60:.0f} min: the operator comes back")
    await fleet.forward(night.ends + SETTLE_S)
    return seen


async def _look(night: _Night, seen: Seen) -> None:
    """The visit list beside the truth."""
    fleet, at = night.fleet, night.world.time.now()
    found = fleet.rows("SELECT incident_id FROM incidents ORDER BY incident_id LIMIT 1")
    gone = {unit for unit, one in night.crowd.units.items()
            if all(night.story.out(one, way, night.world.clock.now()) for way in one.ways)}  # fmt: skip
    gone |= night.singles
    with contextlib.closing(truth.Truth(night.truth_file)) as written:
        for unit in sorted(gone):
            written.note(night.world.clock.now(), unit, "no path")
    if found:
        pool = make_pool(fleet.postgres.app_url, "supervise", size=1)
        await pool.open()
        try:
            async with pool.connection() as connection, connection.transaction():
                seen.visits = await store.visits(connection, found[0]["incident_id"], at)
        finally:
            await pool.close()


async def run(options: Options) -> list[Check]:
    """Plays the night and judges it."""
    world = World(coarse_s=GRAIN_S)
    night = _Night(options, world)
    with _applied(options.sabotage), contextlib.ExitStack() as stack:
        async with night.fleet.running():
            began = time.monotonic()
            options.say(f"the fleet is up; {night.hit} of {options.units} units will be hit")
            seen = await _play(night, stack)
            spent = time.monotonic() - began
            fleet = night.fleet
            logs = {name: fleet.centre_log(name) for name in (PRIMARY, SECONDARY)}
            seen.without_path = {one.unit for one in truth.read(night.truth_file)}
            played = Night(
                begins=night.begins, ends=night.ends, hit=night.hit, units=night.crowd.units, pressed=night.pressed,
                incidents=fleet.incidents(), told=fleet.told(),
                found=gather(fleet.postgres.owner_url, logs, fleet.telephone_log),
                ages={row["unit_id"]: row["age_s"] for row in fleet.rows("SELECT unit_id, age_s FROM presses")},
                peak=peak_per_s(night.crowd.rate, night.ends, night.ends + SETTLE_S),
                usual=peak_per_s(night.crowd.rate, 300, night.begins - 1),
                visits_at=night.story.visits_at(night.crowd) - night.begins,
                shown=night.story.shown_after(night.crowd),
            )  # fmt: skip
            await fleet.close()
    factor = round(world.clock.now() / spent, 1)
    return [*judge(played, seen), Check("clock factor (simulated s in a real s)", factor, "any", True)]


SCENARIO = Scenario(
    name="A1",
    title="an operator is out from 02:00 to 04:40",
    units=3000,
    run=run,
    sabotages=SABOTAGES,
    numbers={"minutes": 160, "part": 1.0, "by_issuer": 0, "dual": 0.8, "others": 0.5, "heartbeat_s": 300, "loss": 0.01},
    bounds={
        "minutes": (10, 1440),
        "part": (0.01, 1),
        "by_issuer": (0, 1),
        "dual": (0, 1),
        "others": (0, 10),
        "heartbeat_s": (60, 300),
        "loss": (0, 0.2),
    },
    least=40,
)
