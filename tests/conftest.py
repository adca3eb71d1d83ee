"""What a run shares: the order of tests, compiled firmware, ports of each worker's own, an end to what hangs."""

from __future__ import annotations

import faulthandler
import os
import shutil
import sys
import tempfile
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from sim.firmware_build import BUILDS
from tests import ports, sizes
from tests.database import end_shared_cluster

ENDING_S = 120.0
"""Patience with what runs after the last test."""
FOLDERS = ("journeys", "faults", "peers", "browser", "store", "on_unit", "both", "unit")
"""What waits longest comes first, so that no long test begins when the others are done."""
EACH_ALONE = "tests/journeys/"
"""Every test of these files brings up a house of its own: side by side they share nothing that a file would keep."""
_builds = pytest.StashKey[str]()


class Shares(LoadScopeScheduling):
    """A worker gets a whole file at a time, which keeps what its tests share; of journeys it gets one test."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if nodeid.startswith(EACH_ALONE) else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Shares:
    config.option.loadscopereorder = False
    return Shares(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full-size", action="store_true", help="properties with all their examples, drawn anew")


def pytest_configure(config: pytest.Config) -> None:
    settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("house")
    ports.keep_to_own_share()
    if BUILDS not in os.environ:
        # Inherited by workers and by every process of a test.
        os.environ[BUILDS] = config.stash[_builds] = tempfile.mkdtemp(prefix="livlina-builds-")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.option.full_size:
        sizes.lessen(items)

    def place(item: pytest.Item) -> int:
        folder = item.nodeid.split("/")[1]
        return FOLDERS.index(folder) if folder in FOLDERS else len(FOLDERS)

    items.sort(key=place)


def pytest_sessionfinish() -> None:
    # No test's time limit covers this part: whoever hangs here says where and ends.
    faulthandler.dump_traceback_later(ENDING_S, exit=True, file=sys.__stderr__)


def pytest_unconfigure(config: pytest.Config) -> None:
    end_shared_cluster()
    if _builds in config.stash:
        shutil.rmtree(config.stash[_builds])
        del os.environ[BUILDS]
    faulthandler.cancel_dump_traceback_later()
