"""A unit's label, parts, life and keys as an administrator types them, on an embedded database."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocols.wire import cbor
from tests.journeys.test_command_line import CommandLine


@pytest.fixture
def installed(running_database: Path) -> CommandLine:
    """An installation with a unit 00000001."""
    livlina = CommandLine(running_database, here=True)
    livlina.json("municipality", "add", "1290", "Kristianstad")
    livlina.json("unit", "add", "--municipality", "1290", "--flash", str(running_database / "flash"))
    return livlina


def test_a_unit_is_described_moved_on_and_revoked(installed: CommandLine) -> None:
    parts = ("--board", "hub-c6", "--pendant", "1=PX-1", "--pendant", "2", "--sim", "1=89460800000000000017")
    assert installed.json("unit", "parts", "00000001", *parts)["inputs"] == [0, 1, 2]
    assert installed.json("unit", "move", "0000-001-1", "receive") == {"unit": "00000001", "life": "in_stock"}
    shown = installed.json("unit", "show", "00000001")
    assert (shown["label"], shown["qr"]) == ("0000-001-1", "LIVLINA:0000-001-1")
    assert [one["serial"] for one in shown["inputs"]] == [None, "PX-1", None]
    assert [(one["event"], one["actor"]) for one in shown["log"]] == [("receive", "console:local")]
    assert "nothing that is done by hand" in installed.refused("unit", "move", "00000001", "prove")
    assert "clean" in installed.refused("unit", "move", "00000001", "clean")
    assert "is unknown" in installed.refused("unit", "revoke", "00000009")
    assert "no unit id" in installed.refused("unit", "show", "0000-001-2")
    assert "no pendant" in installed.refused("unit", "parts", "00000001", "--pendant", "0=X")
    assert "no SIM card" in installed.refused("unit", "parts", "00000001", "--sim", "3=89460800000000000017")
    assert installed.json("unit", "revoke", "00000001")["registered"] == "revoked"
    assert installed.json("unit", "status", "00000001")["registered"] == "revoked"


def test_new_keys_are_given_on_the_bench_and_doubt_is_said_by_hand(installed: CommandLine, data_folder: Path) -> None:
    flash = data_folder / "flash"
    before = cbor.decode((flash / "identity.cbor").read_bytes())
    made = installed.json("unit", "rekey", "00000001", "--flash", str(flash))
    after = cbor.decode((flash / "identity.cbor").read_bytes())
    assert (made["generation"], after[2], after[1]) == (before[2] + 1, before[2] + 1, 1)
    assert after[3] != before[3] and after[3].hex() not in str(made), "a secret on the terminal"
    assert "holds no unit" in installed.refused("unit", "rekey", "00000001", "--flash", str(data_folder / "none"))
    assert "not of 00000002" in installed.refused("unit", "rekey", "00000002", "--flash", str(flash))
    assert installed.json("security", "notices") == {"notices": []}
    assert installed.json("security", "restored")["keys"] == 2
