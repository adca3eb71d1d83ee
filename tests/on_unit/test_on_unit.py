"""The unit_*.py files of this folder on real MicroPython, with a unit's heap, on the firmware executed in place."""

import os
import subprocess
from pathlib import Path

import pytest

from sim.firmware_build import BuildError, build_firmware, command, environment, heap, shipped_bytes

HERE = Path(__file__).parent
RUNNER = HERE.parent / "both" / "unit_runner.py"
FILES = sorted(path.stem for path in HERE.glob("unit_*.py"))
BESIDE = sorted(path for path in HERE.glob("*.py") if not path.name.startswith("test_"))


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    return build_firmware(tmp_path_factory.mktemp("firmware"), [RUNNER, *BESIDE])


def run(build, name, flash, every=9):
    return subprocess.run(
        command(build, f"import sys, unit_runner; sys.exit(unit_runner.main({name!r}, '/rom/'))", heap(build)),
        env={**os.environ, **environment(build), "TEST_FLASH": str(flash), "TEST_EVERY": str(every)},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


@pytest.mark.parametrize("name", FILES)
def test_on_micropython(name, build, tmp_path):
    result = run(build, name, tmp_path)
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.proof
@pytest.mark.timeout(600)
def test_the_journal_with_the_power_cut_at_every_byte(build, tmp_path):
    result = run(build, "unit_journal", tmp_path, 1)
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr


CONTROLS = {
    "wrong": ("def test_wrong():\n    assert 1 == 2\n", "FAIL test_wrong"),
    "elsewhere": (
        "from firmware.ports import clock\nclock.__file__ = 'elsewhere'\ndef test_right():\n    pass\n", "WRONG FILE",
    ),
}  # fmt: skip
"""Files that the runner must not let pass, and what it says of each. One build holds them all."""


@pytest.mark.parametrize("name", list(CONTROLS))
def test_the_runner_fails_when_it_must(tmp_path, name):
    guests = [tmp_path / f"control_{each}.py" for each in CONTROLS]
    for guest, (body, _) in zip(guests, CONTROLS.values(), strict=True):
        guest.write_text(body)
    result = run(build_firmware(tmp_path, [RUNNER, *guests]), f"control_{name}", tmp_path)
    assert result.returncode == 1
    assert CONTROLS[name][1] in result.stdout


def test_who_sets_a_constant_of_the_unit_is_told(tmp_path):
    """What is folded cannot be set: a test that does would test something else than it means to."""
    (tmp_path / "control.py").write_text("from firmware.core import alarm\nalarm.MOST = 1\n")
    with pytest.raises(BuildError, match=r"firmware\.core\.alarm\.MOST is a constant"):
        build_firmware(tmp_path, [tmp_path / "control.py"])


def test_guests_change_no_byte_of_the_firmware(tmp_path):
    alone = build_firmware(tmp_path / "alone")
    guests = build_firmware(tmp_path / "guests", [RUNNER, *BESIDE])
    files = [path.relative_to(alone) for name in ("firmware", "protocols") for path in (alone / name).rglob("*.*")]
    assert files and all((alone / name).read_bytes() == (guests / name).read_bytes() for name in files)


def test_firmware_sizes(build):
    """Printed for the README: what the unit's flash holds of ours."""
    print(f"firmware and protocols: {shipped_bytes(build)} bytes of .mpy")
    assert 0 < shipped_bytes(build)
