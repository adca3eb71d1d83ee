"""A7: a personal alarm is lost, and somebody plays back what was captured of it: by MQTT, CoAP and SMS, before and
after it is revoked, with the server's clock set back, and to a database that came out of a backup.

It runs in real time on a PostgreSQL of its own (`a7_house`), on the product's own doors. Whoever plays back has the
unit's certificate, so the MQTT door lets him in. What is judged is what the database holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import secrets
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from fleet.ingest import commands, freshness
from fleet.registry import keys, units
from protocols.wire import messages
from provisioning.identity import Identity
from sim.scenarios import a7_clone, a7_replacement, a7_token
from sim.scenarios.a7_house import SILENCE_S, Air, Card, House, Line
from sim.scenarios.a7_sabotage import SABOTAGES, applied
from sim.scenarios.scenario import Check, Options, Scenario, ScenarioError

ACTOR: Final = "console:local"
REVOKED_S: Final = 60.0
THROUGH_S: Final = 15.0
REPLACED_S: Final = 300.0
JAMMED: Final = 5
LOST, MOVED, AFTER = 0, 1, 2
"""Places in the list of units: the lost one, the one whose SIM is moved, the one played back after the restore."""


class _Run:
    """One run on a house that is open."""

    def __init__(self, options: Options, house: House, cards: Sequence[Card]) -> None:
        self._options, self._house, self._cards = options, house, cards
        self._chance = random.Random(options.seed)
        self._air: Air
        self._captured: list[bytes] = []
        self._pressed: list[messages.Alarm] = []
        self._jammed: list[bytes] = []
        self.checks: list[Check] = []

    def _most(self, name: str, value: float, limit: float) -> None:
        self.checks.append(Check(name, round(value, 3), limit, value <= limit))

    def _exactly(self, name: str, value: Any, wanted: Any) -> None:
        self.checks.append(Check(name, value, wanted, value == wanted))

    @property
    def _cases(self) -> int:
        return int(self._house.value("SELECT count(*) FROM cases"))

    async def play(self) -> None:
        """Everything in order."""
        house = self._house
        self._air = await Air.open(house.ingest.coap_address)
        await self._everyday()
        await self._replays("")
        await self._clock_back()
        await self._moved()
        await self._cloned()
        await self._sms_command()
        person = await a7_replacement.gave(house, self._cards[LOST].identity.unit)
        await self._revoked()
        await self._token_revoked()
        await self._rekeyed()
        if self._options.numbers["whole"]:
            await self._replaced(person)
        await self._genuine()
        await self._restored()
        self._air.close()

    async def _everyday(self) -> None:
        """What there is to capture: heartbeats and presses of the lost unit; its cases are seen to. A few frames are
        kept from arriving, and later ones are not."""
        lost, house = self._cards[LOST], self._house
        count = int(self._options.numbers["frames"])
        pressed = set(self._chance.sample(range(count), max(1, count // 50)))
        self._jammed = [lost.seal(lost.beat()) for _ in range(JAMMED)]
        for place in range(count):
            message: Any = lost.press() if place in pressed else lost.beat()
            self._captured.append(lost.seal(message))
            self._pressed += [message] if place in pressed else []
        for batch in _parts(self._captured):
            await asyncio.gather(*(self._air.ask(frame) for frame in batch))
        for card in self._cards[1:]:
            await self._air.ask(card.seal(card.beat()))
        self._see_to_cases()
        self._options.say(f"{count} frames are captured, {len(pressed)} of them presses")
        self._exactly("captured presses in the database", house.value("SELECT count(*) FROM presses"), len(pressed))

    def _see_to_cases(self) -> None:
        self._house.change("UPDATE presses SET taken_at = coalesce(taken_at, now())")
        self._house.change(
            "UPDATE cases SET state = 'closed', taken_at = coalesce(taken_at, now()), taken_by = 'anna', "
            "closed_at = now(), closed_by = 'anna', outcome = 'helped' WHERE state <> 'closed'"
        )

    async def _replays(self, when: str, *, revoked: bool = False) -> None:
        """All captured frames on every pipe."""
        lost, house, before = self._cards[LOST], self._house, self._cases
        thief = await Air.open(house.ingest.coap_address)
        stale = "dropped.coap.stale_counter"
        refused = house.ingest.counters.get(stale, 0)
        for frame in self._jammed:
            await thief.ask(frame, 0.2)
        late = "SELECT coalesce(sum(stale + repeated), 0) FROM security_notices"
        for part in _parts(self._captured):
            await asyncio.gather(*(thief.ask(frame) for frame in part))
        thief.close()
        line = await Line.open(house, lost)
        taken = 0
        for frame in self._captured:
            taken += line is not None and await line.ask(frame)
        if line is not None:
            line.close()
        accepted = 0
        for part in _parts(self._captured):
            accepted += sum(await asyncio.gather(*(house.sms(frame) for frame in part)))
        self._exactly(f"cases opened by {3 * len(self._captured)} recordings{when}", self._cases - before, 0)
        self._options.say(f"played back{when}: {taken} by MQTT and {accepted} by SMS were taken as doubles")
        if not revoked and not when:
            self._exactly(
                "jammed frames refused for their counter", house.ingest.counters.get(stale, 0) - refused, JAMMED
            )
            await house.until(lambda: house.value(late) >= len(self._captured), 8.0)
            noted = house.value("SELECT count(*) FROM security_notices WHERE repeated > 0")
            spread = house.value("SELECT count(DISTINCT hour) FROM security_notices")
            self.checks.append(Check("security notices for all this", noted, "1 an hour", 1 <= noted <= max(1, spread)))

    async def _clock_back(self) -> None:
        """The server's clock is set back by a day, and forward again."""
        self._house.ahead = -timedelta(days=1)
        kept, self._captured = self._captured, self._captured[:: max(1, len(self._captured) // 100)]
        await self._replays(" with the clock set back")
        self._captured = kept
        self._house.ahead = timedelta()

    async def _moved(self) -> None:
        """The SIM of a unit comes up in another modem; its alarms go through all the same."""
        card, house = self._cards[MOVED], self._house
        for modem in (1, 2):
            status = {19: bytes([0x35, modem] + [0] * 6), 8: bytes([0x89, 0x46] + [0] * 8)}
            await self._air.ask(card.seal(card.beat(status=status)))
        moved = "SELECT coalesce(sum(moved), 0) FROM security_notices WHERE unit_id = %s"
        self._exactly("notices of a SIM in another modem", int(house.value(moved, card.identity.unit)), 1)
        self._exactly("open tasks for technicians about it", self._tasks_of(card), "modem changed")
        began = time.monotonic()
        await self._air.ask(card.seal(card.press()))
        self._most("an alarm from the other modem to its receipt (s)", time.monotonic() - began, THROUGH_S)
        self._see_to_cases()

    def _tasks_of(self, card: Card) -> str:
        query = "SELECT kind FROM technician_tasks WHERE unit_id = %s AND closed_at IS NULL ORDER BY kind"
        return ", ".join(row[0] for row in self._house.rows(query, card.identity.unit))

    async def _cloned(self) -> None:
        """Somebody else speaks with the lost unit's key (`a7_clone`)."""
        clone = a7_clone.Clone(self._house, self._air, self._cards[LOST], self._see_to_cases, THROUGH_S)
        self.checks += await clone.play(self._pressed, self._tasks_of)

    async def _sms_command(self) -> None:
        """An order waits for a unit that is heard by SMS: none goes that way. What a unit does with SMS is played with
        the replacement."""
        card, house = self._cards[MOVED], self._house
        await house.acting(
            lambda c: commands.queue(c, card.identity.unit, messages.COMMAND_REBOOT, None, "a7", at=house.now())
        )
        before = house.value("SELECT coalesce(sum(sends), 0) FROM unit_commands WHERE kind <> 1")
        for _ in range(5):
            await house.sms(card.seal(card.beat()))
        sent = house.value("SELECT coalesce(sum(sends), 0) FROM unit_commands WHERE kind <> 1") - before
        self._most("orders sent behind 5 frames by SMS", int(sent), 1)
        house.change("UPDATE unit_commands SET expires_at = now() WHERE answered_at IS NULL")

    async def _revoked(self) -> None:
        """The lost unit is revoked: how long each pipe still takes its frames, and a clone's."""
        lost, house = self._cards[LOST], self._house
        thief, line = await Air.open(house.ingest.coap_address), await Line.open(house, lost)
        began = time.monotonic()
        if self._options.sabotage != "no-revocation":
            await house.acting(lambda c: units.revoke(c, lost.identity.unit, ACTOR, house.now()))
        for name in ("CoAP", "SMS"):
            refused = False
            while not refused and time.monotonic() - began <= REVOKED_S:
                frame = lost.seal(lost.beat())
                refused = not await (thief.ask(frame, SILENCE_S) if name == "CoAP" else house.sms(frame))
                if self._options.sabotage == "no-revocation":
                    break
            spent = time.monotonic() - began
            self.checks.append(Check(f"revocation to refusal by {name} (s)", round(spent, 2), REVOKED_S, refused))
        ended = self._options.sabotage != "no-revocation" and (line is None or await line.ended())
        spent = time.monotonic() - began
        good = ended and spent <= REVOKED_S and await Line.open(house, lost) is None
        self.checks.append(Check("revocation to the end of the MQTT connection (s)", round(spent, 2), REVOKED_S, good))
        before = int(house.value("SELECT count(*) FROM presses"))
        clone = [lost.seal(lost.press()) for _ in range(20)]
        for frame in clone:
            await asyncio.gather(thief.ask(frame, 0.2), house.sms(frame))
        after = int(house.value("SELECT count(*) FROM presses"))
        self._exactly("presses of a clone taken after revocation", after - before, 0)
        self._captured = self._captured[:: max(1, len(self._captured) // 50)]
        thief.close()
        self._see_to_cases()

    async def _rekeyed(self) -> None:
        """A unit gets its next key generation; the old one ends with the first use of the new one."""
        card, house = self._cards[MOVED], self._house
        secret = secrets.token_bytes(16)
        generation = await house.acting(
            lambda c: keys.add_generation(c, house.box, card.identity.unit, secret, ACTOR, house.now())
        )
        renewed = Card(Identity(card.identity.unit, generation, secret), card.certificate, card.boot, seqs=card.seqs)
        # A unit repeats what nobody answers: the front door may not have been told of its key yet.
        heard, began = None, time.monotonic()
        while heard is None and time.monotonic() - began <= REVOKED_S:
            heard = await self._air.ask(renewed.seal(renewed.beat()), SILENCE_S)
        before = int(house.value("SELECT count(*) FROM presses"))
        for _ in range(20):
            await house.sms(card.seal(card.press()))
        refused = 20 - (int(house.value("SELECT count(*) FROM presses")) - before)
        self._exactly("frames under the old key refused (%)", refused * 5 if heard else "not heard", 100)
        self._see_to_cases()

    async def _token_revoked(self) -> None:
        """Whoever used an API token for the registry has left."""
        spent = await a7_token.refused_after(
            self._house, revoke=self._options.sabotage != "no-token-revocation", most=REVOKED_S
        )
        good = spent is not None and spent <= REVOKED_S
        self.checks.append(
            Check("revocation to refusal of an API token (s)", None if spent is None else round(spent, 3),
                  REVOKED_S, good)
        )  # fmt: skip

    async def _replaced(self, person: int) -> None:
        """A whole unit is taken out of stock, paired with proof in the lost one's place, and presses."""
        began = time.monotonic()
        async with a7_replacement.plugged_in(self._house, len(self._cards) + 1) as new:
            seen = await a7_replacement.pair(new, person)
            pressed = len(a7_replacement.answered(seen))
            self._exactly("state of the replacement's pairing", f"{seen['state']}, {new.life()}", "active, active")
            self._most("presses missing from its proof", int(seen["proof"] is None or pressed < 1), 0)
            before = self._cases
            await new.press()
            heard = await new.shows("accepted", a7_replacement.PATIENCE_S)
            spent = time.monotonic() - began
            good = heard and self._cases - before == 1 and spent <= REPLACED_S
            self.checks.append(
                Check("replacement paired with proof and alarming (s)", round(spent, 1), REPLACED_S, good)
            )
            await self._sms_to_unit(new)
        self._see_to_cases()

    async def _sms_to_unit(self, new: a7_replacement.Replacement) -> None:
        """Somebody sends SMS to the unit: commands that are sealed with its own key, a receipt, and anything else."""
        house, before, orders = self._house, new.refused(), new.orders()
        boot, _ = new.settled()
        for order in orders:
            new.sms(order)
        new.sms(b"STATUS?")
        await house.until(lambda: new.refused() - before >= len(orders), a7_replacement.PATIENCE_S)
        told = new.refused() - before
        self._exactly("commands by SMS that the unit's next heartbeat tells as refused", told, len(orders))
        after, apart = new.settled()
        obeyed = after != boot or apart > 2 * a7_replacement.HEARTBEAT_S
        self._exactly("commands by SMS that were obeyed", int(obeyed), 0)
        began, heard = time.monotonic(), new.heard()
        for _ in range(a7_replacement.STRANGERS):
            new.sms(b"hello")
            await asyncio.sleep(0.1)
        await asyncio.sleep(max(0.0, a7_replacement.QUIET_S - (time.monotonic() - began)))
        self._most(f"heartbeats after {a7_replacement.STRANGERS} more SMS that are no frame", new.heard() - heard, 1)
        boot, seq = house.rows(
            "SELECT boot, seq FROM presses WHERE unit_id = %s ORDER BY received_at DESC LIMIT 1", new.unit
        )[0]
        new.sms(new.down(messages.Receipt(items=[(boot, seq, 3)], time=int(time.time()))))
        began = time.monotonic()
        taken = await new.shows("taken", THROUGH_S)
        self.checks.append(
            Check("a receipt by SMS to the lamp (s)", round(time.monotonic() - began, 2), THROUGH_S, taken)
        )

    async def _genuine(self) -> None:
        """A unit comes back with a clock of 1970 and counters out of its flash: a block of them is skipped."""
        card = self._cards[AFTER]
        card.boot, card.seqs = card.boot + 1, itertools.count(1)
        card.counters = itertools.count(next(card.counters) // 64 * 64 + 64)
        began = time.monotonic()
        heard = await self._air.ask(card.seal(card.press(clock=60)))
        spent = time.monotonic() - began
        query = "SELECT marks FROM presses WHERE unit_id = %s ORDER BY received_at DESC LIMIT 1"
        marks = self._house.value(query, card.identity.unit)
        self.checks.append(
            Check("alarm of a unit with a clock of 1970 to its receipt (s)", round(spent, 3), THROUGH_S,
                  heard is not None and spent <= THROUGH_S)
        )  # fmt: skip
        self._exactly("its marks", " ".join(marks), "clock_wrong")
        self._see_to_cases()

    async def _restored(self) -> None:
        """A backup, alarms after it, the backup again: what was captured in between is played back."""
        card, house = self._cards[AFTER], self._house
        copy = self._options.folder / "backup"
        await house.back_up(copy)
        self._air.close()
        self._air = await Air.open(house.ingest.coap_address)
        between = [card.seal(card.press()) for _ in range(10)]
        for frame in between:
            await self._air.ask(frame)
        self._see_to_cases()
        await house.restore(copy)
        self._air.close()
        before = self._cases
        thief = await Air.open(house.ingest.coap_address)
        for frame in between:
            await thief.ask(frame)
        opened = house.rows("SELECT marks FROM cases WHERE state <> 'closed'")
        unmarked = [row for row in opened if "freshness_unproven" not in row[0]]
        self._most("cases opened after the restore, before the unit has answered", self._cases - before, 1)
        self._exactly("of these without the mark", len(unmarked), 0)
        self._air = await Air.open(house.ingest.coap_address)
        answering = asyncio.create_task(self._answer(card))
        await house.until(lambda: not house.value("SELECT count(*) FROM cases WHERE state <> 'closed'"), 20.0)
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
        left = house.value("SELECT count(*) FROM cases WHERE state <> 'closed'")
        self._exactly("of these left open once the unit has denied them", int(left), 0)
        heard = await self._air.ask(card.seal(card.press()))
        query = "SELECT marks FROM presses WHERE unit_id = %s ORDER BY received_at DESC LIMIT 1"
        marks = house.value(query, card.identity.unit)
        self._exactly("marks of the unit's next press", " ".join(marks) if heard else "not heard", "")
        thief.close()

    async def _answer(self, card: Card) -> None:
        """The unit as its firmware answers: a press that a person took is over. It tells of the server's time."""
        while True:
            receipt = card.opened(await self._air.ask(card.seal(card.beat(echo=int(time.time()) + 1))) or b"")
            assert receipt is not None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    while True:
                        asked = card.opened(await self._air.pushed.get())
                        if isinstance(asked, messages.Command) and asked.kind == messages.COMMAND_CHALLENGE:
                            data = {1: (asked.args or {})[1], 2: 2}
                            answer = messages.Answer(
                                boot=card.boot, seq=next(card.seqs), number=asked.number, result=0, data=data
                            )
                            await self._air.ask(card.seal(answer))


def _parts(frames: Sequence[bytes], size: int = 16) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(frames), size):
        yield frames[start : start + size]


async def run(options: Options) -> list[Check]:
    """Plays it and judges it."""
    if options.units <= AFTER:
        raise ScenarioError(f"A7 needs at least {AFTER + 1} units")
    if not 50 <= options.numbers["frames"] <= 10_000:
        raise ScenarioError("frames are 50 to 10,000")
    folder = options.folder / "fleet"
    folder.mkdir()
    with applied(options.sabotage):
        house = House(folder)
        await house.start()
        try:
            played = _Run(options, house, await house.add(range(1, options.units + 1)))
            await house.add_gateway()
            began = datetime.now(UTC)
            await played.play()
            options.say(f"played in {(datetime.now(UTC) - began).total_seconds():.0f} s")
        finally:
            await house.stop()
    return played.checks


assert freshness.WINDOW < 50, "what is jammed must be further back than what is merely late"

SCENARIO = Scenario(
    name="A7",
    title="a lost personal alarm, and somebody who plays back what was captured",
    units=10,
    run=run,
    sabotages=SABOTAGES,
    numbers={"frames": 1000, "whole": 1},
)
