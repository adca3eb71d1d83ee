"""The modem's tests on the firmware as it is shipped: folded, compiled, executed in place (sim/firmware_build.py)."""

from __future__ import annotations

import os
from pathlib import Path

from firmware.manifest import GROUPS
from sim import firmware_build

ROOT = firmware_build.ROOT
HERE = Path(__file__).parent
RUNNER = ROOT / "tests/both/unit_runner.py"
# unit_alarm.py has less patience than a unit: its modem answers at once or not at all.
IMPATIENT = (("firmware.core.at", "PROBE_MS"), ("firmware.modem.chores", "SMS_ALARM_MS"))
PLAIN = [HERE / f"{name}.py" for name in ("conduct_bench", "test_conduct", "test_dialects", "test_channel")]


def modem_groups() -> list[str]:
    """What a unit with a modem carries besides the others: its linked modules, as files of a build."""
    own = ("firmware.modem.", "firmware.core.at")
    return [group.replace(".", "/") for group, roots in GROUPS.items() if any(one.startswith(own) for one in roots)]


def build_unit(folder: Path, *more: Path) -> Path:
    """The unit, and tests that run on it."""
    return firmware_build.build_firmware(folder, [RUNNER, *PLAIN, *more])


def shipped_command(folder: Path, test: str, **environment: str) -> tuple[list[str], dict[str, str]]:
    """How to start a module of this folder on the unit; it is built below `folder`."""
    build = firmware_build.build_firmware(folder, [HERE / f"{test}.py"], variables=IMPATIENT)
    return command(build, f"import {test}", **environment)


def command(build: Path, code: str, **environment: str) -> tuple[list[str], dict[str, str]]:
    """How to start MicroPython with a unit's heap on a build: the arguments, and the environment."""
    argv = firmware_build.command(build, code, firmware_build.heap(build))
    return argv, {**os.environ, **firmware_build.environment(build), **environment}
