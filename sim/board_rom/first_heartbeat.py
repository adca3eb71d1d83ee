"""The start of a provisioned virtual board, and the fleet's ear: waits for the first message that opens under its key.

`FirstHeartbeat` is the fleet's CoAP address for one bench. It decides nothing about a unit besides whether it has been
heard; it answers nothing, and the board is switched off when it has been heard.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import time
from pathlib import Path

from protocols.wire import coap, messages, seal
from provisioning.identity import Identity
from provisioning.run import RunError
from sim.board_rom.boot import BootError, bootable
from sim.board_rom.flash import Flash
from sim.board_rom.interpreter import MAIN, command, environment
from sim.sealed_receiver import Books

PATIENCE_S = 60
_LONGEST = 2048


class FirstHeartbeat:
    """Bound when made; `address` goes into the order. `heap` and `shims` come from the firmware's build."""

    def __init__(self, shims: Path, heap: str) -> None:
        self._shims = shims
        self._heap = heap
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._socket.getsockname()

    def close(self) -> None:
        """No ear any more."""
        self._socket.close()

    def start(self, board: Path, identity: Identity) -> dict[str, object]:
        """Boot the board in this folder and hear it once. Raises RunError with what it printed."""
        path = board / "flash.bin"
        flash = Flash(path, path.stat().st_size)
        try:
            bootable(flash)
        except BootError as error:
            raise RunError(f"the board does not start: {error}") from error
        finally:
            flash.close()
        console = board / "console.log"
        with console.open("wb") as out:
            process = subprocess.Popen(  # noqa: S603 - the interpreter of the units
                command(path, MAIN, self._heap),
                env={**os.environ, **environment(path, self._shims)},
                stdout=out,
                stderr=subprocess.STDOUT,
            )
            try:
                message = self._hear(identity, process)
            finally:
                process.kill()
                process.wait()
        if message is None:
            words = " ".join(console.read_text(errors="replace").split())[-400:]
            raise RunError(f"the board started and was not heard: {words or 'it printed nothing'}")
        return {"heard": type(message).__name__, "boot": message.boot, "seq": message.seq}

    def _hear(self, identity: Identity, process: subprocess.Popen[bytes]) -> messages.Heartbeat | None:
        books = Books({identity.unit: identity})
        until = time.monotonic() + PATIENCE_S
        while process.poll() is None and time.monotonic() < until:
            ready, _, _ = select.select([self._socket], [], [], 0.2)
            if not ready:
                continue
            frame = coap.decode(self._socket.recvfrom(_LONGEST)[0]).payload
            try:
                _, message = books.open(bytes(frame))
            except (seal.SealError, KeyError):
                continue  # Another board's, or an older identity's.
            if isinstance(message, messages.Heartbeat):
                return message
        return None
