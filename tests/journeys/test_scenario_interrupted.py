"""A scenario that somebody ends: by Ctrl-C or by SIGTERM, while its database is made or in the middle of the story.

Nothing is left of it, no process and no folder, standard output is empty, and the exit status says what ended it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

LONG_S = 120.0
ENDS_S = 60.0


@pytest.fixture
def place() -> Iterator[Path]:
    """Where the command makes its temporary folders; PostgreSQL's own user must be able to enter it."""
    folder = Path(tempfile.mkdtemp(prefix="livlina-ended-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def processes_in(place: Path) -> list[str]:
    """Command lines of processes that were started with this place for their temporary folders, or that name it."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            line, around = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
        except OSError:
            continue
        if line and str(place).encode() in line + around:
            found.append(line.replace(b"\0", b" ").decode(errors="replace"))
    return found


def there(place: Path, name: str) -> bool:
    """Whether a file or folder of this name is somewhere in it. Folders that go while it looks are none."""
    return any(name in folders or name in files for _, folders, files in os.walk(place))


def ended(place: Path, sign: signal.Signals, until: str, *more: str) -> int:
    """Starts A5, sends the signal to its whole group as a terminal does once it has come so far, gives its status."""
    said = place / "said"
    with said.open("wb") as errors:
        program = subprocess.Popen(
            [sys.executable, "-m", "livlina", "scenario", "A5", "--json", *more],
            stdout=subprocess.PIPE, stderr=errors, env={**os.environ, "TMPDIR": str(place)}, start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - no threads
        )  # fmt: skip
    assert program.stdout is not None
    try:
        ends = time.monotonic() + LONG_S
        while not there(place, until) and until not in said.read_text():
            assert program.poll() is None and time.monotonic() < ends, said.read_text()
            time.sleep(0.02)
        os.killpg(program.pid, sign)
        status = program.wait(ENDS_S)
        assert program.stdout.read() == b""
        return status
    finally:
        program.stdout.close()
        if program.poll() is None:
            program.kill()
            program.wait()


@pytest.mark.parametrize(
    ("sign", "until", "more", "status"),
    [
        (signal.SIGINT, "the fleet is up", (), 130),
        pytest.param(signal.SIGINT, "postgres.port", (), 130, marks=pytest.mark.proof),
        pytest.param(signal.SIGINT, "pg_wal", (), 130, marks=pytest.mark.proof),
        pytest.param(signal.SIGTERM, "the fleet is up", (), 143, marks=pytest.mark.proof),
        pytest.param(signal.SIGINT, "console.log", ("--firmware",), 130, marks=pytest.mark.proof),
    ],
)
def test_nothing_is_left_of_a_scenario_that_was_ended(
    place: Path, sign: signal.Signals, until: str, more: tuple[str, ...], status: int
) -> None:
    assert ended(place, sign, until, *more) == status
    assert processes_in(place) == []
    assert [entry.name for entry in place.iterdir()] == ["said"]


def test_a_process_that_stays_would_be_seen(place: Path) -> None:
    # It says when it runs: between fork and exec it has no environment yet.
    stays = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={"TMPDIR": str(place)},
    )  # fmt: skip
    assert stays.stdout is not None and stays.stdout.readline() == b"\n"
    try:
        assert len(processes_in(place)) == 1
    finally:
        assert stays.stdin is not None
        stays.stdin.close()
        stays.stdout.close()
        stays.wait()
