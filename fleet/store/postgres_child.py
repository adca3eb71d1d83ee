"""The postmaster as a direct child of this program, tied to its life.

A direct child can be waited for: after a SIGKILL it is gone at once, while an orphan may stay a zombie that makes the
lock file look alive.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from fleet.store.postgres_account import Account, PostgresError, bare_environment
from fleet.store.postgres_leftovers import ESCALATION

PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Child:
    """The postmaster as a direct child, with a thread that starts it, waits for it and so lives as long as it does.

    Linux ties PR_SET_PDEATHSIG to the thread that forked, not to the process: without a thread of its own, a server
    started from a short-lived thread would stop with that thread.
    """

    pid: int

    def __init__(self, argv: list[str], account: Account, log: Path) -> None:
        """Start the program; its output is appended to `log`. Raises PostgresError if it cannot be started."""
        self.gone = threading.Event()
        self._started = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._error: OSError | subprocess.SubprocessError | None = None
        threading.Thread(target=self._keep, args=(argv, account, log), name="postgres-keeper", daemon=True).start()
        self._started.wait()
        if self._process is None:
            raise PostgresError(f"cannot run {argv[0]} as the user {account.name}: {self._error}") from self._error
        self.pid = self._process.pid

    def status(self) -> int | None:
        """None while it runs, else how it ended."""
        return self._process.returncode if self._process is not None and self.gone.is_set() else None

    def kill(self) -> None:
        """End it at once and wait for it."""
        self._send(signal.SIGKILL)
        self.gone.wait()

    def stop(self) -> None:
        """End it in order, and by force if that takes too long."""
        for number, patience_s in ESCALATION:
            self._send(number)
            if self.gone.wait(patience_s):
                return

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None and not self.gone.is_set():
            self._process.send_signal(number)

    def _keep(self, argv: list[str], account: Account, log: Path) -> None:
        try:
            with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as output:
                self._process = subprocess.Popen(  # noqa: S603 (our own arguments)
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd="/",
                    env=bare_environment(),
                    umask=0o077,
                    start_new_session=True,  # Ctrl-C is for this program, which then stops the server in order.
                    user=account.uid if account.switch else None,
                    group=account.gid if account.switch else None,
                    extra_groups=[] if account.switch else None,
                    preexec_fn=ties_to_parent(),  # noqa: PLW1509 (see there)
                )
        except (OSError, subprocess.SubprocessError) as error:
            self._error = error
            return
        finally:
            self._started.set()
        self._process.wait()
        self.gone.set()


def ties_to_parent(number: signal.Signals = signal.SIGINT) -> Callable[[], None]:
    """What a child runs before exec, after its change of user (which would clear the tie): end with its parent.

    ``number`` is the signal that the child gets when the thread that forked it ends, however it ends.

    PyDLL keeps the interpreter's lock, so the call is safe in a child forked from a program with threads.
    """
    prctl = ctypes.PyDLL(None).prctl
    parent = os.getpid()

    def tie() -> None:
        prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return tie
