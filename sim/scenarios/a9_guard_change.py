"""A9: the guard company of six municipalities changes at midnight, by one dated row.

The document goes through `livlina routine set`'s own code, first as a dry run. What happens is drawn from the seed
(`a9_story`), the verdict is `a9_judge`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import psycopg

from fleet.ingest import commands
from fleet.routines import decide
from fleet.routines import document as documents
from fleet.routines.store import Book
from fleet.settings import Settings
from fleet.store.pool import make_pool
from livlina.routing import explain_route, set_routines
from protocols.wire.messages import COMMAND_STATUS
from provisioning.identity import make_identity
from sim.scenarios import truth
from sim.scenarios.a9_judge import Change, Guards, Rows, judge
from sim.scenarios.a9_story import CLOSED_S, FOUND_S, TAKEN_S, Part, Press, story
from sim.scenarios.evidence import lines
from sim.scenarios.fleet_under_test import PRIMARY, FleetUnderTest
from sim.scenarios.path import Air, room_for
from sim.scenarios.people import WAY, CentrePeople
from sim.scenarios.scenario import Check, Options, Scenario
from sim.scenarios.wearers import BrainUnit, Plan, attach
from sim.scenarios.world import START, World

ZONE = ZoneInfo("Europe/Stockholm")
GUARDS = Guards(("Guard North", "+46700000011"), ("Guard South", "+46700000012"))
HEARTBEAT_S = 3600
AWAKE_S = 300.0
FINGER_S = 0.2
ANNOUNCED_S = 3600.0
"""The document is applied so long before midnight, or half-way through the evening."""
DRAIN_S = 900.0
_TABLES = ("centres", "type_routes", "recipients", "roles", "role_holders", "office_hours", "routines", "units",
           "unit_keys", "unit_commands")  # fmt: skip

SABOTAGES: Mapping[str, str] = {
    "no-case-version": "an open case follows whoever holds the role now",
    "wrong-zone": "the local time of a document is read as UTC",
    "change-in-place": "the number of the old company is overwritten instead",
    "config-in-units": "the change is sent to every unit",
}


class _Fleet(FleetUnderTest):
    """Municipalities that share one guard company for personal alarms."""

    def __init__(self, world: World, folder: Path, municipalities: int) -> None:
        super().__init__(world, folder)
        self._count = municipalities

    def municipalities(self) -> Mapping[int, str]:
        return {number: f"Municipality {number}" for number in range(1, self._count + 1)}

    def document(self) -> dict[str, Any]:
        since = (START - timedelta(days=30)).isoformat()
        steps = [
            {"tell": ["primary_centre", "guard"], "limit_s": 60, "next": 2},
            {"tell": ["guard"], "limit_s": 120, "next": 2},
        ]
        return {
            "centre": [{"name": PRIMARY, "reports_taken": WAY}],
            "route": [
                {"municipality": number, "rank": 1, "centre": PRIMARY, "valid_from": since}
                for number in self.municipalities()
            ],
            "recipient": [
                {"name": name, "channel": "sms", "address": number} for name, number in (GUARDS.old, GUARDS.new)
            ],
            "role": [{"name": "guard"}],
            "holder": [{"role": "guard", "recipient": GUARDS.old[0], "valid_from": since}],
            "routine": [{"name": "personal alarms", "unit_type": "personal", "valid_from": since, "step": steps}],
        }


class _Night:
    """One run on a fleet that runs."""

    def __init__(self, options: Options, world: World, fleet: _Fleet, base: float) -> None:
        self._options, self._world, self._fleet, self._base = options, world, fleet, base
        self._chance = random.Random(f"people {options.seed}")
        self._units: dict[int, BrainUnit] = {}
        self._left_open: set[int] = set()
        self.written = truth.Truth(options.folder / "truth.jsonl")
        self.municipality_of: dict[int, int] = {}
        self.change: Change | None = None
        self.people = CentrePeople(
            world, fleet.centres[PRIMARY], PRIMARY, fleet.postgres.app_url, options.folder / "dispatched.jsonl",
            reaction=self._reaction, handling=lambda reference: self._chance.uniform(*CLOSED_S),
        )  # fmt: skip

    async def register(self, units: int, others: int, municipalities: int) -> None:
        """Personal units, which press, and social ones, which the change does not concern."""
        for number in range(1, municipalities + 1):
            identities = [make_identity(unit) for unit in range(1, units + 1) if unit % municipalities + 1 == number]
            await self._fleet.register(identities, "personal", number)
            self.municipality_of |= {one.unit: number for one in identities}
            for one in identities:
                self._units[one.unit] = self._unit(Plan(one, HEARTBEAT_S))
            further = range(units + 1, units + others + 1)
            identities = [make_identity(unit) for unit in further if unit % municipalities + 1 == number]
            await self._fleet.register(identities, "social", number)

    def _unit(self, plan: Plan) -> BrainUnit:
        return BrainUnit(self._world, plan, self._options.seed * 1_000_003 + plan.unit)

    async def play(self, presses: list[Press], stack: contextlib.ExitStack) -> None:
        """Everything in order."""
        numbers, world = self._options.numbers, self._world
        air = Air(numbers["least_ms"] / 1000, numbers["most_ms"] / 1000, numbers["loss"])
        for number, unit in sorted(self._units.items()):
            stack.callback(unit.close)
            stack.callback(attach(unit, world, self._fleet.door, air, self._options.seed + number).close)
        self._left_open = {one.unit for one in presses if one.part is Part.OPEN}
        changed = max(presses[0].at / 2, -ANNOUNCED_S)
        acts: list[tuple[float, Any]] = [(changed, self._announce), (FOUND_S, self._found)]
        acts += [(one.at, one) for one in presses]
        acts += [(one.at + FINGER_S, one.unit) for one in presses]
        for at, act in sorted(acts, key=lambda one: one[0]):
            await world.run_until(self._base + at)
            self._fleet.check()
            self.people.check()
            if isinstance(act, Press):
                self.written.note(at, act.unit, act.part.value)
                self._units[act.unit].contact(True)
            elif isinstance(act, int):
                self._units[act].contact(False)
            else:
                await act()
        await world.run_until(self._base + presses[-1].at + DRAIN_S)
        self.written.close()

    def _reaction(self, reference: str) -> float | None:
        return None if int(reference[:8], 16) in self._left_open else self._chance.uniform(*TAKEN_S)

    async def _found(self) -> None:
        """Somebody sees to what was left open."""
        self._left_open.clear()
        self.people.look_at_all(60.0)

    async def _announce(self) -> None:
        """The change is tried, looked at, and made."""
        file = self._options.folder / "change.json"
        midnight = datetime.fromtimestamp((START + timedelta(seconds=self._base)).timestamp(), ZONE)
        row = {"role": "guard", "recipient": GUARDS.new[0], "valid_from": midnight.isoformat()}
        file.write_text(json.dumps({"holder": [row]}), encoding="utf-8")
        self.change = await asyncio.to_thread(self._changed, file)
        if self._options.sabotage == "config-in-units":
            await self._tell_units()
        self._options.say(f"the change is made: {self.change.real['rows']} row for {self.change.real['units']} units")

    def _changed(self, file: Path) -> Change:
        postgres, at = self._fleet.postgres, self._world.time.now()
        settings = Settings(data=self._fleet.folder, database_url=postgres.app_url, owner_url=postgres.owner_url)
        before, explained_before = self._rows(), self._explained(settings)
        dry = set_routines(settings, file, at, dry_run=True)
        between = self._rows()
        if self._options.sabotage == "change-in-place":
            real = {**dry, "dry_run": False}
            with psycopg.connect(postgres.owner_url) as connection:
                connection.execute("UPDATE recipients SET name = name || ' (old)' WHERE name = %s", (GUARDS.new[0],))
                connection.execute(
                    "UPDATE recipients SET name = %s, address = %s WHERE name = %s", (*GUARDS.new, GUARDS.old[0])
                )
        else:
            real = set_routines(settings, file, at, dry_run=False)
        return Change(dry, real, before, between, self._rows(), explained_before, self._explained(settings))

    async def _tell_units(self) -> None:
        async with (
            make_pool(self._fleet.postgres.app_url, "registry", size=1) as pool,
            pool.connection() as connection,
            connection.transaction(),
        ):
            for unit in self._units:
                await commands.queue(connection, unit, COMMAND_STATUS, None, "sabotage", at=self._world.time.now())

    def _rows(self) -> Rows:
        """Every row of what a change could touch."""
        with psycopg.connect(self._fleet.postgres.owner_url) as connection:
            return {
                table: frozenset(row[0] for row in connection.execute(f"SELECT t::text FROM {table} t"))  # noqa: S608
                for table in _TABLES
            }

    def _explained(self, settings: Settings) -> dict[int, tuple[str, str]]:
        """The guard of each municipality, a second before midnight and a second after, as `route explain` has it."""
        first = {number: unit for unit, number in sorted(self.municipality_of.items(), reverse=True)}
        found = {}
        for number, unit in first.items():
            names = []
            for offset in (-1, 1):
                at = START + timedelta(seconds=self._base + offset)
                chain = explain_route(settings, f"{unit:08x}", at, None)
                told = [who for step in chain["steps"] for who in step["tell"] if who["who"] == "guard"]
                names.append("; ".join(sorted({holder["name"] for who in told for holder in who["holders"]})))
            found[number] = (names[0], names[1])
        return found


@contextlib.contextmanager
def applied(sabotage: str | None) -> Iterator[None]:
    """Takes the protection out of this process, and puts it back."""
    with contextlib.ExitStack() as stack:
        if sabotage == "no-case-version":
            stack.enter_context(mock.patch.object(Book, "holders", _holders_now))
        elif sabotage == "wrong-zone":
            stack.enter_context(mock.patch.object(documents._Fields, "moment", _moment_as_utc))
        yield


def _holders_now(self: Book, role: str, municipality: int, _pinned: datetime, at: datetime) -> Any:
    return decide.holders(self.holdings, role, municipality, at, at)


_moment = documents._Fields.moment


def _moment_as_utc(self: Any, name: str) -> datetime:
    return _moment(self, name).replace(tzinfo=UTC)


def midnight_after(days: float) -> float:
    """Seconds of the scenario at the first midnight of a month by Swedish clocks, at least so many days away."""
    local = (START + timedelta(days=days)).astimezone(ZONE)
    first = (local.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)).replace(day=1)
    return (datetime.fromtimestamp(first.timestamp(), UTC) - START).total_seconds()


async def run(options: Options) -> list[Check]:
    """Plays it and judges it."""
    numbers, world = options.numbers, World()
    municipalities = int(numbers["municipalities"])
    presses = story(options.units, numbers, random.Random(f"story {options.seed}"))
    room_for(options.units)
    base = midnight_after(1)
    began_at = base + presses[0].at - AWAKE_S
    world.clock.move(began_at)
    folder = options.folder / "fleet"
    folder.mkdir()
    fleet = _Fleet(world, folder, municipalities)
    with applied(options.sabotage):
        async with fleet.running():
            night = _Night(options, world, fleet, base)
            await night.people.start()
            await night.register(options.units, int(numbers["others"]), municipalities)
            options.say(f"the fleet is up: {options.units} personal units, {len(presses)} alarms")
            began = time.monotonic()
            with contextlib.ExitStack() as units:
                await night.play(presses, units)
            spent = time.monotonic() - began
            await night.people.stop()
            with psycopg.connect(fleet.postgres.owner_url) as connection:
                orders = connection.execute("SELECT count(*) FROM unit_commands").fetchone()
    assert night.change is not None and orders is not None
    happened = [_press(one, presses) for one in truth.read(options.folder / "truth.jsonl")]
    calls = [(line["at"], line["to"], line["text"]) for line in lines(fleet.telephone_log)]
    logged = {line["reference"] for line in lines(fleet.centre_log(PRIMARY)) if line["reference"]}
    checks = judge(happened, base, calls, len(logged), night.change, GUARDS, night.municipality_of, int(orders[0]))
    factor = round((world.clock.now() - began_at) / spent, 1)
    return [*checks, Check("clock factor (simulated s in a real s)", factor, "any", True)]


def _press(one: truth.Happened, presses: list[Press]) -> Press:
    """The truth's line with the case that it belongs to."""
    return next(press for press in presses if press.unit == one.unit and press.at == one.at)


SCENARIO = Scenario(
    name="A9",
    title="the guard company changes at midnight",
    units=250,
    run=run,
    sabotages=SABOTAGES,
    numbers={
        "municipalities": 6,
        "alarms": 1000,
        "open_cases": 20,
        "hours": 3,
        "others": 250,
        "least_ms": 50,
        "most_ms": 400,
        "loss": 0.01,
    },
)
