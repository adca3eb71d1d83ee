"""A build that several want at once is made once; what builds have in common is kept for other processes."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from provisioning import inlining
from provisioning.inlining import inline
from provisioning.kept import kept
from sim import firmware_build
from sim.firmware_build import BUILDS, BuildError, build_firmware

PATIENCE_S = 60
HOLDS_THE_LOCK = (
    "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); print(flush=True); time.sleep(600)"
)
Linked = tuple[dict[str, str], dict[str, Any]]


@pytest.fixture
def makes(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], list[int]]:
    """Builds of one small module, in whose making this is done; gives a list that grows with each making."""
    monkeypatch.delenv(BUILDS, raising=False)

    def with_this_meanwhile(meanwhile: Callable[[], object]) -> list[int]:
        made: list[int] = []

        def linked(*_: object) -> Linked:
            made.append(1)
            meanwhile()
            return {"firmware/it": "one = 1\n"}, {}

        monkeypatch.setattr(firmware_build, "_linked", linked)
        return made

    return with_this_meanwhile


def test_who_wants_a_build_that_is_being_made_waits_for_it(
    makes: Callable[[Callable[[], object]], list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Semaphore(0)
    flock = fcntl.flock

    def counted(file: Any, what: int) -> None:
        both.release()
        flock(file, what)

    monkeypatch.setattr(fcntl, "flock", counted)
    # The maker goes on when the second one has come for the lock, too.
    made = makes(lambda: [both.acquire(timeout=PATIENCE_S) for _ in range(2)])
    with ThreadPoolExecutor(2) as pool:
        builds = set(pool.map(build_firmware, [tmp_path, tmp_path]))
    assert len(made) == 1
    (build,) = builds
    assert list(tmp_path.iterdir()) == [build]


def test_a_killed_maker_holds_nobody_up(makes: Callable[[Callable[[], object]], list[int]], tmp_path: Path) -> None:
    made = makes(lambda: None)
    name = build_firmware(tmp_path / "elsewhere").name
    lock = tmp_path / f".{name}.lock"
    with subprocess.Popen([sys.executable, "-c", HOLDS_THE_LOCK, str(lock)], stdout=subprocess.PIPE) as maker:
        assert maker.stdout is not None and maker.stdout.readline()
        with lock.open() as ours, pytest.raises(BlockingIOError):
            fcntl.flock(ours, fcntl.LOCK_EX | fcntl.LOCK_NB)
        maker.kill()
    assert build_firmware(tmp_path).is_dir()
    assert len(made) == 2 and not lock.exists()


def test_a_build_that_fails_lets_the_next_one_try(
    makes: Callable[[Callable[[], object]], list[int]], tmp_path: Path
) -> None:
    failing = True

    def fail() -> None:
        if failing:
            raise BuildError("too large")

    made = makes(fail)
    with pytest.raises(BuildError):
        build_firmware(tmp_path)
    assert not list(tmp_path.iterdir())
    failing = False
    assert build_firmware(tmp_path).is_dir() and len(made) == 2


def test_what_is_kept_is_made_once_and_anew_where_it_is_damaged(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> list[object]:
        made.append(1)
        return ["text", [1, 2], ["name"]]

    folder = tmp_path / "parts"
    assert kept(folder, "key", make) == kept(folder, "key", make) == ["text", [1, 2], ["name"]]
    assert len(made) == 1
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    damages = [whole[:at] for at in range(0, len(whole), 9)]
    damages += [whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :] for at in range(0, len(whole), 9)]
    damages += [b"\xff" + whole, whole + b" "]
    for count, damage in enumerate(damages, 2):
        file.write_bytes(damage)
        assert kept(folder, "key", make) == ["text", [1, 2], ["name"]]
        assert len(made) == count and file.read_bytes() == whole
    kept(folder, "another key", make)
    assert len(made) == len(damages) + 2


def test_modules_that_are_kept_are_those_that_would_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"one": "def _f(a):\n    return a\ndef value():\n    return _f(1)\n", "two": "def _g():\n    return 2\n"}
    curious = {"one": texts["one"], "two": "import one\none._f(2)\n"}
    made = [inline(texts), inline(curious)]
    assert [inline(texts, folder=tmp_path), inline(curious, folder=tmp_path)] == made
    inlining._made.cache_clear()

    def never(*_: object) -> None:
        raise AssertionError("it is there")

    monkeypatch.setattr(inlining, "_make", never)
    assert [inline(texts, folder=tmp_path), inline(curious, folder=tmp_path)] == made
