"""Servers of tests that need not import the product each: one process has, and forks them.

A fork has a process id of its own and is ended, killed, stopped and continued like any other process; it shares nothing
with its siblings but the memory that nobody writes. It is forked before any loop or thread exists.

    zygote = Zygote(command)      command imports, then calls `serve_forks(run)`
    forked = zygote.fork([...])   the arguments that `run` gets
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any


class Forked:
    """A forked process, with as much of `subprocess.Popen` as its owners use."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._ended = False
        try:
            self._handle = os.pidfd_open(pid)
        except ProcessLookupError:
            self._ended = True

    def poll(self) -> int | None:
        """None while it lives. The zygote reaps it, so that its exit status is nobody's."""
        return 0 if self._wait(0) else None

    def wait(self, timeout: float | None = None) -> int:
        """Raises TimeoutExpired."""
        if not self._wait(timeout):
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return 0

    def send_signal(self, number: signal.Signals) -> None:
        """To this process and no other that may have its number later."""
        if not self.poll():
            try:
                signal.pidfd_send_signal(self._handle, number)
            except ProcessLookupError:
                self._wait(None)

    def _wait(self, timeout: float | None) -> bool:
        if not self._ended:
            watched = select.poll()
            watched.register(self._handle, select.POLLIN)
            if watched.poll(None if timeout is None else timeout * 1000):
                self._ended = True
                os.close(self._handle)
        return self._ended


class Zygote:
    """One a test process, started at its first fork and ended with it."""

    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        self._command = command
        self._environment = environment
        self._process: subprocess.Popen[str] | None = None

    def fork(self, arguments: Sequence[Any]) -> Forked:
        """A process that runs with these arguments (JSON)."""
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            atexit.register(self.end)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(list(arguments)) + "\n")
        self._process.stdin.flush()
        return Forked(int(self._process.stdout.readline()))

    def end(self) -> None:
        """Ends the zygote; what it has forked goes on."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            process.wait(60)


def serve_forks(run: Callable[..., None]) -> None:
    """The zygote's own life: a fork for each line of arguments on standard input, until it ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # What is imported stays, and no fork's collector writes into the pages that all of them share.
    gc.freeze()
    while line := sys.stdin.readline():
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, 0)
            os.dup2(2, 1)
            status = 1
            try:
                run(*json.loads(line))
                status = 0
            finally:
                if status:
                    traceback.print_exc()
                os._exit(status)  # never back into the zygote's own loop
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
