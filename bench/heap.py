"""What whole units take of their heap while their code is executed in place, as from flash.

    python -m bench.heap [--hours 6] [--json]

Lock step: start, registration, heartbeats with full status for some hours, a press. Of the greatest use of the heap the
simulated board's own share is taken away. Words are those of this machine: a board's are half as long, so that the same
objects take about half of it there; TLS lives outside this heap on both.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench import options
from protocols.wire import messages
from provisioning.ca import CertificateAuthority
from provisioning.identity import Extras, make_identity, write_flash
from sim.cellular import configured
from sim.firmware_build import build_firmware, command, environment, heap
from sim.lockstep import CLOCK_KB, LockStep
from sim.modem.rig import Rig
from sim.modem.scenario import Scenario
from sim.sealed_receiver import Arrival, Books, Receiver

_WORD = sys.maxsize.bit_length() + 1 >> 3
HOURS_S = 6 * 3600
HEARTBEAT_S = 300
ORDERS = 3
"""The fleet gives an order again that has no answer: one that found no room is told as a fault of the heap."""
BOARD_KB = 100
"""A board's heap, which units are to fit into."""
_KEY = bytes(range(16))
_WIFI = ("wlan", "network", "password")


@dataclass(frozen=True)
class Kind:
    """A unit to be measured: what it is configured for."""

    name: str
    profile: int
    pipes: tuple[str, ...] = ("coap",)
    dialect: str | None = "bg95"
    sms: bool = False
    pendants: int = 0
    wifi: bool = False


UNITS = (
    Kind("hub on the board's own network, CoAP and MQTT", 1, ("coap", "mqtt"), None),
    Kind("hub with modem and CoAP", 1),
    Kind("worn, with modem, CoAP and SMS", 2, sms=True),
    Kind("hub with modem, CoAP, MQTT, SMS and 4 pendants", 1, ("coap", "mqtt"), sms=True, pendants=4),
    Kind("hub with modem and Wi-Fi, CoAP, SMS and 4 pendants", 1, sms=True, pendants=4, wifi=True),
    Kind("hub with modem and Wi-Fi, CoAP, MQTT and SMS", 1, ("coap", "mqtt"), sms=True, wifi=True),
)
"""From the emptiest to the fullest, with one radio and then with two."""
KINDS = (*UNITS, Kind("tracker with GM02S, CoAP and SMS", 3, dialect="gm02s", sms=True))
"""Those, and one that is never near its limit but speaks another modem's language and sleeps."""
LEAST_FREE = 204_800 // 25
"""Bytes (words of 8) that every kind must leave free at its fullest, the simulated board's own share being in the same
heap: for what a press allocates, and for holes. One that leaves less restarts sooner or later."""
# What stands for the board: on a real one it is part of the interpreter.
_BOARD = """
import gc
gc.collect(); before = gc.mem_alloc()
import machine, board, bluetooth, esp32, virtual_time
gc.collect(); print(gc.mem_alloc() - before)
"""


@dataclass(frozen=True)
class Heap:
    """Bytes: `used` at most by interpreter and firmware; `free` at least, the simulated board's own share being in the
    same heap; `word` is this machine's."""

    used: int
    free: int
    word: int
    resets: int

    @property
    def on_a_board(self) -> int:
        """The same objects with words of four bytes, about."""
        return self.used * 4 // self.word


def _boards_share(build: Path) -> int:
    done = subprocess.run(
        command(build, _BOARD, "2M"), env={**os.environ, **environment(build)}, stdout=subprocess.PIPE, text=True,
        check=True,
    )  # fmt: skip
    return int(done.stdout)


def _kib(heapsize: str) -> int:
    """Bytes of a heap of so many kilobytes, scaled by words."""
    return int(heapsize.removesuffix("wK")) * 1024 * _WORD // 4


def measure(kind: Kind = UNITS[1], hours_s: int = HOURS_S) -> Heap:
    """One unit, in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="livlina-heap-"))
    lows: list[int] = []

    def note(arrival: Arrival) -> None:
        status = getattr(arrival.message, "status", None) or {}
        if messages.STATUS_HEAP_LOW in status:
            lows.append(status[messages.STATUS_HEAP_LOW])

    try:
        build = build_firmware(folder / "build")
        share = _boards_share(build)
        whole = _kib(heap(build, CLOCK_KB))
        with LockStep(folder / "build") as world:
            world.flights.refuses_streams = True
            books = Books({1: make_identity(1)})
            books.on_message = note
            receiver = Receiver(world, books)
            made = None if kind.dialect is None else Scenario(dialect=kind.dialect)
            provision(folder, books, kind, receiver.port, made)
            unit = world.add_unit(1, folder / "flash", rig=None if made is None else Rig(made, world.clock))
            unit.own_network = made is None or kind.wifi
            world.run(hours_s)
            unit.press(seconds=1)
            world.run(30)
            told = len(lows)
            for number in range(1, ORDERS + 1):
                receiver.order(1, number, messages.COMMAND_STATUS, {})
                if world.run(2 * HEARTBEAT_S, lambda: len(lows) > told):
                    return Heap(whole - min(lows) - share, min(lows), _WORD, len(unit.resets))
            raise RuntimeError(f"{kind.name}: no status, {len(unit.resets)} resets")
    finally:
        shutil.rmtree(folder)


def provision(folder: Path, books: Books, kind: Kind, port: int, made: Scenario | None) -> None:
    """The flash of unit 1 of this kind, in `flash` of this folder; `port` is the fleet's."""
    authority = CertificateAuthority.open(folder / "ca")
    write_flash(
        folder / "flash", books.identities[1], authority.issue_unit(1), authority.ca_der,
        profile=kind.profile, heartbeat_s=HEARTBEAT_S, pipes=list(kind.pipes), coap_addresses=[("127.0.0.1", port)],
        # The port of nobody: see above.
        mqtt_address=("127.0.0.1", 9, "localhost") if "mqtt" in kind.pipes else None,
        extras=Extras(
            modem=None if made is None else configured(made), sms_number="+46123456" if kind.sms else None,
            own_network=_WIFI if kind.wifi else None,
            pendants=[(16 + number, 7001 + number, _KEY, 3600) for number in range(kind.pendants)],
        ),
    )  # fmt: skip


def main() -> int:
    """Print them; 0 if each leaves enough and none has reset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=options.real(0.1, 8766), default=HOURS_S / 3600)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = []
    if not arguments.json:
        sys.stdout.write(f"{'bytes':>8} {'words of 4':>10} {'left':>7} {'free here':>9} resets  unit\n")
    for kind in KINDS:
        found = measure(kind, int(arguments.hours * 3600))
        left = BOARD_KB * 1024 - found.on_a_board
        rows.append(
            {
                "unit": kind.name, "bytes": found.used, "words_of_4": found.on_a_board, "left": left,
                "free": found.free, "resets": found.resets, "passed": found.free > LEAST_FREE and not found.resets,
            }
        )  # fmt: skip
        if not arguments.json:
            sys.stdout.write(
                f"{found.used:8} {found.on_a_board:10} {left:7} {found.free:9} {found.resets:6}  {kind.name}\n"
            )
            sys.stdout.flush()
    if arguments.json:
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
    return 0 if all(row["passed"] for row in rows) else 1


if __name__ == "__main__":
    options.run(main)
