"""A program that loads much: the collector rests meanwhile, and not for good."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from livlina.loading import uncollected


def collections() -> int:
    return sum(each["collections"] for each in gc.get_stats())


def many() -> list[object]:
    return [[number] for number in range(100_000)]


def test_what_is_loaded_is_never_looked_through_and_collecting_goes_on() -> None:
    try:
        before, kept = collections(), gc.get_freeze_count()
        with uncollected():
            loaded = many()
            assert collections() == before
        assert gc.isenabled() and gc.get_freeze_count() >= kept + len(loaded)
        made = many()
        assert collections() > before, "the control: without it the collector looks"
        with pytest.raises(ImportError), uncollected():
            raise ImportError
        assert gc.isenabled()
        gc.disable()
        with uncollected():
            del made
        assert not gc.isenabled(), "nobody's choice is changed"
    finally:
        gc.enable()


def test_serve_loads_so() -> None:
    """Before a word of its settings is read: the modules are there, kept apart, and collecting goes on."""
    code = (
        "import gc, sys\n"
        "from livlina import cli\n"
        "class Told:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'livlina.serve': print(gc.isenabled())\n"
        "sys.meta_path.insert(0, Told())\n"
        "cli.settings_or_fail = lambda: sys.exit(f'{gc.isenabled()} {gc.get_freeze_count() > 100_000}')\n"
        "cli.serve()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout.split(), done.stderr.split()[-2:]) == (["False"], ["True", "True"]), done.stderr
