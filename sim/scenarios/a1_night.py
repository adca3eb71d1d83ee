"""A1's night as it is played: who beats, who is pressed, and what became of everybody's paths.

`Night` is a crowd that beats, with whole units on CPython among it for those whom somebody presses; how long a change
of SIM takes is played there. `a1_firmware` overrides what real firmware does by itself.
"""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import Final

from protocols.wire.messages import STATUS_TAC
from provisioning.ca import CertificateAuthority
from provisioning.identity import make_identity
from sim.scenarios.a1_story import OTHER, OUT, SPARE, Beats, Story
from sim.scenarios.crowd import SIM_1, SIM_2, Crowd, One, Way
from sim.scenarios.path import Air
from sim.scenarios.scenario import Check, Options
from sim.scenarios.supervised_fleet import Gate, SupervisedFleet
from sim.scenarios.wearers import BrainUnit, Plan
from sim.scenarios.world import START, World

LTE_M = 4
PRESSING: Final = {"dual": 5, "single": 3, "elsewhere": 4}
FIRST_PRESSED: Final = 1_000_001
"""Units of the crowd have lower numbers."""
CHANGE_AT_A_PRESS_S: Final = 20.0
"""A unit that is pressed on a path that is out has changed its SIM so long after (99th percentile, slowest times)."""

Acts = list[tuple[float, Callable[[], None]]]


class Night:
    """`people` are all units, `pressed` kind and time of those whom somebody presses; `singles` those of them without
    any path while the operator is out."""

    def __init__(self, options: Options, world: World) -> None:
        self.options, self.world = options, world
        self.numbers = options.numbers
        self.chance = random.Random(f"a1 {options.seed}")
        folder = options.folder / "fleet"
        folder.mkdir()
        self.fleet = SupervisedFleet(world, folder)
        self.story = Story(options.units, self.numbers, self.chance)
        self.begins, self.ends, self.hit = self.story.begins, self.story.ends, self.story.hit
        self.crowd = self._crowd("", [])
        self.people: dict[int, One] = {}
        self.pressed: dict[int, tuple[str, float]] = {}
        self.singles: set[int] = set()
        self._moved: dict[int, float] = {}
        self._whole: dict[int, BrainUnit] = {}
        self.truth_file = options.folder / "truth.jsonl"

    def _crowd(self, url: str, ones: list[One]) -> Crowd:
        return Crowd(url, ones, int(self.numbers["heartbeat_s"]), self.numbers["loss"], self.chance)

    async def gather(self) -> None:
        """The crowd begins to beat."""
        await self._gather(self.story.people())

    async def _gather(self, ones: list[One]) -> None:
        self.crowd = self._crowd(self.fleet.postgres.owner_url, ones)
        self.crowd.out = self.story.out
        self.people |= self.crowd.units
        await self.crowd.register(self.world.clock.now())
        self.fleet.crowd = self.crowd

    def without_path(self) -> set[int]:
        """The truth of this moment."""
        now = self.world.clock.now()
        gone = {unit for unit, one in self.people.items() if all(self.story.out(one, way, now) for way in one.ways)}
        return gone | self.singles

    async def wearers(self, authority: CertificateAuthority, stack: contextlib.ExitStack) -> Acts:
        """Those that are pressed, and their acts: (at, act)."""
        kinds = [kind for kind, number in PRESSING.items() for _ in range(number)]
        made = list(enumerate(kinds, FIRST_PRESSED))
        plans = await self.registered([unit for unit, _ in made])
        known = []
        acts: Acts = []
        for plan, (unit, kind) in zip(plans, made, strict=True):
            operator = OTHER if kind == "elsewhere" else OUT
            ways = [Way(SIM_1, operator, 1, "issuer A")]
            ways += [Way(SIM_2, SPARE, 1, "issuer B")] * (kind == "dual")
            known.append(One(unit, ways, "D00", 3))
            wearer = _Whole(self.world, plan, self.options.seed * 1_000_003 + unit, operator)
            air = Air(loss=self.numbers["loss"])
            self._whole[unit] = wearer
            gate = Gate(self.world, self.fleet.door, air, random.Random(unit), wearer.down)
            gate.closed = partial(self._closed, unit, kind)
            wearer.connect(gate)
            stack.callback(wearer.close)
            stack.callback(gate.close)
            acts += self.presses(unit, kind, wearer.contact)
        self.crowd.know(known, START - timedelta(days=30))
        self.singles = {one.unit for one in known if len(one.ways) == 1 and one.way.operator == OUT}
        return acts

    async def registered(self, units: Iterable[int]) -> list[Plan]:
        """New units that are in use."""
        plans = [Plan(make_identity(unit), int(self.numbers["heartbeat_s"])) for unit in units]
        await self.fleet.register([plan.identity for plan in plans], "social")
        self.fleet.rows("UPDATE units SET life = 'active', grounds = 'import:scenario' WHERE unit_id = ANY(%s)"
                        " RETURNING unit_id", [plan.unit for plan in plans])  # fmt: skip
        return plans

    def presses(self, unit: int, kind: str, contact: Callable[[bool], None]) -> Acts:
        """Somebody presses this one, some time while the operator is out."""
        at = self.chance.uniform(self.begins + 60, self.ends - 120)
        self.pressed[unit] = (kind, at)
        return [(at, partial(contact, True)), (at + 0.2, partial(contact, False))]

    def _closed(self, unit: int, kind: str) -> bool:
        now = self.world.clock.now()
        if kind == "elsewhere" or not self.begins <= now < self.ends:
            return False
        if kind == "single":
            return True
        moved = self._moved.setdefault(unit, self.begins + self.chance.uniform(100, 380))
        pressed = self.pressed[unit][1] if unit in self.pressed else None
        if pressed is not None and now >= pressed:
            moved = min(moved, pressed + CHANGE_AT_A_PRESS_S)
        if now >= moved:
            # From its next message on it says so; it stays there for the night.
            self._whole[unit].bearer = SIM_2
            self._whole[unit].says["operator"] = SPARE
        return now < moved

    def begun(self) -> None:
        """The operator goes now: whose heartbeat is due when can be read."""

    @property
    def beats(self) -> Beats:
        """When those that are hit will be overdue; once it has begun."""
        return self.crowd

    def ended(self) -> None:
        """The night is over: what the units have said can be read."""

    def rate(self) -> Counter[int]:
        """Heartbeats in each ten seconds."""
        return self.crowd.rate

    def further_checks(self) -> list[Check]:
        """What only this kind of night shows."""
        return []


class _Whole(BrainUnit):
    """A unit on SIM 1 of an operator."""

    def __init__(self, world: World, plan: Plan, seed: int, operator: int) -> None:
        super().__init__(world, plan, seed, bearer=SIM_1, says={"operator": operator, "radio": LTE_M},
                         status={STATUS_TAC: 1})  # fmt: skip
