"""A4: a hallway with poor coverage, and 1,238 installs with what goes wrong in them.

Wishes go through `fleet.pairing.store` with a page's rights, as the page's own handlers send them; units are the
firmware's brain, and everything between a finger and *active* is the product's own. What happens is drawn from the seed
(`a4_story`), done by `a4_people`, and judged by `a4_judge`.
"""

from __future__ import annotations

import contextlib
import random
import secrets
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from unittest import mock

import psycopg

from fleet.ingest.drill_orders import order_test
from fleet.pairing import decide, store
from fleet.pairing.watch import PairingWatch
from fleet.registry import recipients, units
from fleet.registry.reference import check_digits
from fleet.store.pool import Connection, Pool, fetch_all, make_pool, tenant_transaction
from provisioning.identity import Identity, make_identity
from sim.scenarios import truth
from sim.scenarios.a4_judge import Left, judge
from sim.scenarios.a4_people import Assistant, Line, Street
from sim.scenarios.a4_story import FAULTS, HALLWAY, LEAST, Fault, Install, fitted, story
from sim.scenarios.fleet_under_test import MUNICIPALITY, FleetUnderTest, Part
from sim.scenarios.path import Air
from sim.scenarios.scenario import Check, Options, Scenario, ScenarioError
from sim.scenarios.wearers import Pendant, Plan
from sim.scenarios.world import World

ROOMS = ("hallway", "bathroom", "bedroom")
FEW_ROOMS = ("hallway",)
HEARTBEAT_S = 900
PENDANT_EVERY_S = 3600
TICK_S = 2.0
LASTS_S = 420.0
"""After the last install has begun nobody goes on for longer."""
OFFICE = "console:office"
_SEEN = "SELECT pairing_id, state, steps FROM pairings WHERE pairing_id = ANY (%(pairings)s::bigint[])"

SABOTAGES: Mapping[str, str] = {
    "active-without-every-button": "a unit becomes active once its own button has come back",
    "no-swap-check": "neither check digits nor a press of the old unit say whose home it is",
    "no-idempotency": "a wish that is sent again is a new one",
    "old-unit-at-once": "the old unit is let go when the pairing begins",
}


class _Fleet(FleetUnderTest):
    """With the watch over pairings, as `fleet.app` has it."""

    def further_parts(self) -> Sequence[Part]:
        return [PairingWatch(self.postgres.app_url, order_test, clock=self.world.time)]


class _Day:
    """One run on a fleet that runs."""

    def __init__(self, options: Options, world: World, fleet: _Fleet, installs: tuple[Install, ...]) -> None:
        self._options, self._world, self._fleet, self._installs = options, world, fleet, installs
        self._numbers = options.numbers
        self._people: dict[int, int] = {}
        self._identities: dict[int, Identity] = {}
        self._page: Pool = make_pool(fleet.postgres.app_url, "web", size=2)
        self.written = truth.Truth(options.folder / "truth.jsonl")
        self.street = Street(world, fleet.door, self.written, options.seed)
        self.assistants: list[Assistant] = []
        self.old_meanwhile: list[int] = []

    async def furnish(self) -> None:
        """Units in stock with their buttons, persons with their old units, as an office has registered them."""
        every = [unit for one in self._installs for unit in (one.new, one.old, one.second) if unit is not None]
        self._identities = {unit: make_identity(unit) for unit in every}
        await self._fleet.register(list(self._identities.values()), "social")
        async with make_pool(self._fleet.postgres.app_url, "registry", size=1) as pool, pool.connection() as connection:
            for one in self._installs:
                await self._furnish(connection, one)
        await self._page.open()

    async def _furnish(self, connection: Connection, one: Install) -> None:
        at = self._world.time.now()
        self._people[one.person] = await recipients.add_recipient(
            connection, municipality=MUNICIPALITY, reference=_reference(one.person), priority=2, district="Norr",
            actor=OFFICE, at=at,
        )  # fmt: skip
        buttons = [units.Input(0, "own"), *(units.Input(number, "pendant") for number in one.buttons[1:])]
        for unit in (one.new, one.second):
            if unit is not None:
                await units.describe(connection, unit, inputs=buttons)
                await units.change_life(connection, unit, "receive", OFFICE, at)
        if one.old is not None:
            await units.change_life(connection, one.old, "receive", OFFICE, at)
            await units.change_life(connection, one.old, "pair", OFFICE, at, recipient=self._people[one.person])
            await units.change_life(connection, one.old, "prove", OFFICE, at, grounds="import:day")

    async def play(self) -> None:
        """Everything in order."""
        waiting = [one for install in self._installs for one in self._visits(install)]
        waiting.sort(key=lambda one: one.began)
        running: list[Assistant] = []
        now, ends = self._world.clock.now(), self._installs[-1].begins_at + LASTS_S
        base, told = now, 0
        while now - base < ends and (waiting or running):
            while waiting and waiting[0].began + base <= now:
                one = waiting.pop(0)
                one.began = one.began + base
                self._arrive(one)
                running.append(one)
            seen = await self._seen([one.pairing for one in running if one.pairing is not None])
            for one in running:
                await one.tick(now, None if one.pairing is None else seen.get(one.pairing))
            for one in [one for one in running if one.over]:
                running.remove(one)
                self._leave(one, running)
            self._look_at_old(running)
            now += TICK_S
            await self._world.run_until(now)
            self._fleet.check()
            if now - base >= told:
                self._options.say(f"{(now - base) / 60:.0f} min, {len(running)} at work, {len(waiting)} to come")
                told += 300
        self.street.close()
        await self._world.run_until(now + 60)
        await self._page.close()
        self.written.close()

    def _visits(self, install: Install) -> list[Assistant]:
        chance = random.Random(f"visit {self._options.seed} {install.place}")
        mine = self._wish(install, install.new, install.person, chance)
        wishes = [mine]
        if install.fault is Fault.WRONG_PICK and install.other is not None:
            picked = self._wish(install, install.new, install.other, chance)
            wishes = [store.Wish(picked.client_key, picked.unit, picked.recipient, mine.digits, picked.rooms), mine]
        elif install.fault is Fault.WRONG_PAPER and install.other is not None:
            wishes = [self._wish(install, install.new, install.other, chance), mine]
        visits = [self._assistant(install, wishes, f"person:{1000 + install.place}", install.begins_at, chance)]
        if install.second is not None:
            wish = self._wish(install, install.second, install.person, chance)
            visits.append(self._assistant(install, [wish], f"person:{5000 + install.place}", install.begins_at, chance))
        if install.fault in (Fault.DOUBLE, Fault.AGAIN):
            person = install.other if install.fault is Fault.DOUBLE and install.other is not None else install.person
            wish = self._wish(install, install.new, person, chance)
            late = install.begins_at + LASTS_S / 2
            visits.append(self._assistant(install, [wish], f"person:{9000 + install.place}", late, chance))
        return visits

    def _assistant(
        self, install: Install, wishes: list[store.Wish], name: str, began: float, chance: random.Random
    ) -> Assistant:
        numbers, poor = self._numbers, install.place == HALLWAY
        since = self._world.clock.now() + numbers["offline_s"]
        line = Line(numbers["rtt_s"], numbers["loss"], since, loses_first=True) if poor else Line()
        made = Assistant(
            install, wishes, name, line, self.street, began, chance,
            self._begin, self._act(store.unit_was_moved), self._act(store.ask_again), self._give_up,
        )  # fmt: skip
        self.assistants.append(made)
        return made

    def _wish(self, install: Install, unit: int, person: int, chance: random.Random) -> store.Wish:
        reference = _reference(person)
        rooms = ROOMS if install.place == HALLWAY else FEW_ROOMS
        return store.Wish(
            uuid.UUID(int=chance.getrandbits(128)),
            unit,
            self._people[person],
            check_digits(MUNICIPALITY, reference),
            rooms,
        )

    def _arrive(self, one: Assistant) -> None:
        """He plugs the new unit in; the old one stands there."""
        install, numbers = one.install, self._numbers
        poor = Air(numbers["rtt_s"] / 2 * 0.9, numbers["rtt_s"] / 2 * 1.1, numbers["loss"])
        air, signal = (poor, int(numbers["rsrp_dbm"])) if install.place == HALLWAY else (Air(), None)
        for unit in self._there(one):
            if unit is not None:
                keys = {number: Pendant(unit * 10 + number, secrets.token_bytes(16)) for number in install.buttons[1:]}
                rows = [(number, unit * 10 + number, key._key, PENDANT_EVERY_S) for number, key in keys.items()]
                self.street.plug_in(Plan(self._identities[unit], HEARTBEAT_S, rows), keys, air, signal)

    def _there(self, one: Assistant) -> list[int]:
        """The units that have power: those of this home, and the old one of whoever is taken for its person."""
        install = one.install
        found = [one.unit] if install.old is None else [one.unit, install.old]
        if install.fault is Fault.WRONG_PAPER and install.other is not None:
            other = self._installs[install.other - 1].old
            found += [] if other is None else [other]
        return found

    def _leave(self, one: Assistant, running: list[Assistant]) -> None:
        if any(other.install.place == one.install.place for other in running):
            return
        for unit in (one.install.new, one.install.old, one.install.second):
            if unit is not None:
                self.street.unplug(unit)

    async def _begin(self, wish: store.Wish, actor: str) -> int:
        async with tenant_transaction(self._page, [MUNICIPALITY]) as connection:
            pairing = await store.begin(connection, wish, actor, self._world.time.now())
        self._world.touch()
        return pairing

    def _act(self, change: Any) -> Any:
        async def act(pairing: int, actor: str) -> None:
            async with tenant_transaction(self._page, [MUNICIPALITY]) as connection:
                await change(connection, pairing, actor, self._world.time.now())
            self._world.touch()

        return act

    async def _give_up(self, pairing: int, actor: str) -> None:
        async with tenant_transaction(self._page, [MUNICIPALITY]) as connection:
            await store.give_up(connection, pairing, "the wrong home", actor, self._world.time.now())

    async def _seen(self, pairings: list[int]) -> dict[int, dict[str, Any]]:
        if not pairings:
            return {}
        async with tenant_transaction(self._page, [MUNICIPALITY]) as connection:
            rows = await fetch_all(connection, _SEEN, {"pairings": pairings})
        return {row["pairing_id"]: row for row in rows}

    def _look_at_old(self, running: list[Assistant]) -> None:
        """Whether the old unit of the hallway still counts while its pairing is pending."""
        for one in running:
            if one.install.place == HALLWAY and one.pairing is not None and not one.over:
                with psycopg.connect(self._fleet.postgres.owner_url) as connection:
                    row = connection.execute(
                        "SELECT count(*) FROM unit_recipients l JOIN units u USING (unit_id) WHERE l.unit_id = %s "
                        "AND l.role = 'responsible' AND u.life = 'active'", (one.install.old,)
                    ).fetchone()  # fmt: skip
                self.old_meanwhile.append(row[0] if row is not None else 0)


def _reference(person: int) -> str:
    return f"K-{10000 + person}"


@contextlib.contextmanager
def applied(sabotage: str | None) -> Iterator[None]:
    """Takes the protection out of this process, and puts it back. Raises LookupError where there is nothing to take
    out: the code has changed, and the sabotage with it."""
    with contextlib.ExitStack() as stack:
        if sabotage == "active-without-every-button":
            stack.enter_context(mock.patch.object(decide, "done", _own_button_is_enough))
        elif sabotage == "no-swap-check":
            stack.enter_context(mock.patch.object(decide, "_at_hand", lambda *_: True))
            plan = decide.plan
            stack.enter_context(
                mock.patch.object(
                    decide, "plan", lambda unit, kind, inputs, rooms, _: plan(unit, kind, inputs, rooms, None)
                )
            )
        elif sabotage == "no-idempotency":
            stack.enter_context(mock.patch.object(store, "_sent_before", _never_sent))
            _instead(stack, "add", "%(client_key)s", "gen_random_uuid()")
        elif sabotage == "old-unit-at-once":
            stack.enter_context(mock.patch.object(store, "begin", _letting_go(store.begin)))
        yield


def _instead(stack: contextlib.ExitStack, name: str, present: str, instead: str) -> None:
    if present not in store.SQL[name]:
        raise LookupError(f"the statement {name} has changed: the sabotage takes nothing out of it")
    stack.enter_context(mock.patch.dict(store.SQL, {name: store.SQL[name].replace(present, instead)}))


def _own_button_is_enough(pairing: Any, _inputs: Any) -> bool:
    return any(step.state == "proven" and step.unit == pairing.unit for step in pairing.steps)


async def _never_sent(*_: Any) -> None:
    return None


def _letting_go(begin: Any) -> Any:
    async def both(connection: Connection, wish: store.Wish, actor: str, at: Any) -> int:
        pairing = int(await begin(connection, wish, actor, at))
        row = (await fetch_all(connection, store.SQL["lock_pairing"], {"pairing_id": pairing}))[0]
        if row["old_unit_id"] is not None and await units.is_relied_on(connection, row["old_unit_id"]):
            await units.change_life(connection, row["old_unit_id"], "replace", actor, at)
        return pairing

    return both


async def run(options: Options) -> list[Check]:
    """Plays it and judges it."""
    if options.units < LEAST:
        raise ScenarioError(f"A4 needs at least {LEAST} installs")
    fit = fitted(options.units, options.numbers)
    if fit != options.numbers:
        options.say(f"so few installs have room for {sum(int(fit[name]) for name in FAULTS)} faults")
    options = replace(options, numbers=fit)
    installs = story(options.units, options.numbers, random.Random(f"day {options.seed}"))
    world = World(coarse_s=1.0)
    folder = options.folder / "fleet"
    folder.mkdir()
    fleet = _Fleet(world, folder)
    with applied(options.sabotage):
        async with fleet.running():
            day = _Day(options, world, fleet, installs)
            await day.furnish()
            options.say(f"{len(installs)} installs, {sum(one.fault is not None for one in installs)} with a fault")
            began, from_s = time.monotonic(), world.clock.now()
            await day.play()
            spent = time.monotonic() - began
            with psycopg.connect(fleet.postgres.owner_url) as connection:
                left = Left.read(connection)
    happened = truth.read(options.folder / "truth.jsonl")
    checks = judge(installs, happened, day.assistants, day.old_meanwhile, left, options.numbers)
    factor = round((world.clock.now() - from_s) / spent, 1)
    return [*checks, Check("clock factor (simulated s in a real s)", factor, "any", True)]


SCENARIO = Scenario(
    name="A4",
    title="pairing in a hallway with poor coverage, and a batch of installs with faults",
    units=1238,
    run=run,
    sabotages=SABOTAGES,
    numbers={
        "unread": 7,
        "swapped": 5,
        "double": 3,
        "together": 2,
        "rtt_s": 4.0,
        "loss": 0.12,
        "rsrp_dbm": -118,
        "offline_s": 45,
    },
)
