"""Sizes that a stranger gives a measurement: within their bounds, or refused in one sentence."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from bench import options


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        (options.whole(1, 10), {"1": 1, "10": 10}, ["0", "11", "-1", "1.5", "x", "", "nan"]),
        (options.real(0.1, 0.9), {"0.1": 0.1, "0.5": 0.5}, ["0", "1", "-1", "nan", "inf", "x", ""]),
        (options.SEED, {"0": 0, "7": 7}, ["-1", "x", str(2**31)]),
    ],
)
def test_what_lies_within_its_bounds_is_taken_and_nothing_else(kind, right, wrong):
    assert {text: kind(text) for text in right} == right
    for text in wrong:
        with pytest.raises(argparse.ArgumentTypeError, match="is no"):
            kind(text)


def interrupted() -> int:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("main", "status"), [(lambda: 0, 0), (lambda: 1, 1), (lambda: None, None), (interrupted, 130)])
def test_a_measurement_ends_with_its_verdict_or_with_130(main, status):
    with pytest.raises(SystemExit) as ended:
        options.run(main)
    assert ended.value.code == status


COMMANDS = [path for path in Path(options.__file__).parent.glob("*.py") if "ArgumentParser(" in path.read_text()]


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.stem)
def test_every_measurement_has_bounds_and_an_end_by_ctrl_c(path):
    text = path.read_text()
    assert "options.run(main)" in text and "type=int" not in text and "type=float" not in text
