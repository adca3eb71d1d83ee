"""Days of battery per profile against what was accepted last; `python -m tests.unit.firmware_core.test_battery` writes
that file anew, after somebody has understood why the days have changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from firmware.core.profiles import PROFILES
from livlina import battery

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


def test_the_page_holds_the_table_as_it_is() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert "\n".join(battery.lines()) in page, "docs/energy.md: paste what livlina.battery.lines() makes"


@pytest.mark.parametrize("kind", PROFILES, ids=lambda kind: kind.name)
def test_one_row(kind: object) -> None:
    found = battery.days(kind.name, 300)  # type: ignore[attr-defined]
    assert json.loads(json.dumps(found)) == found
    assert found["detected_after_s"] == 900
    assert 1 < found["days"] < 1000
    assert set(found["joules_a_day"]) >= {"floor", "self-discharge", "heartbeats", "processor"}


@pytest.mark.parametrize(("profile", "heartbeat"), [("toaster", 300), ("social", 0), ("social", 86_401)])
def test_what_cannot_be_computed_is_said(profile: str, heartbeat: int) -> None:
    with pytest.raises(battery.BatteryError):
        battery.days(profile, heartbeat)


def write() -> None:
    """Accept the present figures."""
    REFERENCE.write_text(json.dumps(battery.table(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
