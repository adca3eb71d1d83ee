"""Days of battery per profile against what was accepted last; `python -m tests.unit.firmware_core.test_battery` writes
that file anew, after somebody has understood why the days have changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from firmware.core.profiles import PROFILES
from livlina import battery
from livlina.cli import app

REFERENCE = Path(__file__).parent / "days_of_battery.json"
PAGE = Path(__file__).parents[3] / "docs/energy.md"
TOLERANCE = 0.05

Days = dict[str, dict[str, float]]


def departures(now: Days, accepted: Days) -> list[str]:
    """What has changed by more than the tolerance, or come or gone; better than accepted is unexplained too."""
    found = []
    for name in sorted({*now, *accepted}):
        for interval in sorted({*now.get(name, {}), *accepted.get(name, {})}, key=int):
            old, new = accepted.get(name, {}).get(interval), now.get(name, {}).get(interval)
            if old is None or new is None or abs(new - old) > TOLERANCE * old:
                found.append(f"{name} at {interval} s: {old} -> {new} days")
    return found


def test_no_profile_lasts_less_than_was_accepted() -> None:
    accepted = json.loads(REFERENCE.read_text(encoding="utf-8"))
    assert not departures(battery.table()["days"], accepted["days"])


def test_a_regression_would_be_found() -> None:
    """The control: 6 % less is found, 4 % is not, nor does a profile or interval vanish unnoticed."""
    days: Days = {"tracker": {"60": 100.0, "300": 200.0}}
    assert departures({"tracker": {"60": 94.0, "300": 200.0}}, days) == ["tracker at 60 s: 100.0 -> 94.0 days"]
    assert departures({"tracker": {"60": 96.0, "300": 193.0}}, days) == []
    assert len(departures({"tracker": {"60": 100.0}}, days)) == 1
    assert len(departures({}, days)) == 2


def test_the_page_holds_the_tables_as_they_are() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert "\n".join(battery.lines()) in page, "docs/energy.md: paste what livlina.battery.lines() makes"
    assert "\n".join(battery.barren_lines()) in page, "docs/energy.md: paste what livlina.battery.barren_lines() makes"
    assert "\n".join(battery.source_lines()) in page, "docs/energy.md: paste what livlina.battery.source_lines() makes"


@pytest.mark.parametrize("kind", PROFILES, ids=lambda kind: kind.name)
def test_one_row(kind: object) -> None:
    found = battery.days(kind.name, 300)  # type: ignore[attr-defined]
    assert json.loads(json.dumps(found)) == found
    assert found["detected_after_s"] == 900
    assert 1 < found["days"] < 1000
    assert 0.35 < found["mwh_a_heartbeat"] < 1 and found["mwh_a_press"] > found["mwh_a_heartbeat"]
    assert set(found["joules_a_day"]) >= {"floor", "self-discharge", "heartbeats", "processor"}


@pytest.mark.parametrize(
    ("profile", "heartbeat", "celsius"),
    [("toaster", 300, 20), ("social", 0, 20), ("social", 86_401, 20), ("social", 300, 300)],
)
def test_what_cannot_be_computed_is_said(profile: str, heartbeat: int, celsius: int) -> None:
    with pytest.raises(battery.BatteryError):
        battery.days(profile, heartbeat, celsius)


def cost(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["cost", "battery", *arguments])


def test_a_tracker_without_coverage_outlasts_a_weekend() -> None:
    found = cost("--profile", "tracker", "--heartbeat", "3600")
    assert "without any coverage 3.8 days" in found.stdout
    assert battery.days("tracker", 3600)["days_without_coverage"] == 3.8
    assert battery.days("personal", 3600)["days_without_coverage"] is None


def test_the_command_prints_days_beside_intervals_with_sources() -> None:
    found = cost()
    assert found.exit_code == 0
    lines = found.stdout.splitlines()
    tracker = [line.split() for line in lines if line.startswith("tracker")]
    assert [row[1] for row in tracker] == [str(interval) for interval in battery.HEARTBEATS_S]
    assert [float(row[3]) for row in tracker] == list(battery.table()["days"]["tracker"].values())
    assert all(any(part in line for line in lines) for part, _, _ in battery.SOURCES)
    cold = json.loads(cost("--profile", "tracker", "--heartbeat", "3600", "--celsius", "-20", "--json").stdout)
    assert [row["profile"] for row in cold["rows"]] == ["tracker"] and cold["celsius"] == -20
    assert cold["rows"][0]["days"] < float(tracker[3][3])
    assert len(cold["sources"]) == len(battery.SOURCES)


@pytest.mark.parametrize("arguments", [("--profile", "toaster"), ("--heartbeat", "0"), ("--heartbeat", "-5")])
def test_the_command_says_what_it_cannot_do(arguments: tuple[str, ...]) -> None:
    found = cost(*arguments)
    assert found.exit_code == 1 and not found.stdout
    assert found.stderr.startswith("livlina: ")


def write() -> None:
    """Accept the present figures."""
    REFERENCE.write_text(json.dumps(battery.table(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
