"""Scenarios A1, A11 and A12: each with the protections that are switched off. They run for minutes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from livlina.cli import app
from sim.scenarios import a1_operator_outage, a11_restart, a12_power_cut

A1 = ("A1", "--units", "60", "--set", "minutes=20")
A11 = ("A11", "--units", "60", "--set", "presses=3")
A12 = ("A12", "--units", "40")
NOTICED = {
    (A1, "no-cohorts"): "incidents",
    (A1, "no-presumption"): "without a path and not listed",
    (A1, "no-priority"): "in the order of priority and district",
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
    for small, module in ((A1, a1_operator_outage), (A11, a11_restart), (A12, a12_power_cut)):
        assert {name for place, name in NOTICED if place is small} == set(module.SABOTAGES)


@pytest.mark.timeout(300)
def test_a_restart_blames_nobody() -> None:
    assert _run("A11", "--units", "40", "--set", "presses=1", "--set", "minutes=1") == (0, set())


@pytest.mark.proof
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("small", [A1, A11, A12], ids=lambda small: str(small[0]))
def test_it_passes(small: tuple[str, ...]) -> None:
    assert _run(*small) == (0, set())


@pytest.mark.proof
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("small", "sabotage"), list(NOTICED))
def test_each_sabotage_is_noticed(small: tuple[str, ...], sabotage: str) -> None:
    status, failed = _run(*small, "--sabotage", sabotage)
    assert status == 1
    assert NOTICED[small, sabotage] in failed
