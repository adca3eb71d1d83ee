"""Ends what an earlier server process left running on a database folder.

After a SIGKILL of the program, its PostgreSQL may live on for a moment or for good, and the old `postmaster.pid` may
name a process that has nothing to do with it. Only a process that is proven to be a `postgres` working in this folder
is ever signalled. The caller must hold the folder's lock: a server whose program is alive is no leftover.
"""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import ExitStack
from pathlib import Path

from fleet.store.postgres_account import PostgresError

# A fast shutdown first; then without the checkpoint; then by force. PostgreSQL recovers from each of them.
ESCALATION = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 10.0))


def clear_leftovers(cluster: Path) -> None:
    """Return once no process works in `cluster` and its lock file blocks no start.

    Raises PostgresError if a process cannot be ended, naming it.
    """
    for number, patience_s in ESCALATION:
        if _end(cluster, number, patience_s):
            break
    else:
        raise PostgresError(
            f"another PostgreSQL still works in {cluster} (process {_owner(cluster)}) and cannot be stopped; "
            "stop it by hand, then start again"
        )
    _drop_misleading_lock(cluster)


def _end(cluster: Path, number: signal.Signals, patience_s: float) -> bool:
    """Signal the postmaster, or by force everything that is left without one; True once all are gone."""
    with ExitStack() as stack:
        left = _processes_in(cluster, stack)
        postmaster = left.get(_owner(cluster))
        for pid, handle in left.items():
            if handle == postmaster or (postmaster is None and number == signal.SIGKILL):
                _send(handle, number, pid, cluster)
        deadline = time.monotonic() + patience_s
        waiting = select.poll()
        for handle in left.values():
            waiting.register(handle, select.POLLIN)
        running = set(left.values())
        while running and (rest := deadline - time.monotonic()) > 0:
            for handle, _ in waiting.poll(rest * 1000):
                waiting.unregister(handle)
                running.discard(handle)
        return not running


def _processes_in(cluster: Path, stack: ExitStack) -> dict[int, int]:
    """Process id -> process handle of every `postgres` whose working folder is `cluster`.

    The handle is opened before the look, so that a process id that is used again can never be signalled.
    """
    folder = str(cluster.resolve())
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or not _works_in(entry, folder):
            continue
        try:
            handle = os.pidfd_open(int(entry.name))
        except ProcessLookupError:
            continue
        stack.callback(os.close, handle)
        if _works_in(entry, folder):
            found[int(entry.name)] = handle
    return found


def _works_in(process: Path, folder: str) -> bool:
    try:
        program = str((process / "exe").readlink()).removesuffix(" (deleted)")
        return Path(program).name == "postgres" and str((process / "cwd").readlink()) == folder
    except OSError:
        return False  # Gone, a zombie, or another user's: none of them is ours.


def _send(handle: int, number: signal.Signals, pid: int, cluster: Path) -> None:
    try:
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        pass  # It was faster.
    except PermissionError as error:
        raise PostgresError(
            f"another PostgreSQL works in {cluster} (process {pid}) and belongs to another user; stop it by hand"
        ) from error


def _owner(cluster: Path) -> int:
    """The process id in the lock file, or 0."""
    try:
        return int((cluster / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return 0


def _drop_misleading_lock(cluster: Path) -> None:
    """Remove a lock file whose process id now belongs to someone else or to a zombie: PostgreSQL would give up.

    A lock file of a dead process stays: PostgreSQL uses it to check for shared memory still in use.
    """
    pid = _owner(cluster)
    if pid and Path(f"/proc/{pid}").exists():
        (cluster / "postmaster.pid").unlink()
