"""Each board of hardware/ can be ordered by its name, gets a plan, and has room for what a board gets."""

from __future__ import annotations

from functools import cache
from hashlib import shake_256
from pathlib import Path

import pytest

from livlina.hardware.board import names, read
from livlina.provision_demo import kit_of
from livlina.provision_kind import kind_of
from livlina.provision_order import OrderError, read_order
from provisioning.pace import LEAST_AN_HOUR, boards_an_hour, machine_seconds
from provisioning.partition_table import from_binary, layout, to_binary
from provisioning.plan import BUTTONLESS, asked_about, plan
from sim.board_rom.chip import CHIPS

ROOT = Path(__file__).parents[3]
ORDER = """number = "2026-018"
quantity = 1
municipality = 1480
profile = "{profile}"
production = true
heartbeat_s = 300
pipes = ["coap"]
coap = ["192.0.2.1:5683"]
access_point = "iot.example"
board = "{board}"
"""


@pytest.mark.parametrize("name", names(ROOT))
def test_a_board_is_ordered_by_its_name(name: str, tmp_path: Path) -> None:
    board = read(ROOT, name)
    path = tmp_path / "order.toml"
    for profile in board.data["board"]["profiles"]:
        path.write_text(ORDER.format(board=name, profile=profile))
        order, kind = read_order(path)
        assert order.modem == (board.data["modem"]["dialect"], "iot.example")
        assert (kind.name, kind.flash_bytes) == (name, board.data["chip"]["flash_mb"] << 20)
        assert kind.sims == len(board.data["sim"])
        assert kind.bootloader == CHIPS[kind.chip].bootloader_offset
        steps = [step.name for step in plan(order, kind)]
        assert steps[-1] == "ledger" and "efuses" in steps
        assert ("vibration" in asked_about(profile, kind)) is (profile not in BUTTONLESS)
    parts = layout(kind.flash_bytes, sealed=True)
    assert from_binary(to_binary(parts)) == parts and max(part.end for part in parts) <= kind.flash_bytes


def test_a_board_for_another_profile_or_of_no_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "order.toml"
    path.write_text(ORDER.format(board="walter", profile="social"))
    with pytest.raises(OrderError, match="walter is made for tracker, not for social"):
        read_order(path)
    path.write_text(ORDER.format(board="nobody", profile="social"))
    with pytest.raises(OrderError, match="there is no board nobody"):
        read_order(path)


@pytest.mark.parametrize("name", names(ROOT))
def test_the_virtual_board_of_its_name_has_its_modem_and_cards(name: str) -> None:
    board = read(ROOT, name)
    kit = kit_of(board)
    assert kit.kind == kind_of(board)
    assert (kit.modem.dialect, len(kit.modem.cards)) == (board.data["modem"]["dialect"], kit.kind.sims)


@cache
def machine_s(baud: int) -> float:
    """Of a production board whose image does not pack."""
    return machine_seconds({0x10000: shake_256(b"python").digest(0x270000), 0x280000: b"\xff" * 0x80000}, baud)


def test_the_readme_says_how_many_an_hour_as_it_is_computed() -> None:
    readme = (ROOT / "provisioning/README.md").read_text()
    for baud in (115_200, 460_800, 921_600, 2_000_000):
        seconds = machine_s(baud)
        cells = [f"{boards_an_hour(seconds, cables):g}" for cables in (1, 2, 3, 4)]
        assert f"| {baud:,} | {' | '.join(cells)} |" in readme


@pytest.mark.parametrize(("baud", "enough"), [(115_200, False), (460_800, False), (921_600, True), (2_000_000, True)])
def test_how_many_an_hour_by_cables_and_speed(baud: int, enough: bool) -> None:
    alone = boards_an_hour(machine_s(baud), 1)
    assert (alone >= LEAST_AN_HOUR) is enough
    beside = [boards_an_hour(machine_s(baud), cables) for cables in (1, 2, 3, 4)]
    assert beside == sorted(beside) and beside[-1] <= 60
