"""A2: a network closes in 90 days for 40 % of the units.

A PostgreSQL holds where each unit was seen and what its modem answered; the product reads that, judges, plans, moves a
date, changes policies over the air in stages, refuses an activation and opens tasks for persons. What is so of each
unit is drawn from the seed and stands in a truth file that the product never reads. Installers are played: they make
every visit that the plan has room for in time, and none that it has not.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from unittest import mock

from fleet.connectivity import calendar, changes, classify, policy, sunset_store, working_days
from fleet.connectivity.calendar import Row
from fleet.connectivity.plan import plan
from fleet.connectivity.plan_model import Capacity, Plan
from fleet.connectivity.sunset_model import Unit
from fleet.ingest.sim_orders import order_policy
from fleet.store.pool import Connection
from fleet.technicians.store import open_task
from sim import sunset_fleet
from sim.scenarios.a2_judge import Played, judge
from sim.scenarios.own_database import OwnDatabase, own_database
from sim.scenarios.scenario import Check, Options, Scenario

START: Final = date(2026, 10, 1)
DAYS: Final = 90
LATER: Final = date(2027, 12, 31)
TELIA, GSM, LTE_M, SIM1 = 24001, 1, 4, 1
RADIOS: Final = {"gsm": GSM, "lte_m": LTE_M}
NEW_UNIT: Final = 10_000_000
ACTOR: Final = "console:scenario"
STAGES: Final = (1, 10, 50, 100)
LONGEST_CAMPAIGN_H: Final = 200
VISITS_A_DAY: Final = 40 / 11_000
SLOW_EVERY: Final = 5
SLOW: Final = timedelta(hours=3)

SABOTAGES: Final = {
    "by-the-list": "units are judged by the list of models instead of by the bearers that they were seen on",
    "no-gate": "a stage over the air does not wait for the one before it",
    "no-person-visits": "nobody opens tasks for persons whose unit has lost its networks",
    "no-refusal": "a unit whose networks have closed may become active",
}


@contextlib.contextmanager
def _applied(sabotage: str | None) -> Iterator[None]:
    if sabotage == "no-gate":
        with mock.patch.object(changes, "gate", _no_gate):
            yield
    elif sabotage == "no-refusal":
        with mock.patch.object(classify, "refuse_activation", lambda verdict, today: None):
            yield
    else:
        yield


def _no_gate(progress: policy.Progress, soak_s: int, most_failed: int, at: datetime) -> policy.Gate:
    if progress.stage + 1 >= progress.stages:
        return policy.gate(progress, soak_s, most_failed, at)
    return policy.Gate("begin" if progress.stage_at is None else "next")


def _noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 11, tzinfo=UTC)


class _Run:
    def __init__(self, options: Options, database: OwnDatabase) -> None:
        numbers = options.numbers
        self.options, self.database = options, database
        self.made = sunset_fleet.make(
            options.units, options.seed, START, share=numbers["share"], over_the_air=numbers["over_the_air"],
            listed_wrong=numbers["listed_wrong"], operators=("telia",),
        )  # fmt: skip
        self.last = START + timedelta(days=DAYS - 1)
        self.truth_file = options.folder / "truth.json"
        self.truth_file.write_text(json.dumps(self.made.truth), encoding="utf-8")

    def fill(self) -> None:
        """What the front doors and technicians would have written."""
        units, last = self.made.units, _noon(START - timedelta(days=1))
        put = self.database.fill
        put("municipalities", "municipality_id, name", [(1480, "One")])
        put(
            "units", "unit_id, municipality_id, unit_type, life, grounds",
            [(u.number, 1480, u.unit_type, "active", "import:scenario") for u in units],
        )  # fmt: skip
        put("unit_states", "unit_id, municipality_id, seen_at, modem",
            [(u.number, 1480, last, u.modem_firmware) for u in units])  # fmt: skip
        put(
            "modem_answers", "unit_id, municipality_id, technologies, actor, at",
            [(u.number, 1480, sorted(u.modem_says or ()), ACTOR, last) for u in units],
        )  # fmt: skip
        bearers: dict[tuple[int, int, int], tuple[Any, ...]] = {}
        for u in units:
            for one in sorted(u.seen, key=lambda one: one.last_seen):
                proven = None if one.proven is None else _noon(one.proven)
                bearers[u.number, one.slot, RADIOS[one.technology]] = (
                    u.number, one.slot, TELIA, RADIOS[one.technology], 1480, _noon(one.last_seen), _noon(one.last_seen),
                    proven, None if proven is None else one.proven_with,
                )  # fmt: skip
        put("unit_bearers", "unit_id, slot, operator, radio, municipality_id, first_seen, last_seen, proven_at,"
            " proven_with", list(bearers.values()))  # fmt: skip
        put(
            "unit_paths", "unit_id, slot, operator, radio, municipality_id, first_seen_at, seen_at",
            [(unit, slot, TELIA, radio, 1480, row[5], row[6]) for (unit, slot, radio), row in bearers.items()],
        )  # fmt: skip
        put("care_recipients", "municipality_id, reference, priority, district, made_at",
            [(1480, f"R{u.number}", u.care_priority, u.district, last) for u in units])  # fmt: skip
        self.database.owner(
            "INSERT INTO unit_recipients (unit_id, recipient_id, municipality_id, unit_type, role, since)"
            " SELECT u.unit_id, r.recipient_id, 1480, u.unit_type, 'responsible', %s FROM units u"
            " JOIN care_recipients r ON r.reference = 'R' || u.unit_id", last,
        )  # fmt: skip

    async def judged(self, today: date) -> list[Any]:
        """What the product says of each unit, from its own tables."""

        async def work(connection: Connection) -> list[Any]:
            units = await sunset_store.units(connection)
            if self.options.sabotage == "by-the-list":
                listed = {unit.number: unit.listed for unit in self.made.units}
                units = [_by_the_list(unit, listed[unit.number]) for unit in units if unit.number in listed]
            return classify.judge_all(units, await sunset_store.dates(connection), today)

        return await self.database.acting("registry", work)

    async def move(self, last_day: date) -> None:
        """The operator writes that his network closes on another day."""
        row = Row("telia", "gsm", "SE", last_day, "the operator's letter")

        async def work(connection: Connection) -> None:
            await sunset_store.move_date(connection, row, ACTOR, _noon(START))

        await self.database.acting("registry", work)

    async def over_the_air(self, units: Sequence[int]) -> dict[str, Any]:
        """The staged change, with units that pull their orders at the next heartbeat, answer and are tested."""
        document = {"preferred": 1, "closings": [{"operator": TELIA, "radio": "gsm", "date": str(self.last)}]}
        at = _noon(START)

        async def begin(connection: Connection) -> dict[str, Any]:
            return await changes.begin(
                connection, document, stages=STAGES, soak_s=3600, most_failed=5, within_s=86_400,
                seed=self.options.seed, actor=ACTOR, at=at, only=frozenset(units),
            )  # fmt: skip

        try:
            change = (await self.database.acting("registry", begin))["change"]
        except policy.PolicyError as error:
            return {"state": f"not begun: {error}", "stages": [], "too_early": 0}
        for hour in range(LONGEST_CAMPAIGN_H):
            now = at + timedelta(hours=hour)

            async def advance(connection: Connection, now: datetime = now) -> int:
                return await changes.advance(connection, order_policy, now)

            await self.database.acting("ingest", advance)
            self._pull(now + timedelta(minutes=20))
            if self.database.owner("SELECT 1 FROM policy_changes WHERE state <> 'running'"):
                break
        found = await self.database.acting("registry", lambda c: changes.report(c, change))
        waits = self.database.owner(
            "SELECT count(*) FROM policy_change_units a WHERE EXISTS (SELECT 1 FROM policy_change_units b"
            " WHERE b.change_id = a.change_id AND b.stage < a.stage AND b.settled_at > a.ordered_at)"
        )
        return {**found, "too_early": waits[0][0], "hours": hour}

    def _pull(self, at: datetime) -> None:
        """Units that have an order obey it: they answer, live on the other technology and are tested there. One in
        five beats seldom and takes hours."""
        moved = self.database.owner(
            "UPDATE unit_commands SET answered_at = %s, result = 0 WHERE answered_at IS NULL"
            " AND queued_at <= %s - CASE WHEN unit_id %% %s = 0 THEN %s ELSE interval '0' END RETURNING unit_id",
            at, at, SLOW_EVERY, SLOW,
        )  # fmt: skip
        units = [unit for (unit,) in moved]
        later = at + timedelta(minutes=5)
        self.database.owner(
            "INSERT INTO unit_bearers (unit_id, slot, operator, radio, municipality_id, first_seen, last_seen,"
            " proven_at) SELECT u, s, %s, %s, 1480, %s, %s, %s FROM unnest(%s::bigint[]) u,"
            " (SELECT DISTINCT slot s, unit_id FROM unit_bearers) b WHERE b.unit_id = u ON CONFLICT DO NOTHING",
            TELIA, LTE_M, at, at, later, units,
        )  # fmt: skip
        self.database.owner(
            "INSERT INTO unit_paths (unit_id, slot, operator, radio, municipality_id, first_seen_at, seen_at,"
            " proven_at, proof) SELECT u, %s, %s, %s, 1480, %s, %s, %s, 'alarm:1/1' FROM unnest(%s::bigint[]) u"
            " ON CONFLICT DO NOTHING",
            SIM1, TELIA, LTE_M, at, at, later, units,
        )  # fmt: skip

    def swap(self, made: Plan) -> list[int]:
        """Installers make every visit that is in time but the last, where nobody opens: a new unit, proven, and the old
        one is brought back. So somebody is left the day after, however few the visits are."""
        done = [visit for visit in made.visits if not visit.late][:-1]
        self.database.fill(
            "units", "unit_id, municipality_id, unit_type, life, grounds",
            [(NEW_UNIT + v.unit, 1480, v.unit_type, "active", f"pairing:{v.unit}") for v in done],
        )  # fmt: skip
        self.database.fill(
            "unit_bearers", "unit_id, slot, operator, radio, municipality_id, first_seen, last_seen, proven_at",
            [(NEW_UNIT + v.unit, SIM1, TELIA, LTE_M, 1480, _noon(v.on), _noon(self.last), _noon(v.on)) for v in done],
        )  # fmt: skip
        self.database.owner("UPDATE units SET life = 'returned' WHERE unit_id = ANY (%s)", [v.unit for v in done])
        self.database.owner("UPDATE unit_bearers SET last_seen = %s WHERE unit_id < %s", _noon(self.last), NEW_UNIT)
        return [visit.unit for visit in done]

    async def after(self) -> Played:
        """The day after: who still depends on it, who has a task, and what a doomed unit from the shelf is told."""
        day = self.last + timedelta(days=1)
        if self.options.sabotage != "no-person-visits":

            async def visits(connection: Connection) -> list[int]:
                return await sunset_store.open_person_visits(connection, open_task, ACTOR, _noon(day))

            await self.database.acting("registry", visits)
        gone = {one.unit.number for one in await self.judged(day) if one.unit.active and one.stranded}
        tasks = self.database.owner(
            "SELECT unit_id FROM technician_tasks WHERE kind = %s AND closed_at IS NULL", sunset_store.NETWORK_CLOSED
        )
        shelf = {name: self._from_the_shelf(number, radio, modem) for number, (name, radio, modem) in
                 enumerate((("doomed", GSM, ["gsm"]), ("fine", LTE_M, ["lte_m"])), NEW_UNIT * 2)}  # fmt: skip

        async def said(connection: Connection) -> dict[str, str | None]:
            found = {name: await sunset_store.refusal(connection, unit, _noon(day)) for name, unit in shelf.items()}
            return found | {"in time": await sunset_store.refusal(connection, shelf["doomed"], _noon(self.last))}

        refusals = await self.database.acting("registry", said)
        return Played(gone, {unit for (unit,) in tasks}, refusals)

    def _from_the_shelf(self, number: int, radio: int, modem: list[str]) -> int:
        at = _noon(self.last - timedelta(days=5))
        self.database.fill("units", "unit_id, municipality_id, unit_type, life", [(number, 1480, "social", "in_stock")])
        self.database.fill("modem_answers", "unit_id, municipality_id, technologies, actor, at",
                           [(number, 1480, modem, ACTOR, at)])  # fmt: skip
        self.database.fill(
            "unit_bearers", "unit_id, slot, operator, radio, municipality_id, first_seen, last_seen, proven_at",
            [(number, SIM1, TELIA, radio, 1480, at, at, at)],
        )  # fmt: skip
        return number


def _by_the_list(unit: Unit, listed: frozenset[str] | None) -> Unit:
    """The same unit as a list of models has it: on the best that its model is said to do."""
    best = "lte_m" if listed and "lte_m" in listed else "gsm"
    seen = tuple(replace(one, technology=best, proven=one.last_seen, proven_with=None) for one in unit.seen)
    return replace(unit, seen=seen, modem_says=listed)


def _at_size(units: int, seed: int) -> float:
    """Seconds that a fleet of this size takes to be judged and planned."""
    made = sunset_fleet.make(units, seed, START, operators=("telia",))
    dates = calendar.of([Row("telia", "gsm", "SE", START + timedelta(days=DAYS - 1), "the operator's letter")])
    began = time.perf_counter()
    plan(classify.judge_all(made.units, dates, START), Capacity(5, 8, START))
    return time.perf_counter() - began


def _capacity(options: Options) -> Capacity:
    """As many visits a day as 40 are for 11,000 units, where nothing else is said."""
    a_day = max(1, round(VISITS_A_DAY * options.units))
    installers = int(options.numbers["installers"]) or min(5, a_day)
    return Capacity(installers, int(options.numbers["per_day"]) or max(1, a_day // installers), START)


async def run(options: Options) -> list[Check]:
    """Plays the ninety days and judges them."""
    capacity = _capacity(options)
    with _applied(options.sabotage):
        async with own_database(options.folder / "fleet") as database:
            playing = _Run(options, database)
            playing.fill()
            await playing.move(playing.last)
            options.say(f"{options.units} units; telia gsm closes after {playing.last}")
            verdicts = await playing.judged(START)
            made = plan(verdicts, capacity)
            await playing.move(LATER)
            began = time.perf_counter()
            later = plan(await playing.judged(START), capacity)
            moved_s = time.perf_counter() - began
            await playing.move(playing.last)
            options.say(f"planned: {len(made.visits)} visits; now over the air and with installers")
            air = await playing.over_the_air([v.unit.number for v in verdicts if v.what == "over_the_air"])
            swapped = playing.swap(made)
            played = await playing.after()
    big = int(options.numbers["big"])
    big_s = _at_size(big, options.seed) if big else None
    truth = {int(unit): what for unit, what in json.loads(playing.truth_file.read_text(encoding="utf-8")).items()}
    listed = {unit.number: "lte_m" in (unit.listed or ()) for unit in playing.made.units}
    days = working_days.between(START, playing.last)
    return judge(truth, listed, verdicts, made, later, moved_s, air, swapped, played, days, big, big_s)


SCENARIO = Scenario(
    name="A2",
    title="a network closes in 90 days for 40 % of the units",
    units=11_000,
    run=run,
    sabotages=SABOTAGES,
    numbers={"share": 0.4, "over_the_air": 0.3, "listed_wrong": 0.03, "installers": 0, "per_day": 0, "big": 50_000},
    bounds={
        "share": (0.1, 0.9),
        "over_the_air": (0.1, 0.9),
        "listed_wrong": (0, 1),
        "installers": (0, 1000),
        "per_day": (0, 50),
        "big": (0, 250_000),
    },
    least=20,
)
