"""Presses through faults at random: the judge on its own, one short run, and a fleet that forgets a press."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import soak
from bench.soak_judge import Broken, Pressed, judge, late

PRESSED = (Pressed(1000.0, 0), Pressed(2000.0, 16))
LAMPS = ((1000.1, "trying"), (1000.5, "stored"), (2000.1, "trying"), (2015.1, "not_delivered"), (2030.5, "stored"))
AWAY: tuple[Broken, ...] = ((1990.0, 2025.0, "first down"),)


def test_what_is_in_order() -> None:
    came = (1000.4, 2030.4)
    assert judge(PRESSED, came, LAMPS, AWAY, 3000.0) == []
    worst, lines = late(PRESSED, came, AWAY)
    assert round(worst, 1) == 30.4 and lines == ["2000 +30 s: first down -10..+25"]


@pytest.mark.parametrize(
    ("came", "lamps", "broken", "mended", "said"),
    [
        ((1000.4,), LAMPS, AWAY, 3000.0, "2 presses, 1 came"),
        ((1000.4, 2030.4, 2031.0), LAMPS, AWAY, 3000.0, "2 presses, 3 came"),
        ((1000.4, 2030.4), (*LAMPS, (2020.0, "accepted")), AWAY, 3000.0, "the lamp said accepted"),
        ((1000.4, 2030.4), LAMPS, (), 3000.0, "30.4 s without any fault"),
        ((1000.4, 2500.0), LAMPS[:4], AWAY, 3000.0, "475 s after the last fault"),
        ((1000.4, 2900.0), LAMPS[:4], ((1990.0, 9000.0, "first down"),), 2100.0, "800 s after the last fault"),
    ],
    ids=["lost", "doubled", "a lamp that lies", "slow", "late", "late after all was mended"],
)
def test_what_is_not(
    came: tuple[float, ...], lamps: tuple[tuple[float, str], ...], broken: tuple[Broken, ...], mended: float, said: str
) -> None:
    (sentence,) = judge(PRESSED, came, lamps, broken, mended)
    assert said in sentence


def test_a_short_run_is_in_order_and_a_fleet_that_forgets_a_press_is_found(tmp_path: Path) -> None:
    run = soak.one(7, 0.6, tmp_path)
    assert run.wrong == [] and run.presses >= soak.FORGOTTEN + 1 and run.faults, run.log
    forgotten = soak.one(7, 0.6, tmp_path, forgets=True)
    assert forgotten.wrong == [f"{run.presses} presses, {run.presses - 1} came"]
