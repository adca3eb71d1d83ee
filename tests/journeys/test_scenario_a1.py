"""Scenarios A1, A11 and A12: each with the protections that are switched off. They run for minutes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from livlina.cli import app
from sim.scenarios import a1_operator_outage, a11_restart, a12_power_cut
from tests.scenario_verdict import failed, run_scenario, show

A1 = ("A1", "--units", "60", "--set", "minutes=20")
REAL = ("A1", "--firmware", "--units", "40", "--set", "minutes=10", "--set", "settle_min=12")
GONE = (*REAL, "--set", "masts=1", "--seed", "2")
A11 = ("A11", "--units", "60", "--set", "presses=3")
A12 = ("A12", "--units", "40")
NOTICED = {
    (A1, "no-cohorts"): "incidents",
    (A1, "no-presumption"): "without a path and not listed",
    (A1, "no-priority"): "in the order of priority and district",
    (REAL, "one-sim"): "presses with a second SIM, at the centre (s)",
    (REAL, "no-cohorts"): "incidents",
    (GONE, "no-presumption"): "cohorts told to be wholly out",
    (A11, "no-downtime"): "incidents",
    (A12, "no-power"): "what it is",
    (A12, "no-cohorts"): "second stage after the masts went (s)",
}
"""The check that must fail with each."""


def _run(*arguments: str) -> tuple[int, set[str]]:
    result = CliRunner().invoke(app, ["scenario", *arguments, "--json"])
    assert result.stdout, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return result.exit_code, {check["name"] for check in document["checks"] if not check["ok"]}


def test_every_sabotage_has_a_check_that_must_notice_it() -> None:
    for module in (a1_operator_outage, a11_restart, a12_power_cut):
        mine = {name for place, name in NOTICED if place[0] == module.SCENARIO.name}
        assert mine == set(module.SCENARIO.sabotages)


@pytest.mark.proof
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("night", [REAL, GONE], ids=["still registered", "masts gone"])
def test_real_units_find_out_by_themselves_that_their_operator_is_out(night: tuple[str, ...]) -> None:
    assert _run(*night) == (0, set())


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--units", "39"), "at least 40 units"),
        (("--units", "700"), "at most 600"),
        (("--units", "40", "--set", "masts=1", "--set", "dual=1"), "at least 6 units without a second SIM"),
        (("--units", "40", "--set", "masts=0.5"), "masts is 0 or 1"),
    ],
)
def test_a_night_that_real_units_cannot_have_is_refused_in_a_sentence(arguments: tuple[str, ...], word: str) -> None:
    result = CliRunner().invoke(app, ["scenario", "A1", "--firmware", *arguments])
    assert result.exit_code == 1 and word in " ".join(result.output.split())


def test_what_only_real_units_have_is_refused_without_them() -> None:
    for arguments in (("--sabotage", "one-sim"), ("--set", "masts=1")):
        result = CliRunner().invoke(app, ["scenario", "A1", *arguments])
        assert result.exit_code == 1 and "add --firmware" in " ".join(result.output.split())


@pytest.mark.timeout(300)
def test_a_restart_blames_nobody() -> None:
    assert _run("A11", "--units", "40", "--set", "presses=1", "--set", "minutes=1") == (0, set())


@pytest.mark.proof
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("small", [A1, A11, A12], ids=lambda small: str(small[0]))
def test_it_passes(small: tuple[str, ...]) -> None:
    assert _run(*small) == (0, set())


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_300_real_units() -> None:
    status, document = run_scenario("A1", "--firmware")
    show(document, "A1 --firmware")
    assert (status, failed(document)) == (0, set())
    assert document["units"] == 300


@pytest.mark.proof
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("small", "sabotage"), list(NOTICED))
def test_each_sabotage_is_noticed(small: tuple[str, ...], sabotage: str) -> None:
    status, missed = _run(*small, "--sabotage", sabotage)
    assert status == 1
    assert NOTICED[small, sabotage] in missed
