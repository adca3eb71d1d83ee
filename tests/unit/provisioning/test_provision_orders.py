"""Orders as technicians write them, and the plan that the command prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from livlina.cli import app
from livlina.provision_order import OrderError, read_order
from provisioning.identity import config_fields
from provisioning.plan import PlanError, plan

ORDER = """number = "2026-017"
quantity = 12
municipality = 1480
profile = "social"
production = true
heartbeat_s = 300
pipes = ["coap", "mqtt"]
coap = ["192.0.2.1:5683"]
mqtt = "192.0.2.1:8883"
mqtt_name = "fleet.example.org"
[board]
name = "a board"
chip = "esp32s3"
flash_mib = 4
bootloader = 0
secure_boot = true
"""


def test_an_order_is_read(tmp_path: Path) -> None:
    path = tmp_path / "order.toml"
    path.write_text(ORDER)
    order, kind = read_order(path)
    assert (order.number, order.municipality, order.production) == ("2026-017", 1480, True)
    assert order.mqtt == ("192.0.2.1", 8883, "fleet.example.org")
    assert kind.flash_bytes == 4 << 20


def test_an_order_for_boards_with_a_modem(tmp_path: Path) -> None:
    path = tmp_path / "order.toml"
    modem = 'modem = "bg95"\naccess_point = "iot.example"\nsms_number = "+46700000000"\n[board]'
    path.write_text(ORDER.replace("[board]", modem) + "sims = 2\n")
    order, kind = read_order(path)
    assert (order.modem, order.sms_number, kind.sims) == (("bg95", "iot.example"), "+46700000000", 2)
    assert "selftest" in [step.name for step in plan(order, kind)]
    path.write_text(ORDER + "sims = 2\n")
    with pytest.raises(PlanError, match="names a modem"):
        plan(*read_order(path))
    path.write_text(ORDER.replace("[board]", modem.replace("bg95", "v90")) + "sims = 2\n")
    with pytest.raises(PlanError, match="no modem"):
        plan(*read_order(path))


def test_an_order_for_boards_that_join_a_wlan(tmp_path: Path) -> None:
    path, password = tmp_path / "order.toml", tmp_path / "wlan.txt"
    wlan = 'wlan = "the building"\nwlan_password_file = "wlan.txt"\n'
    path.write_text(wlan + ORDER)
    with pytest.raises(OrderError, match="cannot be read"):
        read_order(path)
    password.write_text("a secret of theirs\n")
    order, kind = read_order(path)
    assert order.own_network == ("wlan", "the building", "a secret of theirs") and "secret" not in repr(order)
    fields = config_fields(**order.configuration(kind.sims))
    assert fields[12] == ["wlan", "the building", "a secret of theirs"]
    assert "selftest" in [step.name for step in plan(order, kind)]
    password.write_text("short")
    with pytest.raises(PlanError, match="8 to 63") as refused:
        plan(*read_order(path))
    assert "short" not in str(refused.value)
    path.write_text('wlan_password_file = "wlan.txt"\n' + ORDER)
    with pytest.raises(OrderError, match="without wlan"):
        read_order(path)
    path.write_text('wlan = "open"\nmodem_first = true\n' + ORDER)
    with pytest.raises(PlanError, match="has both"):
        plan(*read_order(path))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("quantity = 12", 'quantity = "12"'),
        ("production = true", "production = 1"),
        ("municipality = 1480", "municipalty = 1480"),
        ('"192.0.2.1:5683"', '"192.0.2.1"'),
        ("flash_mib = 4", ""),
        ("[board]", "[board"),
    ],
)
def test_what_is_no_order_is_refused_with_its_name(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "order.toml"
    path.write_text(ORDER.replace(old, new))
    with pytest.raises(OrderError, match=r"order\.toml"):
        read_order(path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("heartbeat_s = 300", "heartbeat_s = 0", "heartbeat interval"),
        ('"coap", "mqtt"', '"sms"', "pipes are one or more"),
        ('coap = ["192.0.2.1:5683"]\n', "", "coap pipe needs"),
        ('mqtt_name = "fleet.example.org"\n', "", "TLS name"),
    ],
)
def test_what_no_unit_may_be_told_is_refused_before_a_board_is_begun(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    path = tmp_path / "order.toml"
    path.write_text(ORDER.replace(old, new))
    with pytest.raises(PlanError, match=words):
        plan(*read_order(path))


def test_the_plan_is_printed(tmp_path: Path) -> None:
    path = tmp_path / "order.toml"
    path.write_text(ORDER)
    said = CliRunner().invoke(app, ["provision", "plan", str(path), "--json"])
    assert said.exit_code == 0
    steps = json.loads(said.stdout)["steps"]
    assert [step["name"] for step in steps if step["for_good"]] == ["efuses"]
    path.write_text(ORDER.replace("secure_boot = true", "secure_boot = false"))
    assert CliRunner().invoke(app, ["provision", "plan", str(path)]).exit_code == 1
