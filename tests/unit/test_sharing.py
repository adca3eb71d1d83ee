"""The order in which the tests begin on several workers."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.sharing import Shares, order, share_of
from tests.sizes import quick

TESTS = [
    *(f"tests/unit/wire/test_{name}.py::test_{n}" for name in "abcdef" for n in range(3)),
    *(f"tests/journeys/test_{name}.py::test_{n}" for name in "gh" for n in range(2)),
    "tests/on_unit/test_on_unit.py::test_on_micropython[unit_heap]", "tests/unit/sim/test_i.py::test_x",
    "tests/store/test_j.py::test_1", "tests/store/test_j.py::test_2", "tests/elsewhere/test_k.py::test_x",
]  # fmt: skip


def test_every_test_is_in_one_share_and_every_share_begins_once() -> None:
    shares = order(TESTS)
    assert sorted(shares) == sorted({share_of(one) for one in TESTS})
    assert "tests/store/test_j.py" in shares and "tests/journeys/test_g.py::test_1" in shares


def test_waiting_and_computing_alternate_and_the_longest_come_first() -> None:
    shares = order(TESTS)
    computing = [share.startswith(("tests/unit/wire", "tests/on_unit", "tests/elsewhere")) for share in shares]
    assert max(len(list(run)) for _, run in groupby(computing)) <= 2
    assert shares.index("tests/journeys/test_h.py::test_1") < shares.index("tests/store/test_j.py")
    assert shares.index("tests/store/test_j.py") < shares.index("tests/unit/sim/test_i.py::test_x"), "a file is longer"


def test_a_quick_size_is_a_part_of_the_full_one_and_never_more() -> None:
    assert [quick(full) for full in (3, 25, 100, 300, 2000)] == [3, 25, 25, 30, 200]


class Worker:
    """As xdist's: it begins a test once it knows the next one, or that there is none; of what hangs it dies."""

    def __init__(self, scheduler: LoadScopeScheduling, collected: list[str]) -> None:
        self.gateway = SimpleNamespace(id="gw")
        self.shutting_down = False
        self._known: list[int] = []
        self._scheduler: Any = scheduler
        scheduler.add_node(self)  # type: ignore[arg-type]
        scheduler.add_node_collection(self, collected)  # type: ignore[arg-type]

    def send_runtest_some(self, known: list[int]) -> None:
        self._known += known

    def shutdown(self) -> None:
        self.shutting_down = True

    def run(self, collected: list[str]) -> str:
        """The test that it has run; `died`, or nothing where it waits."""
        if not self._known or (len(self._known) == 1 and not self.shutting_down):
            return ""
        done = self._known.pop(0)
        if "hangs" in collected[done]:
            return "died"
        self._scheduler.mark_test_complete(self, done)
        return collected[done]


def whole_run(kind: type[LoadScopeScheduling], collected: list[str]) -> tuple[list[str], list[str | None]]:
    """The tests that two workers run until nothing moves any more, and those that killed a worker, 9 at most."""
    option = SimpleNamespace(loadscopereorder=False, tx=["popen", "popen"], rsyncdir=[])
    config: Any = SimpleNamespace(option=option, getvalue=lambda name: getattr(option, name))
    scheduler = kind(config)
    workers = [Worker(scheduler, collected), Worker(scheduler, collected)]
    scheduler.schedule()
    done: list[str] = []
    killers: list[str | None] = []
    while said := next(((one, what) for one in workers if (what := one.run(collected))), None):
        worker, test = said
        if test != "died":
            done.append(test)
        elif len(killers) < 9:
            killers.append(scheduler.remove_node(worker))  # type: ignore[arg-type]
            workers[workers.index(worker)] = Worker(scheduler, collected)
            scheduler.schedule()
    return done, killers


HANGING = [
    *(f"tests/unit/test_a.py::test_{n}" for n in range(3)), "tests/unit/test_b.py::test_hangs",
    "tests/unit/test_b.py::test_after", *(f"tests/unit/test_c.py::test_{n}" for n in range(2)),
    *(f"tests/journeys/test_d.py::test_{n}" for n in range(3)), "tests/journeys/test_d.py::test_hangs",
]  # fmt: skip


@pytest.mark.parametrize("shift", range(len(HANGING)))
def test_what_a_dead_worker_leaves_is_run_and_what_killed_it_is_named_once(shift: int) -> None:
    collected = HANGING[shift:] + HANGING[:shift]
    done, killers = whole_run(Shares, collected)
    assert sorted(done) == sorted(test for test in collected if "hangs" not in test)
    assert sorted(map(str, killers)) == ["tests/journeys/test_d.py::test_hangs", "tests/unit/test_b.py::test_hangs"]


def test_negative_control_xdist_by_itself_waits_or_runs_the_killer_again() -> None:
    class Plain(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return share_of(nodeid)

    done, killers = whole_run(Plain, HANGING)
    assert len(set(done)) < len(HANGING) - 2 or len(killers) > 2


def test_a_run_with_a_test_that_hangs_ends_by_itself_and_names_it(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_xdist_make_scheduler\n")
    (tmp_path / "test_quick.py").write_text("def test_1():\n    pass\n\ndef test_2():\n    pass\n")
    (tmp_path / "test_slow.py").write_text(
        "import pytest, threading\n\n@pytest.mark.timeout(1)\ndef test_hangs():\n    threading.Event().wait()\n\n"
        "def test_after():\n    pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", "--disable-plugin-autoload", "-p", "xdist", "-p", "timeout",
         "-o", "timeout_method=thread", "-c", os.devnull, "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED test_slow.py::test_hangs" in done.stdout and "1 failed, 3 passed" in done.stdout
