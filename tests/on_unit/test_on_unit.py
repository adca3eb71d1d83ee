"""The unit_*.py files of this folder on real MicroPython, with a unit's heap, against the compiled firmware."""

import os
import subprocess
from pathlib import Path

import pytest

from sim.firmware_build import build_firmware, code_bytes, heap, interpreter, search_path, shipped_bytes

HERE = Path(__file__).parent
RUNNER = HERE.parent / "both" / "unit_runner.py"
FILES = sorted(path.stem for path in HERE.glob("unit_*.py"))


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    return build_firmware(tmp_path_factory.mktemp("firmware"))


def run(build, folder, name, flash):
    suffix = ".mpy" if list(build.rglob("*.mpy")) else ".py"
    return subprocess.run(
        [*interpreter(), "-X", f"heapsize={heap(build)}", str(RUNNER), name, suffix],
        env={**os.environ, "MICROPYPATH": f"{search_path(build)}:{folder}:{HERE}", "TEST_FLASH": str(flash)},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


@pytest.mark.parametrize("name", FILES)
def test_on_micropython(name, build, tmp_path):
    result = run(build, HERE, name, tmp_path)
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_runner_fails_when_it_must(build, tmp_path):
    (tmp_path / "control.py").write_text("def test_wrong():\n    assert 1 == 2\n")
    result = run(build, tmp_path, "control", tmp_path)
    assert result.returncode == 1
    assert "FAIL test_wrong" in result.stdout


def test_firmware_sizes(build):
    """Printed for the README: what the unit's flash holds of ours."""
    print(f"firmware and protocols: {shipped_bytes(build)} bytes of .mpy; {code_bytes(build)} bytes of heap if loaded")
    assert 0 < shipped_bytes(build)
