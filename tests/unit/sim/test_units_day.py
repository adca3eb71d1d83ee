"""A tracker's day: real firmware, real MicroPython, an emulated modem, on the clock that moves only when everybody has
come to rest; it sleeps between its heartbeats, and what its own ledger says of a day is what the model says, within a
tolerance.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from firmware.core import drill, power, profiles
from firmware.ports import kept
from protocols.wire import cbor, messages
from provisioning.ca import CertificateAuthority
from provisioning.identity import Extras, make_identity, write_flash
from sim.board import Sleep
from sim.cellular import configured
from sim.lockstep import LockStep
from sim.modem.rig import Rig
from sim.modem.scenario import Grant, Scenario, load
from sim.sealed_receiver import Books, Receiver

HEARTBEAT_S = 3600
WAKES = 25
"""A power-up and a day's heartbeats."""
TOLERANCE = 0.3
"""The model takes an exchange as it was measured on another board, 22 s in all; a unit here is through sooner, on a
network that answers at once. What the ledger cannot see (self-discharge, spare SIM, presses) is left out."""
_MEMORY = 4
# What is asked for is granted: 10 s of active time, and a period of hours (TS 24.008 10.5.7.3, 10.5.7.4a).
CALM = replace(load("calm"), grant=Grant(active="00000101", tau="00100110"))


class Place:
    """A world with one tracker, and one address of the fleet."""

    def __init__(self, folder: Path, build: Path, modem: Scenario | None = None) -> None:
        self.world = LockStep(build)
        identity = make_identity(1)
        authority = CertificateAuthority.open(folder / "ca")
        self.books = Books({1: identity})
        self.receiver = Receiver(self.world, self.books)
        flash = folder / "flash"
        write_flash(
            flash, identity, authority.issue_unit(1), authority.ca_der, profile=profiles.TRACKER,
            heartbeat_s=HEARTBEAT_S, pipes=["coap"], coap_addresses=[("127.0.0.1", self.receiver.port)],
            extras=None if modem is None else Extras(modem=configured(modem)),
        )  # fmt: skip
        (flash / ("drill" + kept.SUFFIX)).write_bytes(kept.pack(drill.EVERY_S))
        rig = None if modem is None else Rig(modem, self.world.clock)
        self.unit = self.world.add_unit(1, flash, seed=1, rig=rig)

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
    ledger = [cbor.decode(sleep.memory)[_MEMORY][-1] for sleep in sleeps]
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
