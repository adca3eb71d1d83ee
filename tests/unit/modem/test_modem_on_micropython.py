"""The tests of the dialects once more on real MicroPython, with a unit's heap, against compiled bytecode."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from unit_build import build_unit, command, modem_groups


def run(unit: Path, name: str) -> subprocess.CompletedProcess[str]:
    argv, environment = command(unit, f"import sys, unit_runner; sys.exit(unit_runner.main({name!r}, '/rom/'))")
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=400, check=False)


@pytest.mark.parametrize("name", ["test_conduct", "test_dialects", "test_channel"])
def test_on_micropython(unit: Path, name: str) -> None:
    result = run(unit, name)
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_runner_fails_when_it_must(tmp_path: Path) -> None:
    """The negative control."""
    (tmp_path / "control.py").write_text("def test_wrong():\n    assert 1 == 2\n")
    result = run(build_unit(tmp_path, tmp_path / "control.py"), "control")
    assert result.returncode == 1 and "FAIL test_wrong" in result.stdout


def test_flash_costs(unit: Path) -> None:
    """Print what the modem adds to the unit's flash; a unit carries one of the three dialects."""
    sizes = {name: (unit / name).with_suffix(".mpy").stat().st_size for name in modem_groups()}
    for name, size in sorted(sizes.items()):
        print(f"{size:6} bytes  {name}")
    print(f"{sum(sizes.values()):6} bytes  together")
    assert all(sizes.values())
