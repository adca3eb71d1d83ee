"""What is asked of SIM providers: queued with a key, sent by a worker, done when the provider's own view shows it.

```
 queued ─► sending ─► accepted ─► done
   ▲          │           └────► failed      the view never showed it
   └─ 429, ───┤
      away    ├─► refused                    the provider says no, or does not offer it
              └─► unclear                    a reset whose answer was lost: sent at most once
```
Activating, suspending and limiting may be sent again: they say how it is to be. A reset cuts a connection, so one
whose answer was lost is not sent again by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import psycopg

from fleet.clock import Clock, pause
from fleet.connectivity.accounts import SQL, Opening, open_account
from fleet.connectivity.provider import Action, NotOffered, Provider, ProviderError, SimView
from fleet.evidence.audit import record
from fleet.registry.secret_box import SecretBoxError
from fleet.store.borrow import AWAY, borrow
from fleet.store.pool import Connection, Pool, fetch_all

log = logging.getLogger("livlina.connectivity")

LEASE: Final = timedelta(minutes=2)
LOOK_S: Final = 5.0
VIEW_AGAIN: Final = timedelta(seconds=60)
VIEW_GIVES_UP: Final = timedelta(hours=2)
"""The provider's view is looked at for so long after the action was asked for."""
MOST_ATTEMPTS: Final = 10
GIVES_UP: Final = timedelta(days=1)
WORKER: Final = "machine:connectivity"
WANTED: Final = {"activate": "active", "suspend": "suspended"}


class ActionError(ValueError):
    """The action cannot be queued; the message says what to change."""


async def ask(
    connection: Connection, key: str, iccid: str, action: Action, actor: str, *, at: datetime, octets: int | None = None
) -> tuple[int, bool]:
    """Queues an action in the caller's transaction; (its number, whether it is new). The same key again is the same
    action. Raises ActionError for a SIM without an account, or a key that was used for something else."""
    values = {"action_key": key, "iccid": iccid, "action": action, "amount": octets, "actor": actor, "at": at}
    if (action == "limit") != (octets is not None):
        raise ActionError("a limit needs a number of octets, and nothing else takes one")
    if action == "suspend" and (units := await fetch_all(connection, SQL["relying_on"], values)):
        raise ActionError(f"unit {units[0]['unit_id']:08x} is in use with this SIM: give it another one first")
    rows = await fetch_all(connection, SQL["ask"], values)
    if not rows:
        before = await fetch_all(connection, SQL["asked_before"], values)
        if not before:
            raise ActionError("the SIM is not in the inventory, or has no provider there")
        found = before[0]
        if (found["iccid"], found["action"], found["amount"]) != (iccid, action, octets):
            raise ActionError("this key was used for another action: take a new one")
        return int(found["action_id"]), False
    await record(
        connection, actor=actor, action=f"sim.{action}", municipality_id=rows[0]["municipality_id"],
        subject=f"sim:{iccid}", detail={"action": rows[0]["action_id"], "octets": octets}, at=at,
    )  # fmt: skip
    return int(rows[0]["action_id"]), True


class Step(NamedTuple):
    """What became of one turn of an action: its state, why, and when it is looked at again (None: it is settled)."""

    state: str
    why: str | None = None
    again: timedelta | None = None


async def take_step(
    provider: Provider, row: Mapping[str, Any], at: datetime, sending: Callable[[], Any]
) -> tuple[Step, SimView | None]:
    """One turn of one action. ``sending`` commits that it is being sent, before anything goes out."""
    view: SimView | None = None
    try:
        view = await provider.sim(row["iccid"])
        wanted = WANTED.get(row["action"])
        if wanted is not None and view.state == wanted:
            return Step("done"), view
        if row["state"] == "accepted":
            over = at - row["queued_at"] > VIEW_GIVES_UP
            return Step("failed", "the provider's view never showed it") if over else Step(
                "accepted", row.get("why"), VIEW_AGAIN
            ), view
        if row["state"] == "sending" and row["action"] == "reset":
            return Step("unclear", "nobody knows whether the reset went out"), view
        await sending()
        await _send(provider, row, view)
    except NotOffered as error:
        return Step("refused", str(error)), view
    except ProviderError as error:
        return _after(error, row, at), view
    return (Step("accepted", None, VIEW_AGAIN) if row["action"] in WANTED else Step("done")), view


async def _send(provider: Provider, row: Mapping[str, Any], view: SimView) -> None:
    if row["action"] == "reset":
        await provider.reset(view)
    elif row["action"] == "limit":
        await provider.limit(view, row["amount"])
    else:
        await provider.set_state(view, "active" if row["action"] == "activate" else "suspended")


def _after(error: ProviderError, row: Mapping[str, Any], at: datetime) -> Step:
    if error.sent and row["action"] == "reset":
        return Step("unclear", str(error))
    if error.again_s is None:
        return Step("refused", str(error))
    if row["attempts"] + 1 >= MOST_ATTEMPTS or at - row["queued_at"] > GIVES_UP:
        return Step("failed", str(error))
    state = "accepted" if row["state"] == "accepted" else "queued"
    return Step(state, str(error), timedelta(seconds=error.again_s))


class Actions:
    """Carries out what is owed. One per process, as forwarding's duty; any number of processes."""

    def __init__(self, pool: Pool, box: Opening, clock: Clock) -> None:
        self._pool = pool
        self._box = box
        self._clock = clock
        self._open: dict[int, Provider] = {}

    async def run(self) -> None:
        """Works for ever; cancel it to stop, then call `close`."""
        while True:
            try:
                while await self.one():
                    pass
            except (*AWAY, psycopg.Error) as error:
                log.warning("SIM actions are carried out later: %s", type(error).__name__)
            await pause(self._clock, LOOK_S)

    async def close(self) -> None:
        """Lets connections to providers go."""
        for provider in self._open.values():
            await provider.close()
        self._open.clear()

    async def one(self) -> bool:
        """One turn of the action that is due first; False where none is. Nothing is held while a provider is asked."""
        at = self._clock.now()
        async with borrow(self._pool) as connection, connection.transaction():
            rows = await fetch_all(connection, SQL["claim"], {"at": at, "lease": LEASE})
        if not rows:
            return False
        row = rows[0]

        async def sending() -> None:
            async with borrow(self._pool) as connection, connection.transaction():
                await connection.execute(SQL["sending"], {"action_id": row["action_id"]})

        view: SimView | None = None
        try:
            step, view = await take_step(await self._provider(row["provider_id"]), row, at, sending)
        except (ProviderError, SecretBoxError) as error:
            step = Step("refused", str(error))
        await self._keep(row, step, view, at)
        return True

    async def _provider(self, number: int) -> Provider:
        if number not in self._open:
            async with borrow(self._pool) as connection:
                self._open[number] = await open_account(connection, self._box, number, steady=self._clock.steady)
        return self._open[number]

    async def _keep(self, row: Mapping[str, Any], step: Step, view: SimView | None, at: datetime) -> None:
        values = {
            "action_id": row["action_id"], "state": step.state, "why": step.why, "at": at, "over": step.again is None,
            "next_try_at": at + step.again if step.again is not None else None,
        }  # fmt: skip
        async with borrow(self._pool) as connection, connection.transaction():
            await connection.execute(SQL["move"], values)
            if view is not None:
                seen = {name: getattr(view, name) for name in ("iccid", "state", "imsi", "msisdn", "imei_lock", "ref")}
                await connection.execute(SQL["seen"], {**seen, "at": at})
            if step.again is None:
                await record(
                    connection, actor=WORKER, action=f"sim.{row['action']}_{step.state}",
                    municipality_id=row["municipality_id"], subject=f"sim:{row['iccid']}",
                    detail={"action": row["action_id"]}, at=at,
                )  # fmt: skip
