"""The modem's tests: the compiled unit, and figures that are shown after the run."""

from __future__ import annotations

from pathlib import Path

import pytest
from unit_build import build_unit


@pytest.fixture(scope="session")
def unit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_unit(tmp_path_factory.mktemp("modem"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.stats.get("passed", []):
        if "unit/modem" in report.nodeid and report.nodeid.endswith("_costs") and report.capstdout:
            terminalreporter.section(report.nodeid, sep="-")
            terminalreporter.write(report.capstdout)
