"""Boards an hour: what is computed is what a virtual board counts, and enough."""

from __future__ import annotations

import hashlib

import pytest

from provisioning.pace import LEAST_AN_HOUR, boards_an_hour, machine_seconds

BAUD = 921_600
REAL = {
    0x10000: hashlib.shake_256(b"python").digest(1_600_000),
    0x200000: hashlib.shake_256(b"firmware").digest(150_000),
    0x280000: b"\xff" * 0x80000,
}
COUNTED_S = 55.5
"""What virtual boards have counted until their ledger rows (`livlina provision demo`), without the last look."""


def test_a_real_board_of_4_mb_is_made_in_time_to_make_20_an_hour() -> None:
    seconds = machine_seconds(REAL, BAUD)
    reading = sum(len(piece) for piece in REAL.values()) * 10 / BAUD
    assert seconds - reading == pytest.approx(COUNTED_S, rel=0.2)
    assert boards_an_hour(seconds, 1) >= LEAST_AN_HOUR
    # The control: by a slow cable it is not.
    assert boards_an_hour(machine_seconds(REAL, 115_200), 1) < LEAST_AN_HOUR


def test_hands_are_the_limit_of_many_cables() -> None:
    assert boards_an_hour(100, 1) < boards_an_hour(100, 2) < boards_an_hour(100, 40) == boards_an_hour(0, 40) == 60
