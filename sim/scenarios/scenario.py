"""What a scenario is: a day in the life of the product, judged against a truth that the product never reads.

A scenario drives the product's own code on a database of its own. It gives back checks, each a measured value beside
its limit. A sabotage switches one protection off; with it at least one check must fail, or the scenario proves nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Number = int | float


class ScenarioError(ValueError):
    """The scenario cannot be run as asked; the message says what there is to choose from."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the verdict. ``limit`` says in words or as a number what ``value`` was held against."""

    name: str
    value: Number | str | None
    limit: Number | str
    ok: bool


@dataclass(frozen=True, slots=True)
class Options:
    """How a scenario is run. ``numbers`` are the scenario's own, defaults filled in; ``folder`` is empty and its own;
    ``say(text)`` tells a person how far it is."""

    units: int
    seed: int
    firmware: bool
    sabotage: str | None
    numbers: Mapping[str, float]
    folder: Path
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario. ``sabotages`` are names with what each switches off; ``numbers`` what can be set, with defaults;
    ``bounds`` from what to what, and ``least`` with how many units, it is a story that can be judged; ``firmware`` says
    whether real units can take part, ``firmware_units`` how many then where nobody says; ``run`` does it and gives the
    checks."""

    name: str
    title: str
    units: int
    run: Callable[[Options], Awaitable[list[Check]]]
    sabotages: Mapping[str, str]
    numbers: Mapping[str, float] = field(default_factory=dict)
    firmware: bool = False
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    least: int = 1
    firmware_units: int | None = None

    def __post_init__(self) -> None:
        if not self.sabotages:
            raise ValueError(f"scenario {self.name} has no sabotage: nothing shows that it can fail")

    def settle(self, given: Mapping[str, float]) -> dict[str, float]:
        """All numbers of a run. Raises ScenarioError for one that it does not have, or that is out of bounds."""
        for name in given:
            if name not in self.numbers:
                known = ", ".join(self.numbers) or "none"
                raise ScenarioError(f"{name} is no number of scenario {self.name}; there are: {known}")
        for name, (low, high) in self.bounds.items():
            if name in given and not low <= given[name] <= high:
                raise ScenarioError(f"{name} of scenario {self.name} is {low:g} to {high:g}, {given[name]:g} is not")
        return {**self.numbers, **given}

    def fleet(self, units: int | None, firmware: bool = False) -> int:
        """How many units take part. Raises ScenarioError for fewer than the story needs."""
        if units is not None and units < self.least:
            raise ScenarioError(f"scenario {self.name} needs at least {self.least} units")
        if units is not None:
            return units
        return self.firmware_units if firmware and self.firmware_units is not None else self.units


PLACES: dict[str, str] = {
    "A1": "sim.scenarios.a1_operator_outage",
    "A11": "sim.scenarios.a11_restart",
    "A12": "sim.scenarios.a12_power_cut",
    "A2": "sim.scenarios.a2_sunset",
    "A3": "sim.scenarios.a3_primary_out",
    "A4": "sim.scenarios.a4_pairing",
    "A5": "sim.scenarios.a5_stuck_button",
    "A6": "sim.scenarios.a6_battery_weekend",
    "A7": "sim.scenarios.a7_replay",
    "A8": "sim.scenarios.a8_test_flood",
    "A9": "sim.scenarios.a9_guard_change",
}
"""Scenario -> the module whose ``SCENARIO`` it is; loaded only when it is asked for."""


def names() -> list[str]:
    """The scenarios that there are."""
    return sorted(PLACES)


def find(name: str) -> Scenario:
    """The scenario of this name, in either case. Raises ScenarioError with the names there are."""
    place = PLACES.get(name.upper())
    if place is None:
        raise ScenarioError(f"{name} is no scenario; there are: {', '.join(names())}")
    found = importlib.import_module(place).SCENARIO
    if not isinstance(found, Scenario):
        raise TypeError(f"{place}.SCENARIO is no Scenario")
    return found
