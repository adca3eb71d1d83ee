"""A5: a button that is stuck for ten hours, and people who keep pressing while nobody answers.

Units are brains on CPython, or with `--firmware` real MicroPython in lock step (up to `MOST_REAL` of them, the parts of
the story first). What happens is drawn from the seed (`a5_story`), the verdict is `a5_judge`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import Iterator

from firmware.core import pendants
from provisioning.ca import CertificateAuthority
from provisioning.identity import make_identity
from sim.firmware_build import build_firmware
from sim.lockstep import LockStep
from sim.scenarios import truth
from sim.scenarios.a5_judge import Judge
from sim.scenarios.a5_sabotage import SABOTAGES, applied, firmware
from sim.scenarios.a5_story import FEWEST, LOW_PENDANT, PENDANT, Act, Cast, cast, ends, fine_spans, story
from sim.scenarios.evidence import gather
from sim.scenarios.fleet_under_test import PRIMARY, SECONDARY, FleetUnderTest
from sim.scenarios.path import Air, room_for
from sim.scenarios.scenario import Check, Options, Scenario
from sim.scenarios.wearers import BrainUnit, Pendant, Plan, RealUnit, Wearer, attach
from sim.scenarios.world import World

MOST_REAL = 12
PENDANT_EVERY_S = 604_800
"""Pendants report once a week: none is missed."""
LOW = 10
COARSE_S, FINE_S = 60.0, 0.5
"""The fleet's polling: nothing here is late by the first, since fine spans lie where something is due."""
SAY_EVERY_S = 3600.0
OPERATOR = "anna"
_DOING = ("closes", "opens", "wobbles open", "wobbles closed", "finger", "finger up")


class _Run:
    """One run on a fleet that runs."""

    def __init__(self, options: Options, world: World, fleet: FleetUnderTest, players: Cast) -> None:
        self._options = options
        self._world = world
        self._fleet = fleet
        self._players = players
        self._units: dict[int, Wearer] = {}
        self._pendants: dict[tuple[int, int], Pendant] = {}
        self.looks: dict[tuple[int, int], int | None] = {}
        self.real = 0
        self.truth_file = options.folder / "truth.jsonl"

    async def play(self, authority: CertificateAuthority, stack: contextlib.ExitStack) -> None:
        """Makes the units and lets everything happen."""
        options, world = self._options, self._world
        acts = story(self._players, options.numbers, random.Random(f"story {options.seed}"))
        world.fine = fine_spans(self._players, acts)
        await self._make_units(authority, stack)
        written = truth.Truth(self.truth_file)
        stack.callback(written.close)
        told = SAY_EVERY_S
        for act in acts:
            await world.run_until(act.at)
            self._fleet.check()
            await self._do(act, written)
            if act.at >= told:
                options.say(f"{act.at / 3600:.1f} h")
                told = act.at + SAY_EVERY_S
        await world.run_until(ends(acts))
        written.close()

    async def _make_units(self, authority: CertificateAuthority, stack: contextlib.ExitStack) -> None:
        options, plans = self._options, []
        for number in range(1, options.units + 1):
            keys = {one: secrets.token_bytes(16) for one in (PENDANT, LOW_PENDANT)}
            rows = [(one, number * 100 + one, key, PENDANT_EVERY_S) for one, key in keys.items()]
            plans.append(Plan(make_identity(number), int(options.numbers["heartbeat_s"]), rows))
            for one, key in keys.items():
                self._pendants[number, one] = Pendant(number * 100 + one, key)
        await self._fleet.register([plan.identity for plan in plans], "social")
        numbers = options.numbers
        air = Air(numbers["least_ms"] / 1000, numbers["most_ms"] / 1000, numbers["loss"])
        for plan in plans:
            seed = options.seed * 1_000_003 + plan.unit
            unit: RealUnit | BrainUnit
            if self._world.lockstep is not None and self.real < MOST_REAL:
                folder = options.folder / "units" / f"{plan.unit:08x}"
                unit = RealUnit(self._world, plan, folder, authority, seed)
                self.real += 1
            else:
                unit = BrainUnit(self._world, plan, seed)
            stack.callback(unit.close)
            stack.callback(attach(unit, self._world, self._fleet.door, air, seed).close)
            self._units[plan.unit] = unit

    async def _do(self, act: Act, written: truth.Truth) -> None:
        at, unit, what = act.at, act.unit, act.what
        if what.startswith("look"):
            self.looks[unit, int(what[-1])] = await asyncio.to_thread(self._fleet.priority_of, unit)
        elif what == "take":
            if await self._fleet.take(unit, OPERATOR):
                written.note(at, unit, "taken")
        elif what == "close case":
            await self._fleet.close_case(unit, OPERATOR)
        else:
            written.note(at, unit, what, PENDANT if what.startswith("pendant") else None)
            self._touch_unit(act)

    def _touch_unit(self, act: Act) -> None:
        unit = self._units[act.unit]
        if act.what in _DOING:
            unit.contact(act.what in ("closes", "wobbles closed", "finger"))
        elif act.what == "pendant pressed":
            unit.radio(self._pendants[act.unit, PENDANT].frame(pendants.PRESS))
        elif act.what == "pendant low":
            unit.radio(self._pendants[act.unit, LOW_PENDANT].frame(pendants.ALIVE, LOW))
        else:
            unit.mains(act.what == "mains lost")


@contextlib.contextmanager
def _clock(options: Options) -> Iterator[World]:
    """The world, with real units in it if they take part."""
    if not options.firmware:
        yield World(coarse_s=COARSE_S, fine_s=FINE_S)
        return
    with LockStep(options.folder / "firmware") as lockstep:
        if instead := firmware(options.sabotage):
            lockstep.build = build_firmware(options.folder / "sabotaged", instead=instead)
        yield World(lockstep, coarse_s=COARSE_S, fine_s=FINE_S)


async def run(options: Options) -> list[Check]:
    """Plays it and judges it."""
    players = cast(options.units)
    room_for(options.units, 2)  # a real one has two
    with contextlib.ExitStack() as stack:
        stack.enter_context(applied(options.sabotage))
        world = stack.enter_context(_clock(options))
        without = [options.sabotage] if options.sabotage is not None else []
        fleet = FleetUnderTest(world, options.folder / "fleet", without)
        async with fleet.running() as authority:
            playing = _Run(options, world, fleet, players)
            options.say(f"the fleet is up; {options.units} units, {options.numbers['hours']:g} h of a closed contact")
            began = time.monotonic()
            with contextlib.ExitStack() as units:
                await playing.play(authority, units)
            spent = time.monotonic() - began
            logs = {name: fleet.centre_log(name) for name in (PRIMARY, SECONDARY)}
            found = await asyncio.to_thread(gather, fleet.postgres.owner_url, logs, fleet.telephone_log)
    passed = world.clock.now()
    judge = Judge(players, truth.read(playing.truth_file), found, playing.looks, passed)
    kind = "real firmware in lock step" if options.firmware else "brains on CPython"
    return [
        *judge.checks(),
        Check("units in MicroPython", playing.real, f"{kind}; at most {MOST_REAL} are real", True),
        Check("simulated hours", round(passed / 3600, 2), "any", True),
        Check("clock factor (simulated s in a real s)", round(passed / spent, 1), "any", True),
    ]


SCENARIO = Scenario(
    name="A5",
    title="button stuck, and people who keep pressing",
    units=6,
    run=run,
    sabotages=SABOTAGES,
    numbers={
        "hours": 10,
        "short_presses": 8,
        "short_min": 29,
        "long_presses": 18,
        "long_min": 180,
        "heartbeat_s": 300,
        "least_ms": 50,
        "most_ms": 400,
        "loss": 0.01,
    },
    bounds={
        "hours": (0.2, 48),
        "short_presses": (2, 60),
        "short_min": (2, 600),
        "long_presses": (2, 200),
        "long_min": (2, 1440),
        "heartbeat_s": (30, 3600),
        "least_ms": (0, 5000),
        "most_ms": (0, 5000),
        "loss": (0, 0.2),
    },
    least=FEWEST,
    firmware=True,
)
