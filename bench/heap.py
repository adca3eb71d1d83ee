"""What a whole unit with a modem and CoAP takes of its heap while its code is executed in place, as from flash.

    python -m bench.heap

Lock step: start, registration, heartbeats with full status for some hours, a press. Of the greatest use of the heap the
simulated board's own share is taken away. Words are those of this machine: a board's are half as long, so that the same
objects take about half of it there; TLS lives outside this heap on both.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from protocols.wire import messages
from provisioning.ca import CertificateAuthority
from provisioning.identity import make_identity, write_flash
from sim.cellular import configured
from sim.firmware_build import build_firmware, command, environment, heap
from sim.lockstep import CLOCK_KB, LockStep
from sim.modem.rig import Rig
from sim.modem.scenario import Scenario
from sim.sealed_receiver import Arrival, Books, Receiver

_WORD = sys.maxsize.bit_length() + 1 >> 3
HOURS_S = 6 * 3600
# What stands for the board: on a real one it is part of the interpreter.
_BOARD = """
import gc
gc.collect(); before = gc.mem_alloc()
import machine, board, bluetooth, esp32, virtual_time
gc.collect(); print(gc.mem_alloc() - before)
"""


@dataclass(frozen=True)
class Heap:
    """Bytes: `used` at most by interpreter and firmware; `word` is this machine's."""

    used: int
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


def measure(dialect: str = "bg95") -> Heap:
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
            identity = make_identity(1)
            authority = CertificateAuthority.open(folder / "ca")
            books = Books({1: identity})
            books.on_message = note
            receiver = Receiver(world, books)
            made = Scenario(dialect=dialect)
            write_flash(
                folder / "flash", identity, authority.issue_unit(1), authority.ca_der, profile=1, heartbeat_s=300,
                pipes=["coap"], coap_addresses=[("127.0.0.1", receiver.port)], modem=configured(made),
            )  # fmt: skip
            unit = world.add_unit(1, folder / "flash", rig=Rig(made, world.clock))
            world.run(HOURS_S)
            unit.press(seconds=0.2)
            world.run(86400, lambda: len(lows) > 1)
            return Heap(whole - min(lows) - share, _WORD, len(unit.resets))
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Print it."""
    found = measure()
    sys.stdout.write(
        f"{found.used} bytes of heap at most, in words of {found.word}; about {found.on_a_board} in words of 4; "
        f"{found.resets} resets\n"
    )


if __name__ == "__main__":
    main()
