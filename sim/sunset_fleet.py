"""A fleet before a network closes, with the truth of each unit. Made from a seed; stands in for the world.

The product reads `Fleet.units` (what was seen on the air, what modems and SIM issuers answered); `Fleet.truth` says
what is so, by unit: fine, over_the_air, sim_swap or hardware_swap.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta

from fleet.connectivity.sunset_model import Seen, Sim, Unit

OPEN = "lte_m"
CLOSING = "gsm"


@dataclass(frozen=True, slots=True)
class Fleet:
    units: tuple[Unit, ...]
    truth: dict[int, str]
    operators: tuple[str, ...]


def make(
    units: int = 11_000, seed: int = 1, today: date = date(2026, 10, 1), *, share: float = 0.4,
    over_the_air: float = 0.3, sim_swaps: float = 0.0, listed_wrong: float = 0.03,
    operators: tuple[str, ...] = ("northtel",), dual: float = 0.2, districts: int = 40,
) -> Fleet:  # fmt: skip
    """``share`` of the units live on the closing technology only; of these ``over_the_air`` and ``sim_swaps`` are
    helped so, the others need a unit. ``listed_wrong`` of the list of models says the opposite of what is so."""
    chance = random.Random(seed)
    doomed_count, made, truth = round(units * share), [], {}
    numbers = list(range(1, units + 1))
    chance.shuffle(numbers)
    doomed = numbers[:doomed_count]
    air, sims = round(doomed_count * over_the_air), round(doomed_count * sim_swaps)
    for place, number in enumerate(doomed):
        truth[number] = "over_the_air" if place < air else "sim_swap" if place < air + sims else "hardware_swap"
    wrong = set(chance.sample(numbers, round(units * listed_wrong)))
    for number in range(1, units + 1):
        truth.setdefault(number, "fine")
        made.append(_unit(number, truth[number], number in wrong, chance, today, operators, dual, districts))
    return Fleet(tuple(made), dict(sorted(truth.items())), operators)


def _unit(
    number: int, so: str, wrong: bool, chance: random.Random, today: date, operators: tuple[str, ...], dual: float,
    districts: int,
) -> Unit:  # fmt: skip
    seen: list[Seen] = []
    slots = (1, 2) if chance.random() < dual else (1,)
    firmware = f"M{chance.randrange(4)}"
    for slot in slots:
        operator = operators[chance.randrange(len(operators))]
        lately = today - timedelta(days=chance.randrange(5))
        if so == "fine":
            proof = today - timedelta(days=chance.randrange(1, 200))
            seen.append(Seen(slot, operator, "SE", OPEN, lately, proof, firmware))
            if chance.random() < 0.3:
                seen.append(Seen(slot, operator, "SE", CLOSING, lately, None))
        else:
            proof_old = today - timedelta(days=chance.randrange(1, 200))
            seen.append(Seen(slot, operator, "SE", CLOSING, lately, proof_old, firmware))
            if chance.random() < 0.02:  # a bearer of long ago, on a SIM's plan that is no more
                seen.append(Seen(slot, operator, "SE", CLOSING, today - timedelta(days=400)))
    can = {CLOSING} if so == "hardware_swap" else {CLOSING, OPEN}
    listed = {CLOSING} if (so == "hardware_swap") != wrong else {CLOSING, OPEN}
    allows = frozenset({CLOSING}) if so == "sim_swap" else frozenset({CLOSING, OPEN})
    return Unit(
        number=number, unit_type="personal" if chance.random() < 0.03 else "social", municipality=1480,
        district=f"D{chance.randrange(districts):02d}", lives_alone=chance.random() < 0.6,
        care_priority=chance.randrange(1, 6), seen=tuple(seen), sims=tuple(Sim(slot, "", allows) for slot in slots),
        modem_firmware=firmware, modem_says=frozenset(can), listed=frozenset(listed),
    )  # fmt: skip
