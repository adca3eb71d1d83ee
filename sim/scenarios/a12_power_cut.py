"""A12: the power goes in one district, and an hour later its masts do.

Hubs say that they have lost their mains and go on beating on battery; others beat in other districts. When the masts
are down the district falls silent, and that is the same incident in its second stage. Then the power comes back.
"""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import Iterator
from typing import Any, Final
from unittest import mock

from fleet.supervision.cohorts import Tally
from fleet.supervision.detector import Detector
from fleet.supervision.incidents import HUB_BATTERY_S
from fleet.supervision.store import moment
from sim.scenarios.crowd import SIM_1, SIM_2, Crowd, One, Way
from sim.scenarios.evidence import seconds
from sim.scenarios.scenario import Check, Options, Scenario
from sim.scenarios.supervised_fleet import SupervisedFleet
from sim.scenarios.world import World

BEFORE_S: Final = 700.0
AFTER_S: Final = 2400.0
GRAIN_S: Final = 5.0
DETECTED_S: Final = 60.0
STAGE_S: Final = 400.0
"""A heartbeat's interval, and what makes it late, after the masts went."""
SAY_S: Final = 20.0
PROFILE: Final = ("DP2", 1800, 90_000)
HERE: Final = "D00"
OPERATORS: Final = (24001, 24002)
SABOTAGES: Final = {
    "no-power": "nobody looks at who loses mains together",
    "no-cohorts": "what units share is not looked at",
}


@contextlib.contextmanager
def _applied(sabotage: str | None) -> Iterator[None]:
    if sabotage == "no-power":
        with mock.patch.object(Detector, "look_power", lambda *given: []):
            yield
    elif sabotage == "no-cohorts":
        with mock.patch.object(Tally, "standing_out", lambda self: []):
            yield
    else:
        yield


def _people(hubs: int, others: int, dual: float, chance: random.Random) -> list[One]:
    """The district has tracking areas of its own; operators are everywhere."""
    made = []
    for unit in range(1, hubs + others + 1):
        here = unit <= hubs
        area = 100 if here else chance.randrange(40)
        ways = [Way(SIM_1, OPERATORS[unit % 2], area, "issuer A")]
        ways += [Way(SIM_2, OPERATORS[1 - unit % 2], area, "issuer B")] * (chance.random() < dual)
        district = HERE if here else f"D{1 + chance.randrange(11):02d}"
        made.append(One(unit, ways, district, chance.randrange(1, 6)))
    return made


async def run(options: Options) -> list[Check]:
    """The evening."""
    numbers, world = options.numbers, World(coarse_s=GRAIN_S)
    chance = random.Random(f"a12 {options.seed}")
    folder = options.folder / "fleet"
    folder.mkdir()
    fleet = SupervisedFleet(world, folder)
    goes = BEFORE_S
    masts, back = goes + 3600.0, goes + 7200.0
    hubs = list(range(1, options.units + 1))
    (options.folder / "truth.json").write_text(json.dumps(hubs), encoding="utf-8")
    with _applied(options.sabotage):
        async with fleet.running():
            began = time.monotonic()
            people = _people(options.units, round(options.units * numbers["others"]), numbers["dual"], chance)
            crowd = fleet.crowd = Crowd(fleet.postgres.owner_url, people, int(numbers["heartbeat_s"]), numbers["loss"],
                                        chance)  # fmt: skip
            crowd.out = lambda one, way, at: one.unit <= options.units and masts <= at < back
            fleet.profile(*PROFILE)
            fleet.calm = [(0.0, goes - 60), (goes + 600, masts - 60), (masts + STAGE_S + 600, back - 30)]
            await crowd.register(world.clock.now())
            await fleet.forward(goes)
            options.say("the power goes")
            await _said(fleet, crowd, hubs, True)
            await fleet.forward(masts - 60)
            first = fleet.incidents()
            battery = fleet.rows("SELECT count(*) AS n FROM incident_units WHERE fate = 'on battery'")[0]["n"]
            await fleet.forward(masts + STAGE_S)
            second = fleet.incidents()
            await fleet.forward(back)
            options.say("the power is back")
            await _said(fleet, crowd, hubs, False)
            await fleet.forward(back + AFTER_S)
            last, told = fleet.incidents(), fleet.told()
            touched = {row["unit_id"] for row in fleet.rows("SELECT unit_id FROM incident_units")}
            await fleet.close()
            spent = time.monotonic() - began
    return [
        *_judge(first, second, last, goes, masts, battery, set(hubs), touched, told),
        Check("clock factor (simulated s in a real s)", round(world.clock.now() / spent, 1), "any", True),
    ]


async def _said(fleet: SupervisedFleet, crowd: Crowd, hubs: list[int], lost: bool) -> None:
    """They say so within some seconds, a quarter of them at a time."""
    for part in range(4):
        await crowd.mains(hubs[part::4], lost, fleet.world.clock.now())
        await fleet.forward(fleet.world.clock.now() + SAY_S / 4)


def _judge(
    first: list[dict[str, Any]], second: list[dict[str, Any]], last: list[dict[str, Any]], goes: float, masts: float,
    battery: int, hubs: set[int], touched: set[int], told: list[int],
) -> list[Check]:  # fmt: skip
    one = first[0] if first else None
    after = None if one is None else round(one["opened_at"] - goes, 1)
    ends_ms = None if one is None else one["report"].get("battery_until_ms")
    ends_h = None if ends_ms is None else round((seconds_of(ends_ms) - goes) / 3600, 2)
    lines = second[0]["report"]["log"] if second else []
    staged = next((line for line in lines if "second stage" in line["what"]), None)
    staged_s = None if staged is None else round(seconds_of(staged["at_ms"]) - masts, 1)
    kind = "none" if one is None else f"{one['kind']}: {one['report']['scope'][0]['name']}"
    missing, extra = hubs - touched, touched - hubs
    return [
        Check("incidents", len(last), 1, len(last) == 1),
        Check("what it is", kind, "a power cut of the district", kind.startswith("power") and kind.endswith(HERE)),
        Check("said after (s)", after, DETECTED_S, after is not None and after <= DETECTED_S),
        Check("hubs on battery in it, an hour later", battery, len(hubs), battery == len(hubs)),
        Check("the first battery ends after (h)", ends_h, HUB_BATTERY_S / 3600,
              ends_h is not None and abs(ends_h - HUB_BATTERY_S / 3600) <= 0.02),
        Check("second stage after the masts went (s)", staged_s, STAGE_S,
              staged_s is not None and 0 <= staged_s <= STAGE_S),
        Check("hubs that are not in it", len(missing), 0, not missing),
        Check("units in it that have their mains and their masts", len(extra), "at most 1 %",
              len(extra) <= len(hubs) / 100),
        Check("tasks about single units", len(told), 0, not told),
        Check("closed after the return", "yes" if last and last[0]["closed_at"] else "no", "yes",
              bool(last) and last[0]["closed_at"] is not None),
    ]  # fmt: skip


def seconds_of(at_ms: int) -> float:
    """Milliseconds of the watch as seconds of the scenario."""
    return seconds(moment(at_ms))


SCENARIO = Scenario(
    name="A12",
    title="a power cut in one district, and an hour later its masts",
    units=800,
    run=run,
    sabotages=SABOTAGES,
    numbers={"others": 2.0, "dual": 0.8, "heartbeat_s": 300, "loss": 0.01},
    bounds={"others": (0, 10), "dual": (0, 1), "heartbeat_s": (60, 300), "loss": (0, 0.2)},
    least=20,
)
