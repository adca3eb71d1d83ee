"""A6: batteries over a weekend, from Friday 15:00 to Monday 08:00.

Cells live by a model of their own (`sim.battery_truth`); the product's forecast sees what a fleet reads of them a few
times a day and makes Friday's list. Deaths stand in a truth file. Most cells that die say so with their last strength,
some do not; a few units besides lose their network, and must not be taken for dead batteries. Who is visited in the
evening gets a new cell, and leaves the list when its voltage says so.

Few units have few deaths: of a dozen, one that is missed is 8 %. A fleet of less than the full size is therefore judged
over as many weekends as bring together the units of the full one, each with weather and cells of its own; the first of
them is also walked through (causes, stops, new cells).
"""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import Final
from unittest import mock

from fleet.supervision import battery, battery_end
from fleet.supervision.battery_curves import Chemistry
from fleet.supervision.battery_end import Cell, Score, Stop
from fleet.supervision.battery_track import Track
from sim import battery_truth
from sim.battery_truth import PERSONAL, WEEKEND_DAYS, Truth
from sim.scenarios.scenario import Check, Options, Scenario

PERSONAL_SHARE: Final = 250 / 11_000
FULL_SIZE: Final = 11_000
NEAR_THE_END: Final = 0.2
"""A pendant that had more than this of its charge two weeks ago does not die, and no rule lists it."""
STOPS: Final = 40
LAST_GASP: Final = 0.95
LOST_NETWORK: Final = 20
RECALL, PRECISION = 0.95, 0.60
NEW_CELL_MV: Final = {"li_mno2": 3120, "li_ion": 4140}

SABOTAGES: Final = {
    "voltage-only": "the charge that was drawn and the pace of the last days are not looked at: days by voltage alone",
    "no-last-gasp": "nobody listens to what a dying unit says, nor to its forecast",
    "by-click": "a unit leaves the list when somebody says that its cell is new",
}


@contextlib.contextmanager
def _applied(sabotage: str | None) -> Iterator[None]:
    if sabotage == "voltage-only":
        with mock.patch.object(battery, "_track", _by_voltage_alone):
            yield
    elif sabotage == "no-last-gasp":
        with mock.patch.object(battery_end, "cause_of_silence", lambda gasp, forecast, others: "unknown"):
            yield
    else:
        yield


def _by_voltage_alone(
    days: Sequence[tuple[float, float, float]], readings: object, chemistry: Chemistry, pace: float
) -> Track:
    """A straight line from full to empty, as percentages are often made."""
    top, bottom = chemistry.points[0][1], chemistry.points[-1][1]
    unsure = [[1e-4, 0.0, 0.0], [0.0, 1e-12, 0.0], [0.0, 0.0, 1e-4]]
    return Track(0.0, (days[-1][1] - bottom) / (top - bottom), pace, 0.0, pace, unsure)


def fleet(units: int, seed: int, most_left: float) -> list[Truth]:
    """So many pendants and their share of personal alarms before a weekend; `most_left` is that of `battery_truth`."""
    return battery_truth.make(units, max(1, round(units * PERSONAL_SHARE)), seed, most_left=most_left)


def forecast_of(unit: Truth) -> battery.Forecast:
    """What the product says of it."""
    known = battery.Battery(unit.kind.chemistry, unit.kind.life, unit.age_days)
    return battery.forecast(
        known, [battery.Reading(one.days, one.mv, one.celsius, one.signal) for one in unit.readings]
    )


def _cell(unit: Truth, chance: random.Random) -> Cell:
    return Cell(
        unit.unit, forecast_of(unit), unit.percent, "personal" if unit.kind is PERSONAL else "social",
        f"D{chance.randrange(40):02d}", chance.random() < 0.6, chance.randrange(1, 6),
    )  # fmt: skip


def _with_new_cell(unit: Truth) -> Truth:
    """After a visit: the next readings are those of a new cell."""
    last = unit.readings[-1]
    new = [replace(last, days=at / 4 - 0.5, mv=NEW_CELL_MV[unit.kind.chemistry]) for at in range(3)]
    before = [replace(one, days=one.days - 0.75) for one in unit.readings]
    return replace(unit, readings=(*before, *new), age_days=None, dies=None)


def _causes(units: Sequence[Truth], cells: dict[int, Cell], chance: random.Random) -> tuple[int, int]:
    """(deaths that are not told as battery, lost networks that are). Judged within two heartbeats of the silence."""
    wrong = 0
    for unit in units:
        if unit.dies is not None:
            then = cells[unit.unit].forecast
            then = replace(then, least=max(0.0, then.least - unit.dies))
            wrong += battery_end.cause_of_silence(chance.random() < LAST_GASP, then, True) != "battery"
    healthy = [unit for unit in units if unit.dies is None]
    blamed = 0
    for unit in chance.sample(healthy, min(LOST_NETWORK, len(healthy))):
        blamed += battery_end.cause_of_silence(False, cells[unit.unit].forecast, False) == "battery"
    return wrong, blamed


def _replaced(units: Sequence[Truth], stops: Sequence[Stop], by_click: bool, chance: random.Random) -> tuple[int, int]:
    """(visited with a new cell that are still listed, said to be visited without one that are not)."""
    visited = {stop.unit for stop in stops if stop.fits}
    real = {unit for unit in visited if unit % 4}
    again = [_with_new_cell(unit) if unit.unit in real else unit for unit in units if unit.unit in visited]
    left = {stop.unit for stop in battery_end.before([_cell(unit, chance) for unit in again], WEEKEND_DAYS)}
    if by_click:
        left -= visited
    return len(left & real), len(visited - real - left)


def _fleet(options: Options, weekend: int, most_left: float) -> list[Truth]:
    return fleet(options.units, options.seed + 1_000_003 * weekend, most_left)


def _other_weekends(options: Options) -> list[dict[str, Score]]:
    """The scores of the weekends after the first, of pendants near their end and personal alarms."""
    scores: list[dict[str, Score]] = []
    for weekend in range(1, ceil(FULL_SIZE / options.units)):
        chance = random.Random(f"a6 {options.seed} {weekend}")
        units = _fleet(options, weekend, NEAR_THE_END)
        died = [unit.unit for unit in units if unit.dies is not None]
        scores.append(dict(battery_end.beside([_cell(unit, chance) for unit in units], WEEKEND_DAYS, died)))
    return scores


def _together(scores: Sequence[Mapping[str, Score]], rule: str) -> Score:
    of = [one[rule] for one in scores]
    return Score(sum(one.listed for one in of), sum(one.died for one in of), sum(one.right for one in of))


def _rate(value: float | None) -> float | str:
    return "none" if value is None else round(value, 3)


async def run(options: Options) -> list[Check]:
    """Friday, the list, the weekend, Monday."""
    stops = int(options.numbers["stops"]) or max(1, round(STOPS * options.units / 11_000))
    chance = random.Random(f"a6 {options.seed}")
    units = _fleet(options, 0, 1.0)
    died = {unit.unit for unit in units if unit.dies is not None}
    (options.folder / "truth.json").write_text(json.dumps(sorted(died)), encoding="utf-8")
    options.say(f"{len(units)} units; {len(died)} will die before Monday")
    with _applied(options.sabotage):
        began = time.perf_counter()
        cells = {unit.unit: _cell(unit, chance) for unit in units}
        listed = battery_end.before(cells.values(), WEEKEND_DAYS, stops=stops)
        spent = time.perf_counter() - began
        scores = [battery_end.beside(list(cells.values()), WEEKEND_DAYS, died), *_other_weekends(options)]
        wrong, blamed = _causes(units, cells, chance)
        still, gone = _replaced(units, listed, options.sabotage == "by-click", chance)
    ours, fixed = (_together(scores, rule) for rule in ("forecast", f"fixed {battery_end.FIXED_PERCENT} %"))
    return [
        Check("weekends judged together", len(scores), "any", True),
        Check("units that die before Monday 08:00", ours.died, "any", True),
        Check("recall", _rate(ours.recall), RECALL, ours.recall is not None and ours.recall >= RECALL),
        Check("precision", _rate(ours.precision), PRECISION,
              ours.precision is not None and ours.precision >= PRECISION),
        Check("listed", ours.listed, "any", True),
        *_beside(fixed),
        Check("deaths that are not told as battery", wrong, 0, wrong == 0),
        Check("lost networks that are told as battery", blamed, 0, blamed == 0),
        Check("stops of the evening", sum(stop.fits for stop in listed), f"at most {stops}",
              sum(stop.fits for stop in listed) <= stops),
        Check("stops of the evening less urgent than one after it", _disorder(listed, cells), 0,
              _disorder(listed, cells) == 0),
        Check("visited, with a new cell, and still listed", still, 0, still == 0),
        Check("said to be visited, without a new cell, and no longer listed", gone, 0, gone == 0),
        Check("forecasts and list (s)", round(spent, 1), "any", True),
    ]  # fmt: skip


def _beside(fixed: Score) -> list[Check]:
    name = f"fixed {battery_end.FIXED_PERCENT} %, on the same data"
    return [
        Check(f"{name}: recall", _rate(fixed.recall), "beside", True),
        Check(f"{name}: precision", _rate(fixed.precision), "beside", True),
    ]


def _disorder(listed: Sequence[Stop], cells: dict[int, Cell]) -> int:
    """Stops that do not fit although they are riskier than one that does."""

    def risk(stop: Stop) -> float:
        cell = cells[stop.unit]
        alone, personal = 0.5 * cell.lives_alone, 0.5 * (cell.unit_type == "personal")
        return stop.likely * (1 + alone + personal + 0.1 * (5 - cell.care_priority))

    least = min((risk(stop) for stop in listed if stop.fits), default=0.0)
    return sum(risk(stop) > least + 1e-9 for stop in listed if not stop.fits)


SCENARIO = Scenario(
    name="A6",
    title="batteries over a weekend",
    units=FULL_SIZE,
    run=run,
    sabotages=SABOTAGES,
    numbers={"stops": 0},
)
