"""Every file of this folder once more on real MicroPython, with a unit's heap, on the bytecode that is shipped."""

import os
import subprocess
from pathlib import Path

import pytest

from sim.firmware_build import ROOT, build_firmware, command, environment, heap

HERE = Path(__file__).parent
FILES = sorted(path.stem for path in HERE.glob("test_*.py") if path.stem != Path(__file__).stem)
RUNNER = HERE / "unit_runner.py"
BESIDE = [path for path in HERE.glob("*.py") if path.stem in FILES or not path.stem.startswith("test_")]
SERVERS = [ROOT / f"protocols/wire/{name}_server.py" for name in ("coap", "mqtt")]
"""The fleet's side: no unit carries it, and it runs on MicroPython all the same."""
VECTORS = ROOT / "protocols/wire/vectors"


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    beside = [path for path in BESIDE if path.stem not in ("conftest", "measure")]
    return build_firmware(tmp_path_factory.mktemp("unit"), [*beside, *SERVERS])


def run(build: Path, name: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys, unit_runner; sys.exit(unit_runner.main({name!r}, '/rom/'))"
    return subprocess.run(
        command(build, code, heap(build)),
        env={**os.environ, **environment(build), "TEST_VECTORS": str(VECTORS)},
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_on_micropython(name: str, build: Path) -> None:
    result = run(build, name)
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr


CONTROLS = {
    "wrong": ("def test_wrong():\n    assert 1 == 2\n", "FAIL test_wrong"),
    "empty": ("def other():\n    pass\n", "0 passed"),
    "absent": ("import absent_module\n", "absent_module"),
    "elsewhere": (
        "from protocols.wire import cbor\ncbor.__file__ = 'elsewhere'\ndef test_right():\n    pass\n", "WRONG FILE",
    ),
}  # fmt: skip
"""Files that the runner must not let pass, by name, and what it says of each."""


@pytest.fixture(scope="module")
def controls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One build with all of them: each of its own would cost as much as all these tests together."""
    folder = tmp_path_factory.mktemp("controls")
    for name, (body, _) in CONTROLS.items():
        (folder / f"control_{name}.py").write_text(body)
    return build_firmware(folder, [RUNNER, *sorted(folder.glob("control_*.py"))])


@pytest.mark.parametrize("name", list(CONTROLS))
def test_the_runner_fails_when_it_must(name: str, controls: Path) -> None:
    """The negative control: a failing, empty or unimportable file, or one that tests other bytes, is not passed."""
    result = run(controls, f"control_{name}")
    assert result.returncode == 1
    assert CONTROLS[name][1] in result.stdout + result.stderr


def test_bytecode_sizes(build: Path) -> None:
    """Print what the unit carries of protocols and firmware."""
    files = [path for name in ("firmware", "protocols") for path in sorted((build / name).rglob("*.*"))]
    assert files
    for file in files:
        print(f"{file.stat().st_size:6} bytes  {file.relative_to(build)}")
    print(f"{sum(file.stat().st_size for file in files):6} bytes  together")
