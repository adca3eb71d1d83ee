"""Power cut at every call to the flash, on real LittleFS under real MicroPython; on FAT the same must be seen to fail.

The quick run cuts at a part of the calls, `make proof` at every one. The heap is the test's: it holds whole flashes.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from sim.firmware_build import build_firmware, command, environment

HERE = Path(__file__).parent


BESIDE = sorted(path for path in HERE.glob("*.py") if not path.name.startswith("test_"))


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return build_firmware(tmp_path_factory.mktemp("firmware"), BESIDE)


def run(build, script, *arguments):
    result = subprocess.run(
        command(build, f"import sys, {script}; sys.exit({script}.main{arguments!r})", "64M"),
        env={**os.environ, **environment(build)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    print(result.stdout)
    return result


def numbers(text, *names):
    """The number before each of these words."""
    found = [re.search(rf"(\d+) {name}", text) for name in names]
    assert all(found), text
    return [int(one[1]) for one in found if one]


def nothing_lost(result):
    assert result.returncode == 0, result.stdout + result.stderr
    return numbers(result.stdout, "acknowledged lost", "numbers reused", "chains broken", "values wrong") == [0] * 4


def test_no_cut_on_littlefs_loses_what_was_acknowledged(build):
    result = run(build, "power_cut", "littlefs", 40)
    assert nothing_lost(result)
    assert min(numbers(result.stdout, "operations", "cut points", "torn points")) >= 40


def test_no_call_that_fails_once_loses_what_was_acknowledged(build):
    result = run(build, "power_cut", "refused", 9)
    assert nothing_lost(result)


def test_no_second_cut_in_the_boot_after_the_first_loses_it_either(build):
    result = run(build, "power_cut", "twice", 400)
    assert nothing_lost(result)


def test_negative_control_fat_loses_what_was_acknowledged(build):
    result = run(build, "power_cut", "fat", 7)
    assert result.returncode == 0, result.stdout + result.stderr
    assert numbers(result.stdout, "acknowledged lost")[0] > 0


def broken(tmp_path, module, right, wrong):
    """A build in which one line of the firmware is wrong."""
    source = (HERE.parents[1] / module).read_text()
    assert source.count(right) == 1
    return build_firmware(tmp_path, BESIDE, {module: source.replace(right, wrong)})


@pytest.mark.parametrize(
    ("module", "right", "wrong", "found"),
    [
        ("firmware/ports/journal.py", "self._file.write(data)\n            self._file.flush()",
         "self._file.write(data)", "acknowledged lost"),
        ("firmware/ports/counters.py", "_content(self._end + BLOCK,", "_content(self._end,", "numbers reused"),
        ("firmware/core/book.py", "records.header(head,", "records.header(records.GENESIS,", "chains broken"),
    ],
)  # fmt: skip
def test_negative_control_a_wrong_line_is_found(tmp_path, module, right, wrong, found):
    result = run(broken(tmp_path, module, right, wrong), "power_cut", "littlefs", 150)
    assert result.returncode == 1, result.stdout + result.stderr
    assert numbers(result.stdout, found)[0] > 0


def test_what_writing_costs_the_flash(build):
    result = run(build, "flash_wear")
    assert result.returncode == 0, result.stdout + result.stderr
    assert numbers(result.stdout, "years on")[0] >= 20


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", ["littlefs", "twice", "refused", "fat"])
def test_power_cut_at_every_call(build, mode):
    result = run(build, "power_cut", mode, 20 if mode == "twice" else 1)
    assert result.returncode == 0, result.stdout + result.stderr
    if mode != "fat":
        assert nothing_lost(result)
