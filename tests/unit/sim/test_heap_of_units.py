"""Every kind of unit works in a heap of 100 kB, the fullest hub too.

With the control: code that is loaded from files does not fit.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bench import heap
from sim.firmware_build import HEAP_KB, build_firmware, interpreter

SOON_S = 400
"""Long enough for a start, a registration and a heartbeat; `python -m bench.heap` takes six hours."""
_ALL = "import " + ", ".join(["firmware." + name for name in ("main", "coap", "mqtt", "cellular", "bg95", "stream")])


@pytest.mark.parametrize("kind", heap.UNITS, ids=lambda kind: kind.name)
def test_a_unit_works_in_its_heap(kind: heap.Kind) -> None:
    found = heap.measure(kind, SOON_S)
    print(f"{kind.name}: {found.used} bytes, {found.free} free, words of {found.word}")
    assert HEAP_KB == heap.BOARD_KB and not found.resets
    assert found.free > heap.LEAST_FREE, "less than 4 % are left: python -m bench.heap; ideas in docs/decisions/0013"


def loaded(build: Path, heap_kb: int) -> subprocess.CompletedProcess[str]:
    """The unit's code from files, into a heap of this size."""
    path = f".frozen:{build / 'shims'}:{build}"
    return subprocess.run(
        [*interpreter(), "-X", f"heapsize={heap_kb}wK", "-c", _ALL],
        env={**os.environ, "MICROPYPATH": path}, cwd=build, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_negative_control_loaded_from_files_it_does_not_fit(tmp_path: Path) -> None:
    build = build_firmware(tmp_path)
    few = loaded(build, heap.BOARD_KB)
    assert few.returncode and "MemoryError" in few.stdout + few.stderr
    assert loaded(build, 4 * heap.BOARD_KB).returncode == 0, "it is the heap that is missing"
