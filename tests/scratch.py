"""The folder of a run's temporary files: in memory, where the machine has room, for databases wait for a disk more
than for anything else; no test cuts the power of this machine. Nothing of a run outlives it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

MEMORY = Path("/dev/shm")
NEEDED_BYTES = 8 << 30
"""Free there and in memory before a run goes there: several databases and thousands of small files."""
_VARIABLE = "TMPDIR"
_PREFIX = "livlina-tests-"


def enter() -> Path:
    """The new folder. Every process that is started from now on, other users' among them, makes its files in it."""
    place = MEMORY if _roomy() else Path(tempfile.gettempdir())
    for left in place.glob(f"{_PREFIX}*-*"):
        # Of a run that was killed itself.
        if not Path("/proc", left.name.split("-")[2]).exists():
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=place))
    folder.chmod(0o755)
    os.environ[_VARIABLE] = str(folder)
    tempfile.tempdir = None
    return folder


def leave(folder: Path) -> list[str]:
    """Ends what the run has left running, as a test does that was ended for hanging, and removes the folder; tells
    the processes, but for this one's own children, which would have ended with it."""
    left = dict(_inside(folder))
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    # Who has just been killed may still be making files.
    shutil.rmtree(folder, ignore_errors=True)
    return [f"{pid} ({said})" for pid, said in left.items() if said]


def _roomy() -> bool:
    try:
        room = os.statvfs(MEMORY)
        memory = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    except OSError:
        return False
    free = min(room.f_bavail * room.f_frsize, int(memory["MemAvailable"].split()[0]) << 10)
    return free >= NEEDED_BYTES and os.access(MEMORY, os.W_OK)


def _inside(folder: Path) -> Iterator[tuple[int, str]]:
    """Processes that were started with this folder as theirs, or stand in it, and their commands, nothing for a child;
    never this one."""
    word = f"{_VARIABLE}={folder}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            place = Path(os.readlink(process / "cwd"))
            words = (process / "environ").read_bytes().split(b"\0")
            if (word in words or place.is_relative_to(folder)) and int(process.name) != os.getpid():
                parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
                said = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                yield int(process.name), "" if parent == os.getpid() else said or "it has ended"
