"""A year of heartbeats: real firmware and an emulated modem in lock step, with the faults that a year brings.

    python -m bench.year [--days 365] [--kind mains|battery]

`mains`: a social hub that never rests, more heartbeats than there are message ids, in one boot: a leak would show in
its heap, a stall in the gaps. `battery`: a tracker, whose modem and board sleep between heartbeats (PSM, deep sleep),
so that every one of them is a start of the board.
"""

from __future__ import annotations

import argparse
import gc
import json
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from heapq import nlargest
from itertools import pairwise
from pathlib import Path

from bench import options
from protocols.wire import messages
from provisioning.ca import CertificateAuthority
from provisioning.identity import Extras, make_identity, write_flash
from sim.cellular import configured
from sim.lockstep import LockStep
from sim.modem.rig import Rig
from sim.modem.scenario import Card, Grant, Network, Operator, PathSettings, Scenario, Step
from sim.sealed_receiver import Arrival, Books, Receiver

DAY_S = 86400
HOUR_MS = 3600_000
DAY_MS = 24 * HOUR_MS
SPARE_S = 90
"""A heartbeat may come so much later than it was announced: the time in which another card must be found."""
BACK_S = 900
"""After both networks were away, the unit is heard again within its interval and this; firmware does not hammer."""
LEAK_BYTES = 2048
"""So much may the low-water mark fall once every fault of the year has come: a leak goes on falling by more."""
EVERY_FAULT_S = 60 * DAY_S
LATEST = 6
HEARTBEAT_S = {"mains": 450, "battery": 14400}
PROFILE = {"mains": 1, "battery": 3}
# Both networks: (first day, every so many days, hours).
BLACKOUT = (41, 60, 2)


@dataclass(frozen=True)
class Year:
    """What a run has shown; times in seconds, heap in bytes. `late` is the longest wait beyond what was announced,
    outside blackouts; `back` the longest from a blackout's end to the next message. `latest` are the longest waits as
    (day, seconds), `heap_fell` the days on which the low-water mark fell, and to what."""

    kind: str
    days: float
    heartbeats: int
    messages: int
    wraps: int
    late_s: float
    back_s: float
    interval_s: int
    boots: int
    naps: int
    resets: int
    hangs: int
    power_cuts: int
    heap_first: int
    heap_last: int
    heap_fell: tuple[tuple[float, int], ...]
    latest: tuple[tuple[float, float], ...]
    real_s: float

    @property
    def passed(self) -> bool:
        leaked = self.heap_first - self.heap_last > LEAK_BYTES
        expected = 0.98 * self.days * DAY_S / self.interval_s
        return (
            self.late_s <= SPARE_S
            and self.back_s <= self.interval_s + BACK_S
            and not leaked
            and not self.resets
            and self.heartbeats >= expected
        )


def faults() -> tuple[Step, ...]:
    """What a year brings. Days are spread so that two faults seldom meet."""

    def every(do: str, first: float, days: float, **fields: object) -> Step:
        return Step(do, at_ms=first * DAY_MS, every_ms=days * DAY_MS, **fields)  # type: ignore[arg-type]

    first, days, hours = BLACKOUT
    over = first + hours / 24
    return (
        every("hang", 11.3, 30.4),
        every("brown_out", 52.6, 90),
        every("reset", 33.1, 45),
        every("pdp_drop", 4.4, 9),
        every("pdp_drop", 8.7, 10, quiet=True),
        every("cell_loss", 2.2, 3, ms=90_000),
        every("signal", 6.1, 14, name="first", rsrp=-118, cell=0x093F9E12),
        every("signal", 13.2, 14, name="first", rsrp=-84, cell=0x093F9E11, tac=0xE486),
        every("network", 20, 30, name="first", up=False),
        every("network", 20 + 3 / 24, 30, name="first"),
        every("network", first, days, name="first", up=False),
        every("network", first, days, name="second", up=False),
        every("network", over, days, name="first"),
        every("network", over, days, name="second"),
        every("sms", 5.5, 5, payload="e8329bfd06", coding="7-bit"),
        every("sms", 17.9, 23, coding="garbage", times=3),
    )


def scenario(dialect: str, seed: int) -> Scenario:
    """Two cards, masts of their own, PSM granted, one datagram in a hundred lost each way."""
    return Scenario(
        dialect=dialect,
        seed=seed,
        path=PathSettings(loss_up=0.01, loss_down=0.01),
        grant=Grant(active="00000101", tau="00100110"),
        networks=(Network("first"), Network("second", tac=0x2C12, cell=0x01A2B301, rsrp=-97)),
        operators=(Operator("First", "24001", ("first",)), Operator("Second", "24007", ("second",))),
        cards=(
            Card("8946001201234567890", "240016123456789", "First"),
            Card("8946070098765432109", "240079876543210", "Second"),
        ),
        steps=faults(),
    )


class Ledger:
    """Keeps of every message what the judgement needs."""

    def __init__(self, books: Books) -> None:
        self.late = 0.0
        self.back = 0.0
        self.last = 0.0
        self.due: float | None = None
        self.boots: set[int] = set()
        self.heap: list[tuple[float, int]] = []
        self.waits: list[tuple[float, float]] = []
        books.on_message = self.note

    def note(self, arrival: Arrival) -> None:
        """A message has come for the first time or again."""
        message = arrival.message
        self.boots.add(message.boot)
        ended = blackout_between(self.last, arrival.at)
        if ended is not None:
            self.back = max(self.back, arrival.at - ended)
            # What was announced before it counts no more, whatever kind of message comes first.
            self.due = None
        elif self.due is not None:
            self.late = max(self.late, arrival.at - self.due)
            self.waits = nlargest(LATEST, [*self.waits, (arrival.at - self.due, arrival.at)])
        self.last = arrival.at
        if isinstance(message, messages.Heartbeat):
            self.due = arrival.at + message.next_due
            low = (message.status or {}).get(messages.STATUS_HEAP_LOW)
            if low is not None:
                self.heap.append((arrival.at, low))

    def latest(self) -> tuple[tuple[float, float], ...]:
        """The longest waits beyond what was announced: (day, seconds), longest first."""
        return tuple((round(at / DAY_S, 3), round(late, 1)) for late, at in self.waits)

    def heap_fell(self) -> tuple[tuple[float, int], ...]:
        """When the low-water mark fell: (day, bytes). A leak goes on falling, a rare peak falls once."""
        marks = pairwise([(0.0, sys.maxsize), *self.heap])
        return tuple((round(at / DAY_S, 2), low) for (_, before), (at, low) in marks if low < before)


def blackout_between(start: float, end: float) -> float | None:
    """When the last blackout ended that overlaps this time, if any does."""
    first, days, hours = BLACKOUT
    number = max(0, int((end / DAY_S - first) // days))
    begins = (first + number * days) * DAY_S
    ends = begins + hours * 3600
    return ends if begins <= end and start <= ends else None


def measure(days: float, kind: str = "mains", dialect: str = "bg95", seed: int = 1) -> Year:
    """So many days in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="livlina-year-"))
    started = time.monotonic()
    # What is there already is not looked through again a year long.
    gc.collect()
    gc.freeze()
    interval = HEARTBEAT_S[kind]
    try:
        with LockStep(folder / "build") as world:
            identity = make_identity(1)
            authority = CertificateAuthority.open(folder / "ca")
            books = Books({1: identity})
            receiver = Receiver(world, books)
            made = scenario(dialect, seed)
            write_flash(
                folder / "flash", identity, authority.issue_unit(1), authority.ca_der, profile=PROFILE[kind],
                heartbeat_s=interval, pipes=["coap"], coap_addresses=[("127.0.0.1", receiver.port)],
                extras=Extras(modem=configured(made)),
            )  # fmt: skip
            ledger = Ledger(books)
            rig = Rig(made, world.clock)
            unit = world.add_unit(1, folder / "flash", seed=seed, rig=rig)
            world.run(days * DAY_S)
            early = [low for at, low in ledger.heap if at <= EVERY_FAULT_S] or [low for _, low in ledger.heap[:1]]
            return Year(
                kind, days, books.heartbeats, books.types.total(), receiver.wraps,
                round(max(ledger.late, world.clock.now() - (ledger.due or 0)), 1), round(ledger.back, 1), interval,
                len(ledger.boots), unit.naps, len(unit.resets), rig.device.hangs, rig.device.power_cuts,
                min(early, default=0), min((low for _, low in ledger.heap), default=0), ledger.heap_fell(),
                ledger.latest(),
                round(time.monotonic() - started, 1),
            )  # fmt: skip
    finally:
        shutil.rmtree(folder)


def main() -> int:
    """0 if nothing stalled and nothing leaked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=options.real(0.1, 3653), default=365.25)
    parser.add_argument("--kind", choices=sorted(PROFILE), default="mains")
    parser.add_argument("--dialect", default="bg95", choices=("bg95", "sim7080g", "gm02s"))
    parser.add_argument("--seed", type=options.SEED, default=1)
    options.json_in_any_case(parser)
    arguments = parser.parse_args()
    year = measure(arguments.days, arguments.kind, arguments.dialect, arguments.seed)
    sys.stdout.write(json.dumps({**asdict(year), "passed": year.passed}, indent=1) + "\n")
    return 0 if year.passed else 1


if __name__ == "__main__":
    options.run(main)
