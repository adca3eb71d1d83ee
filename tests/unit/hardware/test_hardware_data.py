"""board.toml against its schema: our reader and the `jsonschema` package say the same of sound and of broken data."""

from __future__ import annotations

import copy
import csv
import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from livlina.cli import app
from livlina.hardware.board import FILES, HardwareError, chip, names, parse, read, schema
from livlina.hardware.shape import ShapeError, offences, refuse_unknown
from tests.unit.hardware.broken import ROOT, SOUND

NAMES = names(ROOT)
WHOLE = schema(ROOT)
DATA = tomllib.loads((ROOT / "hardware" / SOUND / "board.toml").read_text(encoding="utf-8"))


def _places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in the data, as keys and indices."""
    inside: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    return [way, *(place for key, part in inside for place in _places(part, (*way, key)))]


PLACES = [place for place in _places(DATA) if place]


def test_the_five_boards_of_the_issue_are_there() -> None:
    assert NAMES == ["devkit-bg95", "lilygo-t-sim7080g-s3", "reference-hub", "reference-wearable", "walter"]


@pytest.mark.parametrize("name", NAMES)
def test_a_board_fits_the_schema_by_both_readers(name: str) -> None:
    board = read(ROOT, name)
    jsonschema.Draft202012Validator(WHOLE).validate(board.data)
    assert all((board.folder / file).stat().st_size for file in FILES)


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(WHOLE)


@given(
    place=st.sampled_from(PLACES),
    value=st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-5, 40000),
        st.text(max_size=4),
        st.just([]),
        st.just({}),
        st.just({"a": 1}),
    ),
)
def test_both_readers_agree_on_a_change_anywhere(place: tuple[Any, ...], value: Any) -> None:
    data = copy.deepcopy(DATA)
    at = data
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    ours = list(offences(data, WHOLE, WHOLE))
    assert bool(ours) is not jsonschema.Draft202012Validator(WHOLE).is_valid(data), ours


@given(place=st.sampled_from([one for one in PLACES if isinstance(one[-1], str)]))
def test_both_readers_agree_on_what_is_missing(place: tuple[Any, ...]) -> None:
    data = copy.deepcopy(DATA)
    at = data
    for key in place[:-1]:
        at = at[key]
    del at[place[-1]]
    assert bool(list(offences(data, WHOLE, WHOLE))) is not jsonschema.Draft202012Validator(WHOLE).is_valid(data)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('active = "low"', 'active = "lower"', "active: 'lower' is none of high, low"),
        ("gpio = 38", "gpio = 49", "gpio: 49 is not between 0 and 48"),
        ("gpio = 38", 'gpio = "38"', "gpio: '38' is not of the type integer"),
        ("gpio = 38", "gpio = true", "gpio: True is not of the type integer"),
        ("gpio = 38", "gpio = 38\nvolts = 3", "volts: nobody reads this"),
        ("mah = 1350\n", "", "battery: mah is missing"),
        ('name = "vmodem"', 'name = "V modem"', "'V modem' is not written like"),
        ("schema = 1", "schema = 2", "schema: 2 is not between 1 and 1"),
        ("schema = 1", "schema = ", "is no TOML"),
    ],
)
def test_a_wrong_line_is_named_with_its_place(old: str, new: str, said: str) -> None:
    text = (ROOT / "hardware" / SOUND / "board.toml").read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(HardwareError, match=r"board\.toml") as refused:
        parse(ROOT, text.replace(old, new, 1), "board.toml")
    assert said in str(refused.value)


def test_a_keyword_that_nobody_checks_is_refused() -> None:
    with pytest.raises(ShapeError, match="uniqueItems"):
        refuse_unknown({"type": "array", "items": {"type": "array", "uniqueItems": True}})
    refuse_unknown({"properties": {"uniqueItems": {"type": "string"}}})


def _copied(tmp_path: Path) -> Path:
    (tmp_path / "firmware/boards").mkdir(parents=True)
    shutil.copytree(ROOT / "hardware", tmp_path / "hardware")
    return tmp_path / "hardware" / SOUND


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("bom.csv", "reference,", "ref,", "the first line must be"),
        ("bom.csv", "S1,1,", "S1,one,", "S1: quantity"),
        ("bom.csv", "S2,1,", "S1,1,", "twice in it: S1"),
        ("power.csv", "floor,45,uA", "floor,4.5,uA", "floor: wanted are a whole value"),
        ("power.csv", "floor,45,uA", "floor,45,mA", "floor: wanted are a whole value"),
        ("power.csv", "floor,45,uA,estimate,", "floor,45,uA,guess,", "floor: wanted are"),
        ("power.csv", "modem off,", "floor,", "floor is there twice"),
    ],
)
def test_a_wrong_table_is_named(tmp_path: Path, file: str, old: str, new: str, said: str) -> None:
    path = _copied(tmp_path) / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(HardwareError) as refused:
        read(tmp_path, SOUND)
    assert said in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (_copied(tmp_path) / "CHANGELOG.md").unlink()
    with pytest.raises(HardwareError, match=r"has no CHANGELOG\.md"):
        read(tmp_path, SOUND)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_claims_to_be_built_or_measured(name: str) -> None:
    """The day that one is, this test is changed with the first measured line of its power.csv."""
    board = read(ROOT, name)
    assert not board.data["board"]["built"]
    assert not board.data["board"]["measured"]
    assert not [one for one in board.power.values() if one.basis == "measured"]
    page = (board.folder / "wiring.md").read_text(encoding="utf-8")
    assert "was ever measured" in page.splitlines()[1]
    assert f"## {board.data['board']['revision']}\n" in (board.folder / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_from_memory_is_never_confirmed(name: str) -> None:
    board = read(ROOT, name)
    assert not [one for one in board.data["source"] if "rom memory" in one["text"] and one["confirmed"]]
    with (board.folder / "bom.csv").open(encoding="utf-8", newline="") as file:
        assert not [
            row
            for row in csv.DictReader(file)
            if "to be chosen" in row["note"] and row["number"] and row["confirmed"] == "yes"
        ]


def test_chips_cover_what_exists() -> None:
    s3 = chip(ROOT, "esp32s3")
    assert len(s3.gpio) == 45
    assert s3.strapping == {0, 3, 45, 46}
    assert s3.wake == set(range(22))
    for part in (s3.flash, s3.psram_octal, s3.psram_quad, s3.usb, s3.console, s3.strapping, s3.wake, s3.adc1, s3.adc2):
        assert part <= s3.gpio


def test_list_and_show_are_one_document() -> None:
    listed = json.loads(CliRunner().invoke(app, ["hardware", "list", "--json"]).stdout)
    assert [row["board"] for row in listed["boards"]] == NAMES
    shown = json.loads(CliRunner().invoke(app, ["hardware", "show", SOUND, "--json"]).stdout)
    assert shown["modem"]["name"] == "SIM7080G"
    assert {row["reference"] for row in shown["bom"]} >= {"U1", "U2"}
    assert "Never built" in CliRunner().invoke(app, ["hardware", "show", SOUND]).stdout
