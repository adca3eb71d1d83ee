"""The folder of a run's temporary files."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import scratch


@pytest.fixture
def surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TMPDIR", os.environ["TMPDIR"])
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield
    tempfile.tempdir = None


@pytest.mark.usefixtures("surroundings")
def test_what_a_run_leaves_running_is_ended_and_nothing_else(tmp_path: Path) -> None:
    waits = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    other = subprocess.Popen(waits, **pipes, cwd=tmp_path)
    folder = scratch.enter()
    assert Path(tempfile.gettempdir()) == folder
    left = subprocess.Popen(waits, **pipes, cwd=tmp_path)
    stands = subprocess.Popen(waits, **pipes, cwd=folder, env={})
    # One whose parent is gone.
    orphan = subprocess.run(["sh", "-c", "sleep 1000 >&- 2>&- & echo $!"], capture_output=True, text=True, check=True)
    for process in (other, left, stands):
        assert process.stdout is not None and process.stdout.readline()
    assert [one.split()[0] for one in scratch.leave(folder)] == [orphan.stdout.strip()]
    assert not folder.exists()
    assert left.wait(60) == stands.wait(60) == -9
    assert other.communicate(b"")[0] == b"" and other.returncode == 0


@pytest.mark.usefixtures("surroundings")
def test_what_a_run_left_that_was_killed_is_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(scratch, "MEMORY", tmp_path)
    ended = subprocess.Popen(["true"])
    ended.wait(60)
    dead, living = (tmp_path / f"livlina-tests-{pid}-abc_def" for pid in (ended.pid, os.getpid()))
    for folder in (dead, living):
        (folder / "in").mkdir(parents=True)
    monkeypatch.setattr(scratch, "NEEDED_BYTES", 0)
    scratch.leave(scratch.enter())
    assert living.exists() and not dead.exists()


@pytest.mark.parametrize(("needed", "roomy"), [(0, True), (1 << 60, False)])
def test_only_a_roomy_memory_is_used(needed: int, roomy: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "NEEDED_BYTES", needed)
    assert scratch._roomy() == roomy


def test_without_such_a_memory_the_disk_serves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(scratch, "MEMORY", tmp_path / "none")
    assert not scratch._roomy()
