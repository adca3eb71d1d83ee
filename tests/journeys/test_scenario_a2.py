"""Scenarios A2 and A6 in small: they pass, and each protection that is switched off is missed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from livlina.cli import app
from sim.scenarios import a2_sunset, a6_battery_weekend

A2 = ("A2", "--units", "300", "--set", "big=0")
A6 = ("A6", "--units", "1500", "--seed", "1")
NOTICED = {
    (A2, "by-the-list"): "units that lose their network, found",
    (A2, "no-gate"): "over the air: ordered before the stage ahead was settled",
    (A2, "no-person-visits"): "the day after: of these without a visit to the person",
    (A2, "no-refusal"): "activating a unit that lives on it",
    (A6, "voltage-only"): "recall",
    (A6, "no-last-gasp"): "deaths that are not told as battery",
    (A6, "by-click"): "said to be visited, without a new cell, and no longer listed",
}
"""The check that must fail with each."""


def _run(*arguments: str) -> tuple[int, dict[str, Any], set[str]]:
    result = CliRunner().invoke(app, ["scenario", *arguments, "--json"])
    assert result.stdout, result.output
    document = json.loads(result.stdout)
    return result.exit_code, document, {check["name"] for check in document["checks"] if not check["ok"]}


@pytest.mark.parametrize("small", [A2, A6], ids=lambda small: str(small[0]))
def test_it_passes(small: tuple[str, ...]) -> None:
    status, document, failed = _run(*small)
    assert (status, failed, document["passed"]) == (0, set(), True)


def test_few_units_are_judged_over_as_many_weekends_as_bring_a_whole_fleet() -> None:
    status, document, _ = _run("A6", "--units", "2000", "--seed", "2")
    by_name = {check["name"]: check["value"] for check in document["checks"]}
    assert (status, by_name["weekends judged together"]) == (0, 6)
    assert by_name["units that die before Monday 08:00"] >= 30


def test_every_sabotage_has_a_check_that_must_notice_it() -> None:
    assert {name for small, name in NOTICED if small is A2} == set(a2_sunset.SABOTAGES)
    assert {name for small, name in NOTICED if small is A6} == set(a6_battery_weekend.SABOTAGES)


@pytest.mark.parametrize(("small", "sabotage"), [(A2, "by-the-list"), (A6, "voltage-only")])
def test_a_sabotage_is_noticed(small: tuple[str, ...], sabotage: str) -> None:
    status, _, failed = _run(*small, "--sabotage", sabotage)
    assert status == 1
    assert NOTICED[small, sabotage] in failed


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("small", "sabotage"), list(NOTICED))
def test_each_sabotage_is_noticed(small: tuple[str, ...], sabotage: str) -> None:
    status, _, failed = _run(*small, "--sabotage", sabotage)
    assert status == 1
    assert NOTICED[small, sabotage] in failed


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["A2", "A6"])
def test_full_size(name: str) -> None:
    status, document, failed = _run(name)
    for check in document["checks"]:
        print(f"{'PASS' if check['ok'] else 'FAIL'}  {check['name']}: {check['value']} (limit {check['limit']})")
    assert (status, failed) == (0, set())
