"""What a run shares: the order of tests, compiled firmware, ports of each worker's own, an end to what hangs."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import sys
import tempfile
from collections.abc import Generator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.testing
from hypothesis import HealthCheck, settings

from sim.firmware_build import BUILDS
from tests import ports, ready_cluster, scratch, sharing, sizes
from tests.database import end_shared_cluster

ENDING_S = 120.0
"""Patience with what runs after the last test."""
_scratch = pytest.StashKey[Path]()
# The tables of all commands are made once a process, not once for each command that a test types.
typer.testing._get_command = cache(typer.main.get_command)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> sharing.Shares:
    config.option.loadscopereorder = False
    return sharing.Shares(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full-size", action="store_true", help="properties with all their examples, drawn anew")


def pytest_configure(config: pytest.Config) -> None:
    settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("house")
    ports.keep_to_own_share()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As a shell starts what it runs in the background. Tests end programs, PostgreSQL among them, by that signal.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        # Inherited by workers and by every process of a test.
        config.stash[_scratch] = folder = scratch.enter()
        if BUILDS not in os.environ:
            os.environ[BUILDS] = str(folder / "builds")
    ready_cluster.provide(Path(tempfile.gettempdir()))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Thousands of tests and all modules stay to the end: the garbage collector need not look at them again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.option.full_size:
        sizes.lessen(items)
    if hasattr(config, "workerinput"):
        places = {share: place for place, share in enumerate(sharing.order(item.nodeid for item in items))}
        items.sort(key=lambda item: places[sharing.share_of(item.nodeid)])


def pytest_sessionfinish() -> None:
    # No test's time limit covers this part: whoever hangs here says where and ends.
    faulthandler.dump_traceback_later(ENDING_S, exit=True, file=sys.__stderr__)


def pytest_unconfigure(config: pytest.Config) -> None:
    end_shared_cluster()
    if _scratch in config.stash and (left := scratch.leave(config.stash[_scratch])):
        print("ended at the end of the run, for their tests had not:", *left, sep="\n  ")
    faulthandler.cancel_dump_traceback_later()
