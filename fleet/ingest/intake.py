"""From bytes at a door to the right commit loop, and back with a receipt once the commit is done.

It decides, before anything else, whether a frame is an alarm: alarms have a loop, connections and a queue of their
own. It never answers before the commit, and it never waits: doors call `take` and are called back.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal

import psycopg

from fleet.alarms.model import PressKey
from fleet.alarms.store import stages
from fleet.ingest.database import reported
from fleet.ingest.database_mark import DatabaseMark
from fleet.ingest.drops import Drops
from fleet.ingest.notices import REPEATED, STALE, UNPROVEN, Notices
from fleet.ingest.open_frame import Refusal, open_frame, parse_frame
from fleet.ingest.orders import Orders
from fleet.ingest.outcome import Arrived, Outcome, Refused, Reply, Stored, Unavailable, Way
from fleet.ingest.presses import PressCommit, Pressed
from fleet.ingest.readings import Kept, Read, ReadingCommit
from fleet.ingest.receipts import Item, Receipts
from fleet.registry.directory import Directory, Found, Miss, UnitKeys
from fleet.store.batch import Batcher, Overloaded
from fleet.store.borrow import borrow
from fleet.store.pool import Pool
from protocols.wire.messages import STORED, Alarm, Heartbeat, Query
from protocols.wire.seal import Envelope

log = logging.getLogger("livlina.ingest")

Acknowledge = Literal["after_commit", "before_commit"]

MOST_WAITING_FRAMES: Final = 20_000
"""Frames that may wait for the look-up of their unit."""

MOST_PER_UNIT: Final = 64
"""Frames of one unit that may wait for their commit, alarms and all else counted apart: a flooding unit waits for
itself, others never wait for it, and its own alarm still passes (D4)."""

READINGS_LINGER_S: Final = 0.005
MOST_READINGS: Final = 1000
MOST_PRESSES: Final = 200


class Intake:
    """Takes frames from every door. ``heard`` is told of each fresh frame and its way, once that is committed.

    ``orders`` sends the command that goes out behind a receipt; ``owed`` is told when a report has left something for
    a case.

    ``acknowledge`` exists for one purpose: "before_commit" answers before anything is stored, so that a test of
    durability can show that it would notice. No setting leads to it.
    """

    def __init__(
        self,
        directory: Directory,
        receipts: Receipts,
        drops: Drops,
        *,
        alarm_pool: Pool,
        reading_pool: Pool,
        clock: Callable[[], datetime],
        heard: Callable[[int, Way], None],
        orders: Orders,
        owed: Callable[[], None],
        mark: DatabaseMark | None = None,
        notices: Notices | None = None,
        acknowledge: Acknowledge = "after_commit",
    ) -> None:
        self._directory = directory
        self._receipts = receipts
        self._drops = drops
        self._alarm_pool = alarm_pool
        self._clock = clock
        self._heard = heard
        self._orders = orders
        self._owed = owed
        self._notices = notices
        self._before_commit = acknowledge == "before_commit"
        self._looked_up = 0
        self._settling = asyncio.Event()
        self._of_unit: Counter[tuple[int, bool]] = Counter()
        self._copies: dict[bytes, list[Reply]] = {}
        self.presses: Batcher[Arrived, Pressed] = Batcher(
            reported("presses", PressCommit(alarm_pool, mark)), most=MOST_PRESSES
        )
        self.readings: Batcher[Arrived, Read | psycopg.Error] = Batcher(
            reported("readings", ReadingCommit(reading_pool, mark=mark)), most=MOST_READINGS, linger=READINGS_LINGER_S
        )
        self.queries: Batcher[Arrived, list[Item]] = Batcher(
            reported("queries", self._answer_queries), most=MOST_READINGS
        )

    async def run(self) -> None:
        """Commits for ever; cancel it to stop."""
        async with asyncio.TaskGroup() as group:
            for loop in (self.presses, self.readings, self.queries):
                group.create_task(loop.run())

    async def drain(self) -> None:
        """Returns once no frame waits for its look-up or its commit. Take no more frames before."""
        while self._of_unit or self._looked_up:
            self._settling.clear()
            await self._settling.wait()

    def take(self, frame: bytes, way: Way, reply: Reply) -> None:
        """Takes one frame; ``reply`` is called exactly once, at once or later. Never raises for what a frame holds."""
        envelope = parse_frame(frame)
        if isinstance(envelope, Refusal):
            self._refuse(envelope.reason, way, reply)
            return
        assert envelope.unit is not None
        if way.unit is not None and way.unit != envelope.unit:
            self._refuse("channel_mismatch", way, reply)
            return
        unit = self._directory.at_hand(envelope.unit)
        if not isinstance(unit, Miss):
            self._open(unit, envelope, frame, way, reply)
            return
        if self._looked_up >= MOST_WAITING_FRAMES:
            self._unavailable("overloaded", way, reply)
            return
        try:
            looked_up = self._directory.find(envelope.unit)
        except Overloaded:
            self._unavailable("overloaded", way, reply)
            return
        self._looked_up += 1
        looked_up.add_done_callback(partial(self._found, envelope, frame, way, reply))

    def _found(
        self, envelope: Envelope, frame: bytes, way: Way, reply: Reply, looked_up: asyncio.Future[Found]
    ) -> None:
        self._looked_up -= 1
        self._settling.set()
        if looked_up.cancelled() or looked_up.exception() is not None:
            self._unavailable("database_away", way, reply)
        else:
            self._open(looked_up.result(), envelope, frame, way, reply)

    def _open(self, unit: UnitKeys | None, envelope: Envelope, frame: bytes, way: Way, reply: Reply) -> None:
        opened = open_frame(self._directory, unit, envelope, frame)
        if isinstance(opened, Refusal):
            self._refuse(opened.reason, way, reply)
            return
        # A recording that somebody replays without end takes the place of one frame, so that the unit's others pass.
        copies = self._copies.get(frame)
        arrived = Arrived(opened, way, self._clock())
        if len(copies or ()) >= MOST_PER_UNIT or (copies is None and self._of_unit[_place(arrived)] >= MOST_PER_UNIT):
            self._unavailable("unit_queue_full", way, reply)
            return
        if copies is not None:
            copies.append(reply)
            return
        self._copies[frame] = []
        reply = partial(self._answer, frame, reply)
        try:
            self._submit(arrived, reply)
        except Overloaded:
            self._unavailable("overloaded", way, reply)

    def _answer(self, frame: bytes, reply: Reply, outcome: Outcome) -> None:
        """Tells everybody who has sent this frame what became of it."""
        for told in (reply, *self._copies.pop(frame)):
            told(outcome)

    def _submit(self, arrived: Arrived, reply: Reply) -> None:
        message = arrived.opened.message
        if self._before_commit and not isinstance(message, Query):
            self._stored(arrived, [(message.boot, message.seq, STORED)], reply)
            reply = _ignore
        if isinstance(message, Alarm):
            pressed = self.presses.submit(arrived)
            self._of_unit[_place(arrived)] += 1
            pressed.add_done_callback(partial(self._pressed, arrived, reply))
        elif isinstance(message, Query):
            asked = self.queries.submit(arrived)
            self._of_unit[_place(arrived)] += 1
            asked.add_done_callback(partial(self._asked, arrived, reply))
        else:
            # Faults and answers before signs of life, should these have to wait.
            read = self.readings.submit(arrived, first=not isinstance(message, Heartbeat))
            self._of_unit[_place(arrived)] += 1
            read.add_done_callback(partial(self._read, arrived, reply))

    def _pressed(self, arrived: Arrived, reply: Reply, done: asyncio.Future[Pressed]) -> None:
        if not self._settled(arrived, done, reply):
            return
        fate, behind, unproven = done.result()
        if isinstance(fate, psycopg.Error):
            log.error("a press of unit %08x cannot be stored: %s", arrived.opened.keys.unit, type(fate).__name__)
            self._refuse("not_storable", arrived.way, reply)
            return
        if behind and (unproven or fate.double):
            self._notice(arrived, REPEATED if fate.double else UNPROVEN)
        if not fate.double and not behind:
            self._heard(arrived.opened.keys.unit, arrived.way)
        items = [(fate.key.boot, fate.key.seq, fate.stage)]
        self._stored(arrived, items, reply, presses=items, fresh=not (fate.double and behind))
        self._sign_of_life(arrived)

    def _asked(self, arrived: Arrived, reply: Reply, done: asyncio.Future[list[Item]]) -> None:
        if self._settled(arrived, done, reply):
            self._stored(arrived, done.result(), reply, presses=done.result())
            self._sign_of_life(arrived)

    def _read(self, arrived: Arrived, reply: Reply, done: asyncio.Future[Read | psycopg.Error]) -> None:
        if not self._settled(arrived, done, reply):
            return
        read = done.result()
        if isinstance(read, psycopg.Error):
            log.error("a message of unit %08x cannot be stored: %s", arrived.opened.keys.unit, type(read).__name__)
            self._refuse("not_storable", arrived.way, reply)
        elif read.kept is Kept.STALE:
            self._notice(arrived, STALE)
            self._refuse(read.kept.value, arrived.way, reply)
        else:
            if read.kept is Kept.DOUBLE:
                self._notice(arrived, REPEATED)
            elif read.proven:
                self._heard(arrived.opened.keys.unit, arrived.way)
            self._stored(arrived, [(arrived.opened.message.boot, arrived.opened.message.seq, STORED)], reply)
            self._follow(arrived, read)

    def _sign_of_life(self, arrived: Arrived) -> None:
        """Notes counter and presence with the heartbeats: never in the alarm's transaction, and nobody waits for it."""
        try:
            noted = self.readings.submit(arrived)
        except Overloaded:
            return
        noted.add_done_callback(partial(self._noted, arrived))

    def _noted(self, arrived: Arrived, done: asyncio.Future[Read | psycopg.Error]) -> None:
        if done.cancelled() or done.exception() is not None:
            return
        read = done.result()
        if isinstance(read, psycopg.Error):
            return
        if read.kept in (Kept.FRESH, Kept.AGAIN) and read.proven:
            self._heard(arrived.opened.keys.unit, arrived.way)
        self._follow(arrived, read)

    def _follow(self, arrived: Arrived, read: Read) -> None:
        """What goes out behind the receipt, and what the report has left to do."""
        if read.owed:
            self._owed()
        if read.waiting is not None:
            keys, generation = arrived.opened.keys, arrived.opened.generation
            self._orders.follow(keys, generation, arrived.way, read.waiting, read.proven)

    def _notice(self, arrived: Arrived, what: str) -> None:
        if self._notices is not None:
            self._notices.count(arrived.opened.keys.unit, arrived.opened.keys.municipality, what)

    def _settled(self, arrived: Arrived, done: asyncio.Future[Any], reply: Reply) -> bool:
        """Lets go of the unit's place in the queue; False where the commit failed and the sender must send again."""
        place = _place(arrived)
        self._of_unit[place] -= 1
        self._settling.set()
        if not self._of_unit[place]:
            del self._of_unit[place]
        if done.cancelled() or done.exception() is not None:
            self._unavailable("database_away", arrived.way, reply)
            return False
        return True

    def _stored(
        self,
        arrived: Arrived,
        items: Sequence[Item],
        reply: Reply,
        *,
        presses: Sequence[Item] = (),
        fresh: bool = False,
    ) -> None:
        receipt = self._receipts.seal(arrived.opened.keys, arrived.opened.generation, items)
        reply(Stored(receipt, tuple(presses), fresh))

    def _refuse(self, reason: str, way: Way, reply: Reply) -> None:
        self._drops.count(way.transport, reason)
        reply(Refused(reason))

    def _unavailable(self, reason: str, way: Way, reply: Reply) -> None:
        self._drops.count(way.transport, reason)
        reply(Unavailable(reason))

    async def _answer_queries(self, arrived: Sequence[Arrived]) -> Sequence[list[Item]]:
        """The present stages of the presses that units ask about; one that was never stored is left out."""
        keys = [[PressKey(item.opened.keys.unit, *key) for key in item.opened.message.open] for item in arrived]
        async with borrow(self._alarm_pool) as connection:
            known = {
                press.key: press.stage for press in await stages(connection, [key for asked in keys for key in asked])
            }
        return [[(key.boot, key.seq, known[key]) for key in dict.fromkeys(asked) if key in known] for asked in keys]


def _place(arrived: Arrived) -> tuple[int, bool]:
    """Where a frame counts against its unit's bound: a unit that floods with anything else keeps places for alarms."""
    return arrived.opened.keys.unit, isinstance(arrived.opened.message, Alarm)


def _ignore(outcome: object) -> None:
    """Whoever was answered before the commit is not answered again."""
