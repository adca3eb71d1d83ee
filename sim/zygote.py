"""The process that all simulated units are forked from, so that each costs a few hundred kilobytes and milliseconds.

Run as `python -m sim.zygote` by `sim.units`; speaks JSON lines on standard input and output:

    -> {"start": UNIT, "folder": PATH, "env": {...}}   <- {"started": UNIT, "pid": PID}
    -> {"kill": UNIT}                                  <- {"exited": UNIT, "pid": PID, "status": CODE}

A status below zero is the signal that ended the unit. It restarts nothing by itself. It ends, and all units with it,
when its standard input ends; the units also die with it, whatever kills it (PR_SET_PDEATHSIG).

The interpreter is the MicroPython that is installed as a Python extension, imported once and then forked. The image of
the firmware is mapped once too: its pages are there once, however many units execute them (sim/romfs.py). When
`$MICROPYTHON` names another interpreter, each unit is a process of that.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import selectors
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

from sim import romfs

CONSOLE = "console.log"
LONGEST_CONSOLE = 64 * 1024
LONGEST_FILE = 4 * 1024 * 1024
"""No unit's file, its console included, grows past this, whatever goes wrong in it."""
COMMAND = "import firmware.main; firmware.main.run({spread})"
EXIT_FOLDER = 73
"""Status of a unit whose folder cannot be used."""
_PR_SET_PDEATHSIG = 1


def arguments(program: str, spread: int, heap: str) -> list[str]:
    """The command line of one unit; `heap` is sim.firmware_build.heap's."""
    return [program, "-X", f"heapsize={heap}", "-c", romfs.BOOT + COMMAND.format(spread=spread)]


def _console() -> int:
    """The console file of the unit whose folder this is; it starts anew when it has grown long."""
    grown = os.path.exists(CONSOLE) and os.path.getsize(CONSOLE) > LONGEST_CONSOLE  # noqa: PTH110, PTH202
    return os.open(CONSOLE, os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if grown else 0), 0o600)


class Zygote:
    """Forks, kills and reaps. `run_main` runs an interpreter's command line in this process, or None for `program`."""

    def __init__(self, program: str | None, spread: int, heap: str, image: Path) -> None:
        self._command = arguments(program or "micropython", spread, heap)
        self._parent = os.getpid()
        self._prctl = ctypes.CDLL(None).prctl
        self._null = os.open(os.devnull, os.O_RDONLY)
        self._pids: dict[int, int] = {}
        self._names: set[str] = set()
        self._run_main: Any = None
        if program is None:
            import micropython_run

            self._run_main = micropython_run.run_main
        self._rom = str(image) if program is not None else romfs.map_image(image)
        # A collection in a unit would touch, and so copy, every page that it shares with the others.
        gc.disable()
        gc.freeze()

    def start(self, unit: int, folder: str, env: dict[str, str]) -> None:
        """Fork one unit. Refused (an "error" line) if it runs already."""
        if unit in self._pids.values():
            self.tell(error=f"unit {unit} runs already")
            return
        # Everything that can be done before the fork is: Python code in the unit copies pages that it would share.
        os.environ.update({romfs.VARIABLE: self._rom, **env, "LIVLINA_UNIT": str(unit)})
        for name in self._names - env.keys():
            # What was another unit's.
            os.environ.pop(name, None)
        self._names = set(env)
        try:
            os.chdir(folder)
            console = _console()
        except OSError as error:
            self.tell(exited=unit, pid=0, status=EXIT_FOLDER)
            os.write(2, f"unit {unit}: {error}\n".encode())
            return
        pid = os.fork()
        if pid == 0:
            self._become(console)
        os.close(console)
        self._pids[pid] = unit
        self.tell(started=unit, pid=pid)

    def _become(self, console: int) -> NoReturn:
        status = 70
        try:
            if self._prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) or os.getppid() != self._parent:
                os._exit(status)
            os.dup2(self._null, 0)
            os.dup2(console, 1)
            os.dup2(console, 2)
            if self._run_main is None:
                os.execvp(self._command[0], self._command)  # noqa: S606 - the interpreter that was named
            status = self._run_main(self._command)
        except Exception:  # noqa: BLE001 - reported, and the process ends
            # On the unit's console; this process is a copy that nobody else can look into.
            traceback.print_exc()
        finally:
            os._exit(status & 0xFF)

    def kill(self, unit: int) -> None:
        """SIGKILL one unit, as a power cut would; nothing if it does not run."""
        for pid, number in self._pids.items():
            if number == unit:
                os.kill(pid, signal.SIGKILL)

    def reap(self) -> None:
        """Tell of every unit that has ended."""
        while self._pids:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            unit = self._pids.pop(pid, None)
            if unit is not None:
                self.tell(exited=unit, pid=pid, status=os.waitstatus_to_exitcode(status))

    def stop(self) -> None:
        """Kill and reap all."""
        for pid in self._pids:
            os.kill(pid, signal.SIGKILL)
        for pid in list(self._pids):
            os.waitpid(pid, 0)

    def tell(self, **fields: object) -> None:
        """One line to whoever started us."""
        data = json.dumps(fields).encode() + b"\n"
        while data:
            data = data[os.write(1, data) :]

    def obey(self, line: bytes) -> None:
        """One order."""
        order = json.loads(line)
        if "start" in order:
            self.start(order["start"], order["folder"], order["env"])
        elif "kill" in order:
            self.kill(order["kill"])


def main() -> None:
    """Serve until standard input ends."""
    zygote = Zygote(os.environ.get("MICROPYTHON") or None, int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
    awake, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(awake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LONGEST_FILE, LONGEST_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Whoever started us decides what a Ctrl-C means. The interpreter takes the signal back for the units, so this
    # keeps only this process: they must be in a session without a terminal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    selector = selectors.DefaultSelector()
    selector.register(0, selectors.EVENT_READ)
    selector.register(awake, selectors.EVENT_READ)
    pending = b""
    try:
        while True:
            ready = {key.fd for key, _ in selector.select()}
            if awake in ready:
                os.read(awake, 4096)
                zygote.reap()
            if 0 in ready:
                data = os.read(0, 65536)
                if not data:
                    return
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    zygote.obey(line)
    finally:
        zygote.stop()


if __name__ == "__main__":
    main()
