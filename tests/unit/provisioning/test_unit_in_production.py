"""A fleet that people rely on takes production boards and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.settings import Settings
from livlina.unit import NewUnit, UnitError, add_unit


def test_a_fleet_that_people_rely_on_takes_no_unit_in_a_folder(tmp_path: Path) -> None:
    wanted = NewUnit.read(
        municipality=1, unit_type="social", number=None, coap="127.0.0.1:5683", mqtt="127.0.0.1:8883", pipes="coap",
        heartbeat_s=60, flash=tmp_path / "flash",
    )  # fmt: skip
    with pytest.raises(UnitError, match="production boards"):
        add_unit(Settings(data=tmp_path / "data", production=True), wanted)
    assert list(tmp_path.iterdir()) == []  # No authority, no database, no flash.
