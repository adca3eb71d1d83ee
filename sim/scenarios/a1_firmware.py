"""A1 with real firmware: every unit that the outage hits is MicroPython behind an emulated modem with one card or two.

Units, modems, networks and the fleet are on one clock in lock step, so a busy machine makes the run longer and no
figure worse. Nothing of a change of SIM is played here: the firmware finds out by itself, changes its card and says
so. Who stands beside them on other operators is a crowd; the few of these that somebody presses are real too.

An operator is out in one of two ways (`masts`): its cards stay registered and nothing gets through, which a unit learns
only from a receipt that does not come; or its masts are gone, which the modem says.
"""

from __future__ import annotations

import contextlib
import random
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Final

from provisioning.ca import CertificateAuthority
from sim.firmware_build import ROOT, build_firmware
from sim.lockstep import LockStep
from sim.modem.faults import Faults
from sim.modem.rig import Rig
from sim.modem.scenario import Card, Network, Operator, PathSettings, Scenario, Step
from sim.scenarios.a1_night import FIRST_PRESSED, PRESSING, Acts, Night
from sim.scenarios.a1_story import OTHER, Beats
from sim.scenarios.crowd import RATE_WINDOW_S, SIM_1, SIM_2, WAKE_LOST, WAKE_S, One, Way, iccid
from sim.scenarios.evidence import seconds
from sim.scenarios.path import Air, Path, room_for
from sim.scenarios.scenario import Check, Options, ScenarioError
from sim.scenarios.wearers import Plan, RealUnit
from sim.scenarios.world import START, World

LEAST_MISSED: Final = 6
"""Of five units that miss a heartbeat an incident is told; one of six may be heard once more by chance."""
MOST_REAL: Final = 600
"""Each is a process and a pseudo-terminal."""
FILES: Final = 9
"""Open files of a unit, its modem and its way."""
SIM_CHOICE: Final = "firmware/core/sim_choice.py"
SABOTAGES: Final = {"one-sim": "units never change their SIM"}
MASTS_CHANGE_S: Final = 70.0
"""A unit that has lost its masts is not heard on its second SIM before this."""
_TWO: Final = "if self.slots < 2:"
_NAMES: Final = ("first", "second")
FINE_S: Final = 1.0
"""The fleet's polling around a press; what is late by it is late in the figures."""
_SENDER: Final = "46700000009"
_AIR: Final = Air(0.0, 0.0, 0.0)
"""The network's delay and loss are the emulated modem's."""


def refused(options: Options) -> None:
    """Raises ScenarioError for what cannot be run with real firmware, or without it."""
    if not options.firmware:
        if options.sabotage in SABOTAGES:
            raise ScenarioError(f"{options.sabotage} is taken out of real firmware: add --firmware")
        if options.numbers["masts"]:
            raise ScenarioError("masts are of the emulated networks: add --firmware")
        return
    if options.units > MOST_REAL:
        raise ScenarioError(f"with --firmware each unit is a process: at most {MOST_REAL} --units")
    if options.numbers["masts"] not in (0, 1):
        raise ScenarioError("masts is 0 or 1")
    room_for(options.units + PRESSING["elsewhere"], FILES)


@contextlib.contextmanager
def world_of(options: Options, coarse_s: float) -> Iterator[World]:
    """The clock; with real firmware it is the units' as well."""
    if not options.firmware:
        yield World(coarse_s=coarse_s)
        return
    with LockStep(options.folder / "firmware") as lockstep:
        if options.sabotage in SABOTAGES:
            lockstep.build = build_firmware(options.folder / "sabotaged", instead=without_changes())
        yield World(lockstep, coarse_s=coarse_s, fine_s=FINE_S)


def without_changes() -> Mapping[str, str]:
    """Firmware that stays on its SIM: texts for `build_firmware`."""
    text = (ROOT / SIM_CHOICE).read_text(encoding="utf-8")
    if text.count(_TWO) != 2:
        raise LookupError(f"{SIM_CHOICE} has changed: the sabotage takes nothing out of it")
    return {SIM_CHOICE: text.replace(_TWO, "if self.slots < 99:")}


def modem(one: One, seed: int, loss: float) -> Scenario:
    """The modem of a unit, with a card and a network for each of its ways."""
    named = list(zip(_NAMES, one.ways, strict=False))
    return Scenario(
        dialect="bg95", seed=seed, path=PathSettings(loss_up=loss, loss_down=loss),
        networks=tuple(Network(name, tac=way.tac, cell=way.tac + 1, radio="eMTC") for name, way in named),
        operators=tuple(Operator(name, str(way.operator), (name,)) for name, way in named),
        cards=tuple(
            Card(iccid(one.unit, slot), f"{way.operator}{one.unit:09d}{slot}", name)
            for slot, (name, way) in enumerate(named, 1)
        ),
    )  # fmt: skip


class FirmwareNight(Night):
    """The night of real units."""

    def __init__(self, options: Options, world: World) -> None:
        super().__init__(options, world)
        self._real: dict[int, RealUnit] = {}
        self._modems: dict[int, Rig] = {}
        self._rate: Counter[int] = Counter()
        self._due: dict[int, float] = {}
        self._resets = 0
        self._ones = self.story.people()
        _both_kinds(self._ones[: self.hit], bool(self.numbers["masts"]))

    async def gather(self) -> None:
        """Those who are not hit as a crowd; the others are made with the wearers."""
        ones = self._ones
        here = ones[: self.options.units]
        elsewhere = [One(FIRST_PRESSED + n, [Way(SIM_1, OTHER, 1, "issuer A")], "D00", 3)
                     for n in range(PRESSING["elsewhere"])]  # fmt: skip
        await self._gather(ones[self.options.units :])
        real = [*here, *elsewhere]
        self.people |= {one.unit: one for one in real}

    async def wearers(self, authority: CertificateAuthority, stack: contextlib.ExitStack) -> Acts:
        real = [one for unit, one in self.people.items() if unit not in self.crowd.units]
        plans = await self.registered(one.unit for one in real)
        self.crowd.know(real, START - timedelta(days=30))
        self.options.say(f"{len(real)} units are switched on, one by one")
        # Within one interval: as their heartbeats lie in a fleet that has lived for a while.
        acts: Acts = [
            (self.chance.uniform(0, plan.heartbeat_s), partial(self._make, plan, one, authority, stack))
            for plan, one in zip(plans, real, strict=True)
        ]
        acts += [(self.begins, partial(self._operator, False)), (self.ends, partial(self._operator, True))]
        for unit, kind in self._pressed():
            acts += self.presses(unit, kind, partial(self._finger, unit))
        return acts

    def _finger(self, unit: int, down: bool) -> None:
        self._real[unit].contact(down)

    def _make(self, plan: Plan, one: One, authority: CertificateAuthority, stack: contextlib.ExitStack) -> None:
        seed = self.options.seed * 1_000_003 + plan.unit
        rig = self._modems[plan.unit] = Rig(modem(one, seed, self.numbers["loss"]), self.world.clock)
        folder = self.options.folder / "units" / f"{plan.unit:08x}"
        unit = self._real[plan.unit] = RealUnit(self.world, plan, folder, authority, seed, rig=rig)
        path = Path(self.world, self.fleet.door, _AIR, random.Random(seed), unit.down)
        unit.connect(path)
        stack.callback(unit.close)
        stack.callback(path.close)
        self.fleet.modems[plan.unit] = partial(self._woken, one, rig.device)

    def _pressed(self) -> list[tuple[int, str]]:
        hit = [self.people[unit] for unit in range(1, self.hit + 1)]
        dual, single = ([one.unit for one in hit if len(one.ways) == ways] for ways in (2, 1))
        elsewhere = [unit for unit in self.people if unit >= FIRST_PRESSED]
        chosen = {"dual": dual, "single": single, "elsewhere": elsewhere}
        return [
            (unit, kind) for kind, units in chosen.items()
            for unit in self.chance.sample(units, min(PRESSING[kind], len(units)))
        ]  # fmt: skip

    def _operator(self, up: bool) -> None:
        """It goes, or comes back."""
        for unit in range(1, self.hit + 1):
            device = self._modems[unit].device
            if self.numbers["masts"]:
                device.radio.set_network(_NAMES[0], up)
            else:
                device.do(Step("loss", at_ms=0, slot=0, loss=0.0 if up else 1.0))

    def _woken(self, one: One, device: Faults, text: str) -> None:
        """An SMS is on its way to it; one in a hundred is lost, and what finds no network is too."""
        if self.chance.random() < WAKE_LOST:
            return

        def arrives() -> None:
            way = one.ways[device.slot]
            if device.registered() and not self.story.out(one, way, self.world.clock.now()):
                device.do(Step("sms", at_ms=0, payload=text.encode().hex(), coding="7-bit", sender=_SENDER))

        self.world.clock.call_later(self.chance.uniform(*WAKE_S), arrives)

    def begun(self) -> None:
        rows = self.fleet.rows("SELECT unit_id, due_at FROM unit_states WHERE unit_id <= %s AND unit_id = ANY(%s)",
                               self.hit, list(self._real))  # fmt: skip
        self._due = {row["unit_id"]: seconds(row["due_at"]) for row in rows}

    @property
    def beats(self) -> Beats:
        return self

    def overdue(self, since: float, units: Collection[int], grace_s: float) -> list[float]:
        """When each of these becomes late that is heard no more since then, the first one first. Whose masts are gone
        is heard on its second SIM before that, unless its heartbeat is due very soon."""
        late = [(unit, self._due[unit] + grace_s) for unit in units if unit in self._due]
        gone = self.numbers["masts"] == 1
        return sorted(
            at for unit, at in late if not gone or len(self.people[unit].ways) == 1 or at < since + MASTS_CHANGE_S
        )

    def ended(self) -> None:
        rows = self.fleet.rows(
            "SELECT unit_id, received_at, bearer FROM readings WHERE unit_id = ANY(%s)"
            " ORDER BY received_at, boot, seq", list(self._real),
        )  # fmt: skip
        said: dict[int, list[tuple[float, int | None]]] = defaultdict(list)
        for row in rows:
            at = seconds(row["received_at"])
            self._rate[int(at // RATE_WINDOW_S)] += 1
            said[row["unit_id"]].append((at, row["bearer"]))
        for unit, beats in said.items():
            self._paths(self.people[unit], beats)
        self._resets = sum(unit.resets for unit in self._real.values())

    def _paths(self, one: One, beats: list[tuple[float, int | None]]) -> None:
        on = SIM_1
        for at, bearer in beats:
            if bearer == SIM_2 and at >= self.begins and one.moved_at is None:
                one.moved_at = at
            if bearer == SIM_1 and on == SIM_2:
                one.returns.append(at)
            on = bearer if bearer is not None else on

    def rate(self) -> Counter[int]:
        return self.crowd.rate + self._rate

    def further_checks(self) -> list[Check]:
        dual = [one for one in self.people.values() if one.unit <= self.hit and len(one.ways) > 1]
        took = sorted(one.moved_at - self.begins for one in dual if one.moved_at is not None)
        how = "its masts are gone" if self.numbers["masts"] else "it keeps its cards registered"
        return [
            Check("units in MicroPython behind an emulated modem", len(self._real), how, True),
            Check("on the other SIM after (s): half of them, all", _half_and_all(took), "any", True),
            Check("restarts of units by themselves", self._resets, 0, self._resets == 0),
        ]


def _both_kinds(hit: list[One], masts: bool) -> None:
    """One at least has a second SIM and one has none, however few there are. Raises ScenarioError where the fleet could
    not notice it: a unit whose masts are gone is on its second SIM before it misses a heartbeat."""
    dual = [one for one in hit if len(one.ways) > 1]
    if masts and len(hit) - len(dual) < LEAST_MISSED:
        raise ScenarioError(
            f"where masts are gone at least {LEAST_MISSED} units without a second SIM are missed: more --units, "
            "a smaller dual, or another seed"
        )
    if not dual:
        raise ScenarioError("with --firmware at least one unit has a second SIM: another seed, or a greater dual")
    if len(dual) == len(hit):
        del dual[-1].ways[1:]


def _half_and_all(took: list[float]) -> str:
    return f"{took[len(took) // 2]:.0f}, {took[-1]:.0f}" if took else "none"
