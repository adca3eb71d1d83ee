"""A board's power.csv in the firmware's battery model."""

from __future__ import annotations

import dataclasses
import json

import pytest
from typer.testing import CliRunner

from firmware.core import power, profiles
from firmware.core.setup import Profile
from livlina import battery, board_battery
from livlina.cli import app
from livlina.hardware.board import Draw, read
from livlina.hardware.supply_rules import STATES
from tests.unit.hardware.broken import ROOT, SOUND

HEARTBEATS = (1, 60, 300, 900, 3600, 14_400, 86_400)


@pytest.mark.parametrize("kind", profiles.PROFILES, ids=lambda kind: kind.name)
@pytest.mark.parametrize("heartbeat", HEARTBEATS)
def test_with_the_firmwares_own_figures_both_agree(kind: Profile, heartbeat: int) -> None:
    assert board_battery.daily(kind, heartbeat, board_battery.model_figures()) == power.daily(kind, heartbeat)


@pytest.mark.parametrize("name", sorted(board_battery.model_figures()))
def test_a_figure_that_the_model_uses_changes_the_days(name: str) -> None:
    """The control: each current of the model that a day is made of is taken from the board."""
    used = {"floor", "sim", "exchange", "cpu awake", "cpu light sleep", "modem edrx", "ble listening"}
    figures = board_battery.model_figures()
    hub = profiles.named("social")
    before = board_battery.daily(hub, 300, figures)
    figures[name] += 1000
    assert (board_battery.daily(hub, 300, figures) != before) is (name in used)


def test_the_states_are_those_of_the_firmware() -> None:
    assert set(STATES) == set(board_battery.model_figures())


def test_a_higher_floor_costs_days() -> None:
    board = read(ROOT, SOUND)
    days = board_battery.days(board, "tracker", 3600)["days"]
    thirsty = {**board.power, "floor": Draw("floor", 450, "uA", "estimate", "a test")}
    assert board_battery.days(dataclasses.replace(board, power=thirsty), "tracker", 3600)["days"] < days
    assert board_battery.days(board, "tracker", 3600, -20)["days"] < days


def test_the_page_holds_the_boards_table_as_it_is() -> None:
    page = (ROOT / "docs/energy.md").read_text(encoding="utf-8")
    assert "\n".join(battery.board_lines(ROOT)) in page, (
        "docs/energy.md: paste what livlina.battery.board_lines() makes"
    )


def test_the_command_takes_a_board() -> None:
    document = json.loads(CliRunner().invoke(app, ["cost", "battery", "--board", SOUND, "--json"]).stdout)
    assert document["board"] == SOUND
    assert {row["profile"] for row in document["rows"]} == {"personal", "tracker"}
    assert document["sources"][0]["figure"] == "45 uA"
    table = CliRunner().invoke(app, ["cost", "battery", "--board", SOUND, "--heartbeat", "300"])
    assert table.exit_code == 0
    assert "estimate: ESP32-S3 8" in table.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--board", "devkit-bg95"], "devkit-bg95 has no battery of its own"),
        (["--board", "nobody"], "there is no board nobody"),
        (["--board", SOUND, "--profile", "camera"], "is made for personal, tracker, not for camera"),
    ],
)
def test_what_cannot_be_computed_is_said(arguments: list[str], said: str) -> None:
    ended = CliRunner().invoke(app, ["cost", "battery", *arguments])
    assert ended.exit_code == 1
    assert said in ended.stderr
