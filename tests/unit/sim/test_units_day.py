"""A tracker's day: real firmware, real MicroPython, an emulated modem, on the clock that moves only when everybody has
come to rest; it sleeps between its heartbeats, and what its own ledger says of a day is what the model says, within a
tolerance.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from firmware.core import power, profiles
from firmware.repose import BOOK
from protocols.wire import cbor, messages
from sim.board import Sleep
from sim.modem.scenario import Grant, Scenario, load
from tests.one_unit import OneUnit

HEARTBEAT_S = 3600
WAKES = 25
"""A power-up and a day's heartbeats."""
TOLERANCE = 0.3
"""The model takes an exchange as it was measured on another board, 22 s in all; a unit here is through sooner, on a
network that answers at once. What the ledger cannot see (self-discharge, spare SIM, presses) is left out."""
_MEMORY = 4
# What is asked for is granted: 10 s of active time, and a period of hours (TS 24.008 10.5.7.3, 10.5.7.4a).
CALM = replace(load("calm"), grant=Grant(active="00000101", tau="00100110"))


class Place(OneUnit):
    """One tracker, and when it sleeps."""

    def __init__(self, folder: Path, build: Path, modem: Scenario | None = None) -> None:
        super().__init__(folder, build, profile=profiles.TRACKER, heartbeat_s=HEARTBEAT_S, modem=modem)

    def night(self, number: int, within_s: float = 2 * HEARTBEAT_S) -> Sleep:
        """What the board says when it falls asleep for the so-manyth time."""
        assert self.world.run(within_s, lambda: self.unit.naps == number), "it does not sleep"
        assert self.unit.board.sleep is not None
        return self.unit.board.sleep


def model_uj(count):
    """What the model says of so many hours: floor and heartbeats, once sent."""
    kind = profiles.named("tracker")
    mv = kind.battery[1]
    return count * (power.steady(power.FLOOR_UA, mv) * HEARTBEAT_S // power.DAY_S + power.heartbeat_uj(mv))


def test_a_day_of_a_tracker(tmp_path: Path, build: Path) -> None:
    place = Place(tmp_path, build, CALM)
    with place.world:
        sleeps = [place.night(number) for number in range(1, WAKES + 1)]
    ledger = [cbor.decode(sleep.memory)[_MEMORY][BOOK] for sleep in sleeps]
    # The first wake is a power-up, with a search and a status.
    hours = WAKES - 1
    spent, model = ledger[-1][1] - ledger[0][1], model_uj(hours)
    days = power.capacity(500, 3900, 0) * hours / 24 / spent
    print(
        f"{hours} h of a tracker: ledger {spent / 3.6e6:.2f} mWh, model {model / 3.6e6:.2f} mWh ({spent / model:.0%}); "
        f"wakes of {sorted(book[2] for book in ledger)[len(ledger) // 2] / 1000:.1f} s (median); {days:.0f} days"
    )
    assert [book[0] for book in ledger] == list(range(1, WAKES + 1)), "each wake is counted once"
    assert abs(spent - model) <= TOLERANCE * model
    assert all(3000 <= sleep.ms // 1000 <= HEARTBEAT_S for sleep in sleeps)
    assert place.books.heartbeats >= WAKES
    assert not place.books.presses


def test_a_press_wakes_a_tracker_and_is_taken_before_it_sleeps_again(tmp_path: Path, build: Path) -> None:
    place = Place(tmp_path, build)
    with place.world as world:
        place.night(1)
        place.unit.press()
        assert world.run(60, lambda: place.unit.stage == "stored")
        (key,) = place.books.presses
        # Stored is not taken: it stays awake and asks.
        assert world.run(600, lambda: place.books.types["Query"] > 0)
        assert place.unit.naps == 1
        place.receiver.reach(*key, stage=messages.TAKEN)
        place.night(2, within_s=600)
        assert set(place.books.presses) == {key}, "one press, however the board was woken"
