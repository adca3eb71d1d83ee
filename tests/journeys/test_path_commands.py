"""Who survives tonight, the drill that tries it, and what the planner is told, beside an independent count.

The fleet is drawn; the count reads nothing but the draw.
"""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from fleet.connectivity.decide import check_digit
from tests.journeys.test_command_line import CommandLine

UNITS = 400
TELIA, TRE, TELE2, TELENOR = 24001, 24002, 24007, 24008
MASTS = {TELE2: "Net4Mobility", TELENOR: "Net4Mobility"}
Way = tuple[int, int, bool, bool]
"""Slot, operator, seen last, proven lately."""


def drawn(seed: int) -> dict[int, list[Way]]:
    """By unit, the ways that it was seen on; some were never seen."""
    chance, made = random.Random(seed), {}
    for unit in range(1, UNITS + 1):
        ways: list[Way] = []
        for slot in (1, 2)[: chance.choice((0, 1, 1, 2, 2, 2, 2))]:
            ways.append((slot, chance.choice((TELIA, TRE, TELE2, TELENOR)), slot == 1, chance.random() < 0.7))
        made[unit] = ways
    return made


def counted(fleet: dict[int, list[Way]], down: set[int]) -> Counter[str]:
    """How many of each fate, when these operators are gone."""
    found: Counter[str] = Counter()
    for ways in fleet.values():
        left = [way for way in ways if way[1] not in down]
        if not ways:
            found["unknown"] += 1
        elif ways[0] in left:
            found["unaffected"] += 1
        elif not left:
            found["lost"] += 1
        else:
            found["survives" if left[0][3] else "doubtful"] += 1
    return found


@pytest.fixture
def installed(running_database: Path) -> CommandLine:
    livlina = CommandLine(running_database, here=True)
    livlina.json("municipality", "add", "1290", "Kristianstad")
    return livlina


def owner_url(folder: Path) -> str:
    from fleet.settings import Settings
    from livlina.installation import open_database

    with open_database(Settings(data=folder)) as database:
        return str(database.owner_url)


def fill(url: str, fleet: dict[int, list[Way]], at: datetime) -> None:
    """As front doors would have left it."""
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO units (unit_id, municipality_id, unit_type, life, grounds)"
            " VALUES (%s, 1290, 'social', 'active', 'import:test')", [(unit,) for unit in fleet],
        )  # fmt: skip
        rows = [
            (unit, slot, operator, at - timedelta(hours=0 if last else 3),
             *((at - timedelta(hours=3), "own:1/1") if proven else (None, None)))
            for unit, ways in fleet.items() for slot, operator, last, proven in ways
        ]  # fmt: skip
        cursor.executemany(
            "INSERT INTO unit_paths (unit_id, slot, operator, radio, municipality_id, first_seen_at, seen_at,"
            " proven_at, proof) VALUES (%s, %s, %s, 3, 1290, now() - interval '1 day', %s, %s, %s)", rows,
        )  # fmt: skip


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.proof)])
def test_what_if_says_what_an_independent_count_says(installed: CommandLine, running_database: Path, seed: int) -> None:
    fleet, at = drawn(seed), datetime.now(UTC)
    url = owner_url(running_database)
    fill(url, fleet, at)
    for words, down in (
        (("--operator", "Telia"), {TELIA}), (("--operator", "24008"), {TELENOR}),
        (("--network", "Net4Mobility"), {TELE2, TELENOR}),
    ):  # fmt: skip
        said = installed.json("fleet", "what-if", *words, "down")
        wanted = counted(fleet, down)
        assert said["counts"] == {"units": UNITS, **{fate: wanted[fate] for fate in said["counts"] if fate != "units"}}
        assert len(said["units"]) == UNITS - wanted["unaffected"]
    assert "no operator" in installed.refused("fleet", "what-if", "--operator", "Nobody", "down")
    survivors = counted(fleet, {TELIA})["survives"]
    drill = installed.json("fleet", "path-drill", "--operator", "Telia", "down", "--share", "0.01", "--seed", str(seed))
    assert len(drill["units"]) == max(1, round(survivors * 0.01))
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE unit_commands SET sent_at = queued_at, answered_at = queued_at, result = 0")
        connection.execute("UPDATE path_drills SET ends_at = now()")
    silent = installed.run("fleet", "path-drill-result", str(drill["drill"]), "--json")
    assert silent.returncode == 1 and '"holds": false' in silent.stdout, "nobody was heard on the other SIM"


def test_what_the_planner_is_told_by_command(installed: CommandLine, running_database: Path) -> None:
    """A unit that lives on 2G: what helps it depends on its modem's answer, and that on its SIM's plan."""
    url, iccid = owner_url(running_database), "894601234567890123"
    iccid += str(check_digit(iccid))
    fill(url, {1: []}, datetime.now(UTC))
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO unit_bearers (unit_id, slot, operator, radio, municipality_id, first_seen, last_seen)"
            " VALUES (1, 1, 24001, 1, 1290, now(), now())"
        )
        connection.execute(
            "INSERT INTO unit_sims (unit_id, slot, municipality_id, iccid) VALUES (1, 1, 1290, %s)", [iccid]
        )

    def classes() -> dict[str, int]:
        said = installed.json("plan", "sunset", "--database")["classes"]
        return {name: number for name, number in said.items() if number}

    assert classes() == {"unknown": 1}
    installed.json("plan", "modem-says", "2g,LTE-M", "00000001")
    assert classes() == {"over_the_air": 1}
    installed.json("sim", "put", "1290", iccid, "--allows", "gsm")
    assert classes() == {"sim_swap": 1}
    installed.json("plan", "modem-says", "gsm", "00000001")
    assert classes() == {"hardware_swap": 1}
    moved = installed.json("plan", "move-date", "telia:2g:2100-12-31", "--source", "a letter")
    assert moved["technology"] == "gsm"
    assert [one["deadline"] for one in installed.json("plan", "sunset", "--database")["deadlines"]] == ["2100-12-31"]
    assert "6g" in installed.refused("plan", "modem-says", "6g", "00000001")
    assert "there is no unit" in installed.refused("plan", "modem-says", "gsm", "00000009")
    assert "a plan allows" in installed.refused("sim", "put", "1290", iccid, "--allows", "6g")


def test_a_policy_is_begun_by_command_with_each_units_best_sim(
    installed: CommandLine, running_database: Path, tmp_path: Path
) -> None:
    fill(owner_url(running_database), {1: [(1, TELIA, True, True), (2, TELE2, False, True)]}, datetime.now(UTC))
    for words, said in (
        (["--prefer", "3"], "preferred is SIM slot 1 or 2, or best"),
        (["--prefer", "²"], "preferred is SIM slot"),
        (["--no-roaming"], "preferred is SIM slot"),
    ):
        assert said in installed.refused("sim", "policy", "begin", *words)
    file = tmp_path / "policy.json"
    file.write_text('{"preferred": 1, "hold_s": 120, "margin_db": 3}')
    begun = installed.json("sim", "policy", "begin", str(file), "--prefer", "best", "--no-roaming", "--stages", "100")
    assert begun["policy"] == {"preferred": "best", "hold_s": 120, "margin_db": 3, "roaming": False}
    assert (begun["preferred"], begun["left_out"]) == ({"1": 1}, [])
    assert installed.json("sim", "policy", "stop", str(begun["change"]))["state"] == "stopped"
