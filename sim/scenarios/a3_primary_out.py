"""A3: the primary alarm centre stops answering on a Saturday night, in three ways.

Real front doors, forwarding, escalation and messages on a PostgreSQL of its own; two simulated centres over real
sockets; units are the firmware's brain on CPython. What happens is drawn from the seed (`a3_story`), the verdict is
`a3_judge`. Each mode has a Saturday of its own, one after the other on the same fleet.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fleet.forwarding.model import Centre as Configured
from fleet.forwarding.model import Policy
from fleet.forwarding.notices import NoticeLink
from fleet.forwarding.run import CentreLink
from fleet.forwarding.taken import reconcile
from fleet.store.pool import fetch_all, make_pool
from provisioning.identity import make_identity
from sim.centre import Behaviour, Centre
from sim.scenarios import truth
from sim.scenarios.a3_judge import Played, Sent, Traces, judge
from sim.scenarios.a3_sabotage import SABOTAGES, applied, around, policy
from sim.scenarios.a3_story import TITLE, Alarm, Mode, Night, nights, personal_units
from sim.scenarios.evidence import gather, lines
from sim.scenarios.fleet_under_test import LEAD, MUNICIPALITY, PRIMARY, SECONDARY, FleetUnderTest
from sim.scenarios.path import Air
from sim.scenarios.people import WAY, CentrePeople, Counted, MortalTelephone, next_local
from sim.scenarios.scenario import Check, Options, Scenario
from sim.scenarios.wearers import BrainUnit, Plan, attach
from sim.scenarios.world import START, World

ZONE = ZoneInfo("Europe/Stockholm")
SATURDAY, NINE = 5, 21
MANAGER = "+46700000002"
FINGER_S = 0.2
AWAKE_S = 15.0
"""A unit has been heard once when its wearer presses."""
BEFORE_S = 120.0
DRAIN_S = 1200.0
BACK_S = 700.0
"""Ten probes take ten minutes; meanwhile time is measured finely."""
HEARTBEAT_S = 3600
GRAIN_S = 5.0
REACTION_S = 20.0
LONGEST_REACTION_S = 120.0
LATE = 0.1
LATE_S = (50.0, 100.0)
"""In mode three a tenth of the alarms is looked at late at the primary centre: both centres want to take them."""
HANDLING_S = (300.0, 700.0)
HELD_S = 1000.0
_ASKED = (
    "SELECT o.unit_id, o.boot, o.seq, n.name FROM outbox o JOIN centres n USING (centre_id) WHERE reason = 'escalation'"
)


class _Fleet(FleetUnderTest):
    """One municipality; a manager is told of every alarm at once, beside the centre."""

    def __init__(self, world: World, folder: Path, sabotage: str | None) -> None:
        super().__init__(world, folder, [] if sabotage is None else [sabotage])
        self.dead = False
        self.telephone = MortalTelephone(world, self.telephone_log, lambda: self.dead)
        self.probed: dict[str, list[float]] = {PRIMARY: [], SECONDARY: []}
        """When the fleet began to probe each centre, by its name; s of the scenario."""
        self._sabotage = sabotage

    def document(self) -> dict[str, Any]:
        since = (START - timedelta(days=30)).isoformat()
        steps = [
            {"tell": ["primary_centre", "manager"], "limit_s": 60, "next": 2},
            {"tell": ["secondary_centre"], "limit_s": 120, "next": 3},
            {"tell": ["shift_lead"], "limit_s": 300, "next": 3},
        ]
        people = {"manager": ("Manager", MANAGER), "shift_lead": ("Shift lead", LEAD)}
        return {
            "centre": [{"name": name, "reports_taken": WAY} for name in (PRIMARY, SECONDARY)],
            "route": [
                {"municipality": MUNICIPALITY, "rank": rank, "centre": name, "valid_from": since}
                for rank, name in enumerate((PRIMARY, SECONDARY), 1)
            ],
            "recipient": [{"name": name, "channel": "sms", "address": number} for name, number in people.values()],
            "role": [{"name": role} for role in people],
            "holder": [{"role": role, "recipient": name, "valid_from": since} for role, (name, _) in people.items()],
            "routine": [{"municipality": MUNICIPALITY, "name": "nights", "valid_from": since, "step": steps}],
        }

    def links(self) -> Mapping[str, NoticeLink]:
        return {"sms": self.telephone}

    def way_to(self, centre: Configured) -> CentreLink:
        begun = self.probed[centre.name]
        link = Counted(super().way_to(centre), lambda: begun.append(self.world.clock.now()))
        return around(link, self._sabotage, self.telephone)

    def policy(self) -> Policy:
        return policy(self._sabotage)


class _Stage:
    """A fleet that runs, its centres, and everybody around it."""

    def __init__(self, options: Options, world: World, plan: list[Night]) -> None:
        self.options, self.world = options, world
        folder = options.folder / "fleet"
        folder.mkdir()
        self.fleet = _Fleet(world, folder, options.sabotage)
        self.people: dict[str, CentrePeople] = {}
        self.plans: dict[int, Plan] = {}
        self._held: set[int] = {alarm.unit for night in plan for alarm in night.alarms if alarm.held}
        self._chance = random.Random(f"people {options.seed}")

    async def register(self, plan: list[Night]) -> None:
        """The whole fleet; only who presses needs keys here."""
        pressing = {alarm.unit for night in plan for alarm in night.alarms}
        social = self.options.units
        carried = [range(1, social + 1), range(social + 1, social + 1 + personal_units(social))]
        for units, unit_type in zip(carried, ("social", "personal"), strict=True):
            identities = [make_identity(unit) for unit in units]
            await self.fleet.register(identities, unit_type)
            self.plans |= {one.unit: Plan(one, HEARTBEAT_S) for one in identities if one.unit in pressing}

    def staff(self, name: str) -> CentrePeople:
        """The people of one centre."""
        made = self.people[name] = CentrePeople(
            self.world, self.fleet.centres[name], name, self.fleet.postgres.app_url, self.dispatch_log(name),
            reaction=self.awake, handling=self._handling,
        )  # fmt: skip
        return made

    def dispatch_log(self, name: str) -> Any:
        """Where a centre writes for whom it sent somebody."""
        return self.options.folder / f"dispatched {name}.jsonl"

    def awake(self, _reference: str) -> float:
        """Seconds until somebody looks, on a usual night."""
        return min(3 + self._chance.expovariate(1 / REACTION_S), LONGEST_REACTION_S)

    def absent(self, _reference: str) -> float | None:
        """Nobody is there."""
        return None

    def too_late(self, _reference: str) -> float | None:
        """Hardly anybody is there."""
        return self._chance.uniform(*LATE_S) if self._chance.random() < LATE else None

    def _handling(self, reference: str) -> float:
        return HELD_S if int(reference[:8], 16) in self._held else self._chance.uniform(*HANDLING_S)


class _Saturday:
    """One mode's night."""

    def __init__(self, stage: _Stage, night: Night, base: float) -> None:
        self._stage = stage
        self._night = night
        self._base = base
        self._units: dict[int, BrainUnit] = {}
        self._written = truth.Truth(truth_file(stage.options, night))
        world = stage.world
        spans = [
            (-BEFORE_S, 240.0),
            *((a - 15, b + 60) for a, b in night.dead),
            (night.out[1] - 15, night.out[1] + BACK_S),
        ]
        world.fine = [(base + since, base + until) for since, until in spans]

    async def play(self, stack: contextlib.ExitStack) -> None:
        """Everything in order."""
        stage, night = self._stage, self._night
        world = stage.world
        stack.callback(self._written.close)
        for at, act in sorted(self._acts(stack), key=lambda one: one[0]):
            await world.run_until(self._base + at)
            stage.fleet.check()
            for people in stage.people.values():
                people.check()
            found = act()
            if found is not None:
                await found
        await world.run_until(self._base + night.ends + DRAIN_S)
        self._written.close()

    def _acts(self, stack: contextlib.ExitStack) -> Iterator[tuple[float, Callable[[], Any]]]:
        night = self._night
        known: set[int] = set()
        for alarm in night.alarms:
            if alarm.unit not in known:
                known.add(alarm.unit)
                yield alarm.at - AWAKE_S, partial(self._wake, alarm, stack)
            yield alarm.at, partial(self._press, alarm)
            yield alarm.at + FINGER_S, partial(self._let_go, alarm)
        for since, until in night.dead:
            yield since, partial(self._gateway, True)
            yield until, partial(self._gateway, False)
        yield night.out[0], self._goes
        yield sum(night.out) / 2, self._halfway
        yield night.out[1], self._comes

    def _wake(self, alarm: Alarm, stack: contextlib.ExitStack) -> None:
        stage = self._stage
        seed = stage.options.seed * 1_000_003 + alarm.unit
        unit = self._units[alarm.unit] = BrainUnit(stage.world, stage.plans[alarm.unit], seed)
        stack.callback(unit.close)
        numbers = stage.options.numbers
        air = Air(numbers["least_ms"] / 1000, numbers["most_ms"] / 1000, numbers["loss"])
        stack.callback(attach(unit, stage.world, stage.fleet.door, air, seed).close)

    def _press(self, alarm: Alarm) -> None:
        self._written.note(self._stage.world.clock.now(), alarm.unit, "personal" if alarm.personal else "social")
        self._units[alarm.unit].contact(True)

    def _let_go(self, alarm: Alarm) -> None:
        self._units[alarm.unit].contact(False)

    def _gateway(self, dead: bool) -> None:
        self._stage.fleet.dead = dead

    @property
    def _primary(self) -> Centre:
        return self._stage.fleet.centres[PRIMARY]

    async def _goes(self) -> None:
        stage = self._stage
        people = stage.people[PRIMARY]
        if self._night.mode is Mode.NO_PERSON:
            people.reaction = stage.too_late
            return
        people.reaction = stage.absent
        await self._primary.switch(Behaviour.REFUSE if self._night.mode is Mode.REFUSES else Behaviour.SILENT)

    async def _halfway(self) -> None:
        """A silent centre begins to store what it does not acknowledge."""
        if self._night.mode is Mode.SILENT:
            await self._primary.switch(Behaviour.MUTE)

    async def _comes(self) -> None:
        stage = self._stage
        await self._primary.switch(Behaviour.ACK)
        stage.people[PRIMARY].reaction = stage.awake
        stage.people[PRIMARY].look_at_all(60.0)


def truth_file(options: Options, night: Night) -> Path:
    """Where a night's truth stands."""
    return options.folder / f"truth {night.mode}.jsonl"


async def run(options: Options) -> list[Check]:
    """Plays every mode and judges it."""
    plan = nights(options.units, options.numbers, random.Random(f"nights {options.seed}"))
    world = World(coarse_s=GRAIN_S)
    world.clock.move(next_local(0, SATURDAY, NINE, ZONE) - BEFORE_S)
    stage = _Stage(options, world, plan)
    with applied(options.sabotage):
        async with stage.fleet.running():
            await stage.register(plan)
            options.say(f"the fleet is up: {options.units} social units, {personal_units(options.units)} personal ones")
            for name in (PRIMARY, SECONDARY):
                await stage.staff(name).start()
            began, spent, bases = time.monotonic(), 0.0, []
            for night in plan:
                base = next_local(world.clock.now(), SATURDAY, NINE, ZONE)
                bases.append(base)
                world.clock.move(base - BEFORE_S)
                options.say(
                    f"mode {night.mode.value}: the primary centre {TITLE[night.mode]}; {len(night.alarms)} alarms"
                )
                with contextlib.ExitStack() as units:
                    await _Saturday(stage, night, base).play(units)
                spent += world.clock.now() - base
            taken = time.monotonic() - began
            for people in stage.people.values():
                await people.stop()
            found = await _judged(stage, list(zip(plan, bases, strict=True)))
    factor = round(spent / taken, 1)
    return [*found, Check("clock factor (simulated s in a real s)", factor, "any", True)]


async def _judged(stage: _Stage, played: list[tuple[Night, float]]) -> list[Check]:
    fleet, options = stage.fleet, stage.options
    url, logs = fleet.postgres.owner_url, {name: fleet.centre_log(name) for name in (PRIMARY, SECONDARY)}
    found = await asyncio.to_thread(gather, url, logs, fleet.telephone_log)
    reports = {
        name: [line["reference"] for line in lines(log) if line["reference"] and not line["duplicate"]]
        for name, log in logs.items()
    }
    people = [Sent(**line) for name in stage.people for line in lines(stage.dispatch_log(name))]
    probes = [at - START.timestamp() for at in fleet.centres[PRIMARY].heartbeats_at]
    pool = make_pool(fleet.postgres.app_url, "forward", size=1)
    await pool.open()
    nights_played = []
    try:
        async with pool.connection() as connection:
            asked = await fetch_all(connection, _ASKED)
            for night, base in played:
                since, until = (START + timedelta(seconds=at) for at in (base - BEFORE_S, base + night.ends + DRAIN_S))
                own = {one.unit for one in night.alarms}
                of_night = {
                    name: [one for one in references if int(one[:8], 16) in own] for name, references in reports.items()
                }
                agreed = await reconcile(connection, of_night, since, until)
                nights_played.append(Played(night, base, truth.read(truth_file(options, night)), agreed))
    finally:
        await pool.close()
    references = {(f"{row['unit_id']:08x}-{row['boot']}-{row['seq']}", str(row["name"])) for row in asked}
    begun = fleet.probed[PRIMARY]
    return judge(nights_played, Traces(found, people, probes, begun, frozenset(references), MANAGER))


SCENARIO = Scenario(
    name="A3",
    title="the primary centre stops answering on a Saturday at 21:00",
    units=11000,
    run=run,
    sabotages=SABOTAGES,
    numbers={
        "mode": 0,
        "alarms": 310,
        "minutes": 120,
        "outage_min": 100,
        "personal_share": 0.2,
        "sms_dead_s": 150,
        "least_ms": 50,
        "most_ms": 400,
        "loss": 0.01,
    },
)
