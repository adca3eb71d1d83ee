"""A program that loads much: the collector rests meanwhile, and not for good."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from livlina.loading import SELDOM, uncollected


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
    code = """
import gc, sys
from livlina import cli

def now():
    return f"{gc.isenabled()} {gc.get_freeze_count() > 100_000} {gc.get_threshold()[0]}"

class Told:
    def find_spec(self, name, path=None, target=None):
        if name == "livlina.serve":
            print(now())

sys.meta_path.insert(0, Told())
cli.settings_or_fail = lambda: sys.exit(now())
sys.argv = ["livlina", "serve"]
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == ["False", "False", str(SELDOM)], "while it loads"
    assert done.stderr.split()[-3:] == ["True", "True", str(gc.get_threshold()[0])], done.stderr
