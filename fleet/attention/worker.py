"""What takes long, in a process of its own: judging every unit by the calendar, forecasting every battery.

    python -m fleet.attention.worker        one job as JSON on standard input, one answer as JSON on standard output

The loop on which alarms come in never computes a fleet: it starts this, and goes on. The database's address comes by
standard input, so that no list of processes shows it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from fleet.attention import plans, store
from fleet.store.pool import Connection, Duty, make_pool

LONGEST_S: Final = 600.0
"""A job that takes longer is ended: the next look begins anew."""


class WorkerFailed(RuntimeError):
    """The process has ended without an answer; the message is its last line, which names no secret."""


async def _doomed(connection: Connection, _asked: Mapping[str, Any]) -> dict[str, Any]:
    at = datetime.now(UTC)
    found = await store.look_for_doomed(connection, at)
    opened, closed = await store.keep_person_visits(connection, found, at)
    return {"units": len(found), "tasks_opened": opened, "tasks_closed": closed}


async def _batteries(connection: Connection, _asked: Mapping[str, Any]) -> dict[str, Any]:
    return {"units": await store.look_at_batteries(connection, datetime.now(UTC))}


async def _plan(connection: Connection, asked: Mapping[str, Any]) -> dict[str, Any]:
    sees = ",".join(str(number) for number in asked["municipalities"])
    await connection.execute("SELECT set_config('livlina.municipalities', %s, true)", [sees])
    await plans.work(connection, asked["plan"])
    return {"plan": asked["plan"]}


Job = Callable[[Connection, Mapping[str, Any]], Awaitable[dict[str, Any]]]
JOBS: Final[Mapping[str, tuple[Duty, Job]]] = {
    "doomed": ("supervise", _doomed),
    "low_battery": ("supervise", _batteries),
    "plan": ("web", _plan),
}


async def work(url: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Does one job in one transaction of its own, as the job's duty. Raises KeyError for an unknown one."""
    duty, job = JOBS[asked["job"]]
    async with (
        make_pool(url, duty, size=1, name="attention-worker") as pool,
        pool.connection() as connection,
        connection.transaction(),
    ):
        await connection.execute("SET LOCAL statement_timeout = '300s'")
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = '300s'")
        return await job(connection, asked)


async def in_worker(url: str, asked: Mapping[str, Any], *, longest_s: float = LONGEST_S) -> dict[str, Any]:
    """Has a process of its own do the job. Raises WorkerFailed, TimeoutError; the process never outlives the caller."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "fleet.attention.worker",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )  # fmt: skip
    try:
        async with asyncio.timeout(longest_s):
            out, said = await child.communicate(json.dumps({**asked, "url": url}).encode())
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await asyncio.shield(child.wait())
    if child.returncode:
        last = said.decode(errors="replace").strip().splitlines()[-1:]
        raise WorkerFailed(last[0].partition(":")[0][:200] if last else f"ended with {child.returncode}")
    answer: dict[str, Any] = json.loads(out)
    return answer


def main() -> None:
    """One job from standard input."""
    os.nice(10)
    asked = json.loads(sys.stdin.read())
    sys.stdout.write(json.dumps(asyncio.run(work(asked.pop("url"), asked))))


if __name__ == "__main__":
    main()
