"""Every rule of `livlina hardware check` finds a board that is broken in its way, and says so by name."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from typer.testing import CliRunner

from livlina.cli import app
from livlina.hardware import made, pin_rules, protection_rules
from livlina.hardware.board import Draw, names, read
from livlina.hardware.rules import RULES, check, faults
from livlina.hardware.supply_rules import peaks
from tests.unit.hardware.broken import ROOT, SOUND, Change, changed, pin, rail


def _moved(role: str, gpio: int, **more: Any) -> Change:
    return lambda data: pin(data, role).update(gpio=gpio, **more)


def _without(*roles: str) -> Change:
    return lambda data: data.update(pin=[one for one in data["pin"] if one["role"] not in roles])


def _classic(role: str, gpio: int) -> Change:
    def change(data: dict[str, Any]) -> None:
        data["chip"]["name"] = "esp32"
        pin(data, role)["gpio"] = gpio

    return change


def _weak_modem(data: dict[str, Any]) -> None:
    rail(data, "vmodem").update(limit_ma=100, capacitance_uf=10)


# Rule, what of the board it names, and how the sound board is broken.
BROKEN: tuple[tuple[str, str, Change], ...] = (
    ("no-such-pin", "GPIO22", _moved("speaker", 22)),
    ("pin-clash", "GPIO4", _moved("speaker", 4)),
    ("role-twice", "button", lambda data: pin(data, "cancel").update(role="button")),
    ("flash-pin", "GPIO30", _moved("speaker", 30)),
    ("psram-pin", "GPIO35", lambda data: (data["chip"].update(psram="octal"), pin(data, "speaker").update(gpio=35))),
    ("psram-pin", "GPIO26", lambda data: (data["chip"].update(psram="quad"), pin(data, "speaker").update(gpio=26))),
    ("usb-pin", "GPIO19", _moved("speaker", 19)),
    ("console-pin", "GPIO43", _moved("modem_tx", 43)),
    ("strapping-pin", "GPIO0", _moved("button", 0)),
    ("strapping-pin", "GPIO46", _moved("vibration", 46)),
    ("input-only", "GPIO34", _classic("speaker", 34)),
    ("input-only", "GPIO36", _classic("button", 36)),
    ("not-analog", "GPIO21", _moved("battery", 21)),
    ("adc2-with-wifi", "GPIO13", _moved("battery", 13)),
    ("adc-range", "GPIO1", lambda data: pin(data, "battery").update(multiply=1)),
    ("wake-pin", "GPIO47", _moved("button", 47)),
    ("wake-pin", "GPIO48", _moved("worn", 48)),
    ("missing-role", "button", _without("button")),
    ("missing-role", "vibration", _without("vibration")),
    ("missing-role", "modem_rx", _without("modem_rx")),
    ("missing-role", "mains", lambda data: (data["board"].update(profiles=["social"]), _without("mains")(data))),
    ("missing-role", "duress", _without("duress")),
    ("direction", "GPIO4", lambda data: pin(data, "button").update(direction="out")),
    ("active-level", "GPIO38", lambda data: pin(data, "led_red").update(active="low")),
    ("active-level", "GPIO4", lambda data: pin(data, "button").pop("active")),
    ("pull-up", "GPIO12", lambda data: pin(data, "mains").update(ground_ohm=33000)),
    ("pull-up", "GPIO5", lambda data: pin(data, "worn").pop("ground_ohm")),
    ("voltage-domain", "GPIO17", lambda data: pin(data, "modem_tx").pop("shifter")),
    ("uart-crossing", "GPIO17", lambda data: pin(data, "modem_tx").update(to="U2.TXD")),
    ("uart-crossing", "GPIO18", lambda data: pin(data, "modem_rx").update(to="U2.RXD")),
    ("sim-choice", "modem_mux", _without("modem_mux")),
    ("sim-choice", "modem_mux", lambda data: data["modem"].update(dialect="bg95")),
    ("sim-choice", "sim", lambda data: [card.update(selected_by="command") for card in data["sim"]]),
    ("sim-choice", "sim", lambda data: data["sim"][0].update(selected_by="alone")),
    ("modem-power-cut", "modem_power", _without("modem_power")),
    ("modem-power-cut", "modem_key", _without("modem_key")),
    ("unknown-name", "modem", lambda data: data["modem"].update(rail="nowhere")),
    ("unknown-name", "pin 1", lambda data: data["pin"][0].update(source="hearsay")),
    ("unknown-part", "U99", lambda data: pin(data, "modem_tx").update(shifter="U99")),
    ("rail-loop", "vbat", lambda data: rail(data, "vbat").update({"from": "vmodem"})),
    ("rail-current", "3v3", lambda data: rail(data, "3v3").update(limit_ma=300)),
    ("modem-peak", "vmodem", _weak_modem),
    ("modem-peak", "vmodem", lambda data: rail(data, "vmodem").update(limit_ma=100, capacitance_uf=0)),
    ("modem-voltage", "vmodem", lambda data: rail(data, "vmodem").update(max_mv=5500)),
    ("linear-drop", "vmodem", lambda data: rail(data, "vmodem").update(min_mv=3600)),
    ("battery-sag", "battery", lambda data: data["battery"].update(resistance_mohm=600)),
    ("battery-sag", "battery", lambda data: data["battery"].update(discharge_ma=700)),
    ("battery-measured", "battery", _without("battery")),
    ("charger-against-battery", "charger", lambda data: data["battery"].update(chemistry="li-mno2")),
    ("charger-against-battery", "charger", lambda data: data["charger"].update(charge_mv=4350)),
    ("charger-against-battery", "charger", lambda data: data["charger"].update(charge_ma=1350)),
    ("charger-against-battery", "charger", lambda data: rail(data, "usb").update(limit_ma=100)),
    ("charger-against-battery", "charger", lambda data: data.pop("battery")),
    ("battery-safety", "battery", lambda data: data["battery"].update(protected=False)),
    ("battery-safety", "charger", lambda data: data["charger"].update(temperature_watched=False)),
    ("bulk-capacitance", "vmodem", lambda data: rail(data, "vmodem").update(capacitance_uf=47)),
    ("bulk-capacitance", "3v3", lambda data: rail(data, "3v3").update(capacitance_uf=4)),
    ("static-discharge", "sim 0", lambda data: data["sim"][0].pop("esd")),
    ("static-discharge", "usb", lambda data: rail(data, "usb").pop("esd")),
    ("unknown-part", "D99", lambda data: data["sim"][0].update(esd="D99")),
    ("battery-fuse", "battery", lambda data: data["battery"].pop("fuse")),
    ("battery-fuse", "battery", lambda data: data["battery"].update(fuse_ma=1200)),
    ("battery-fuse", "battery", lambda data: data["battery"].update(fuse_ma=5000)),
    ("charge-temperature", "charger", lambda data: data["charger"].update(charge_max_c=50)),
    ("charge-temperature", "charger", lambda data: data["charger"].update(charge_min_c=-5)),
    ("charge-temperature", "charger", lambda data: data["battery"].pop("charge_max_c")),
    ("input-voltage", "charger", lambda data: rail(data, "usb").update(max_mv=12000)),
    ("input-voltage", "charger", lambda data: data["charger"].pop("input_max_mv")),
    ("antenna-room", "lte", lambda data: data["antenna"][0].pop("keepout_mm")),
    ("bounce", "GPIO4", lambda data: pin(data, "button").update(bounce_ms=30)),
    ("bounce", "GPIO16", lambda data: pin(data, "man_down").pop("bounce_ms")),
    ("adc-source", "GPIO1", lambda data: pin(data, "battery").pop("filter_nf")),
    ("adc-source", "GPIO2", lambda data: (pin(data, "supply").pop("source_ohm"), pin(data, "supply").pop("filter_nf"))),
    (
        "idle-acceptance",
        "GPIO4",
        lambda data: data.update(accepted=[{"rule": "usb-pin", "subject": "GPIO4", "reason": "x"}]),
    ),
)


@pytest.mark.parametrize(("rule", "subject", "change"), BROKEN, ids=[f"{row[0]}-{n}" for n, row in enumerate(BROKEN)])
def test_a_broken_board_is_found_by_name(rule: str, subject: str, change: Change) -> None:
    assert (rule, subject) in [(one.rule, one.subject) for one in faults(changed(change))]


def test_the_board_that_they_are_made_from_is_in_order() -> None:
    assert check(changed(lambda data: None)) == []


def test_every_rule_has_a_broken_board() -> None:
    assert set(RULES) - {rule for rule, _, _ in BROKEN} == {"power-states", "order-number"}  # their own tests are below


def test_a_part_that_nobody_can_order_is_found() -> None:
    board = changed(lambda data: None)
    nameless = [dataclasses.replace(one, number="") if one.reference == "BT1" else one for one in board.bom]
    found = [(one.rule, one.subject) for one in faults(dataclasses.replace(board, bom=tuple(nameless)))]
    assert found == [("order-number", "BT1")]


def test_a_board_that_was_bought_is_not_blamed_for_what_nobody_told_us() -> None:
    board = changed(lambda data: data["board"].update(kind="bought"))
    silent = changed(
        lambda data: (data["board"].update(kind="bought"), data["battery"].pop("fuse"), data["sim"][0].pop("esd"))
    )
    assert faults(board) == faults(silent) == []


def test_a_divider_of_few_ohms_needs_no_capacitor() -> None:
    board = changed(lambda data: pin(data, "battery").update(source_ohm=5000, filter_nf=0))
    assert faults(board) == []


def test_a_contact_may_bounce_as_long_as_the_firmware_waits() -> None:
    from firmware.core.press import SETTLE_MS

    assert protection_rules.SETTLE_MS == SETTLE_MS


def test_power_csv_must_have_every_state_and_no_other() -> None:
    board = changed(lambda data: None)
    lines = {name: draw for name, draw in board.power.items() if name != "modem psm"}
    lines["lamp"] = Draw("lamp", 1, "uA", "estimate", "a test")
    lines["floor"] = Draw("floor", 1, "uWh", "estimate", "a test")
    found = [(one.rule, one.subject) for one in faults(dataclasses.replace(board, power=lines))]
    assert sorted(found) == [("power-states", name) for name in ("floor", "lamp", "modem psm")]


def test_a_reason_turns_a_fault_into_a_known_finding() -> None:
    def change(data: dict[str, Any]) -> None:
        pin(data, "button")["gpio"] = 0
        data["accepted"] = [{"rule": "strapping-pin", "subject": "GPIO0", "reason": "the maker's own button"}]

    board = changed(change)
    assert faults(board) == []
    assert [one.accepted for one in check(board)] == ["the maker's own button"]


def test_capacitors_carry_a_burst() -> None:
    """400 mA too much for 1 ms out of 1000 uF sag by 0.4 V: 3.2 V becomes 2.8 V, which the modem takes."""
    board = changed(lambda data: rail(data, "vmodem").update(limit_ma=100, capacitance_uf=1000))
    assert "modem-peak" not in [one.rule for one in faults(board)]


def test_a_converter_wants_more_current_at_less_voltage() -> None:
    """615 mA at 3.3 V out of 3.25 V at 85 % are 735 mA, and the modem's 500 mA besides."""
    board = changed(lambda data: None)
    assert peaks(board, "3v3") == 615
    assert peaks(board, "vsys") == 735 + 500


def test_no_board_of_ours_has_a_fault() -> None:
    assert {name: faults(read(ROOT, name)) for name in names(ROOT)} == {name: [] for name in names(ROOT)}


def test_the_names_are_those_that_the_firmware_reads() -> None:
    """A name that a rule knows and the firmware does not would be judged in vain."""
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "firmware").rglob("*.py"))
    for name in {*pin_rules.ACTIVE, *pin_rules.WANTED}:
        assert f'"{name}"' in text, name


def test_the_command_ends_with_1_for_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = CliRunner().invoke(app, ["hardware", "check", "--json"])
    assert sound.exit_code == 0, sound.output
    assert json.loads(sound.stdout)["faults"] == 0
    bad = changed(_moved("button", 0))
    monkeypatch.setattr("livlina.hardware.board.read", lambda root, name: bad)
    ended = CliRunner().invoke(app, ["hardware", "check", SOUND, "--json"])
    assert ended.exit_code == 1
    assert json.loads(ended.stdout)["boards"][SOUND][0]["rule"] == "strapping-pin"


def test_a_board_that_is_not_there_is_named() -> None:
    for command in (["hardware", "check", "nobody"], ["hardware", "show", "nobody"]):
        ended = CliRunner().invoke(app, command)
        assert ended.exit_code == 1
        assert "there is no board nobody: devkit-bg95, " in ended.stderr


def test_everything_that_is_made_is_as_the_data_say() -> None:
    assert made.stale(ROOT) == []
