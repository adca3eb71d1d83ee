"""Who is at rest, and who goes on first, without a look at everybody: as a look at everybody would say it."""

from __future__ import annotations

import random

from sim.modem.path import Flights
from sim.restless import Restless


class One:
    """A unit whose books are set by hand; `looked` counts how often it was asked."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.rests = True
        self.until: float | None = None
        self.looked = 0

    def at_rest(self) -> bool:
        self.looked += 1
        return self.rests

    def due(self) -> float | None:
        return self.until


def test_only_who_was_stirred_is_asked() -> None:
    units = {number: One(number) for number in range(50)}
    restless = Restless(units)
    units[7].rests = False
    restless.stir(7)
    assert not restless.over()
    units[7].rests = True
    assert restless.over() and restless.over()
    assert sum(one.looked for one in units.values()) == units[7].looked == 2


def test_whoever_goes_on_first_is_who_a_look_at_everybody_finds() -> None:
    chance = random.Random(1)
    units = {number: One(number) for number in range(20)}
    restless = Restless(units)
    assert restless.first() is None
    for _ in range(2000):
        one = units[chance.randrange(20)]
        # It declares anew, or ends and wants nothing any more.
        one.until = float(chance.randrange(100)) if chance.random() < 0.8 else None
        restless.wants(one)
        wanting = [(unit.until, unit.number) for unit in units.values() if unit.until is not None]
        assert restless.first() == min(wanting, default=None)


def test_a_datagram_is_under_way_until_it_has_come_out() -> None:
    flights = Flights()
    here, there, nobody = ("127.0.0.1", 1), ("127.0.0.1", 2), ("127.0.0.1", 3)
    flights.opened(here)
    flights.opened(there)
    for to in (here, here, there, nobody):
        flights.sent(to)
    flights.came(here)
    flights.came(there)
    assert not flights.over()
    flights.came(here)
    assert flights.over()
    flights.sent(there)
    flights.closed(there)
    assert flights.over(), "what nobody hears any more does not hold the time"
