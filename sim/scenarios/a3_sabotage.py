"""What can be switched off in A3, to see that it is missed. No product code knows of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from unittest import mock

from fleet.alarms.store import SQL as CASES
from fleet.forwarding import health
from fleet.forwarding.model import Outcome, Owed, Policy
from fleet.forwarding.run import CentreLink
from fleet.forwarding.store import SQL as OUTBOX
from sim.scenarios.fleet_under_test import NO_ESCALATION
from sim.scenarios.people import MortalTelephone

SABOTAGES: Mapping[str, str] = {
    "no-failover": "what the primary centre does not take waits for it",
    "no-compare-and-set": "whoever says that he has taken a case has it, whoever had it before",
    "no-probe-count": "a centre that was out gets alarms again after its first good probe",
    "sent-is-delivered": "an alarm counts as delivered once it is sent, whether the centre answers or not",
    "one-queue-for-all": "the message to the manager is sent before the centre is told, by the same worker",
    "no-withdrawal": "a centre that was away is told of what others have seen to long ago",
    NO_ESCALATION: "nothing happens when nobody takes a case",
}
_NOT_ESCALATED = "AND w.reason <> 'escalation'"
_NOBODY = "AND false"
_OPEN_ONLY = " AND state = 'open'"
_NOT_CLOSED = " AND state <> 'closed'"


def policy(sabotage: str | None) -> Policy:
    """Failover's durations and counts."""
    if sabotage == "no-failover":
        return Policy(failover=False)
    if sabotage == "no-probe-count":
        return Policy(good_probes=1)
    return Policy()


def around(link: CentreLink, sabotage: str | None, telephone: MortalTelephone) -> CentreLink:
    """What stands between a worker and its centre."""
    if sabotage == "sent-is-delivered":
        return _Hopeful(link)
    if sabotage == "one-queue-for-all":
        return _Behind(link, telephone)
    return link


class _Hopeful:
    """Every alarm that was sent has arrived."""

    def __init__(self, link: CentreLink) -> None:
        self._link = link

    async def deliver(self, owed: Owed) -> Outcome:
        await self._link.deliver(owed)
        return Outcome.DELIVERED

    async def probe(self) -> Outcome:
        return await self._link.probe()

    async def close(self) -> None:
        await self._link.close()


class _Behind(_Hopeful):
    """The centre's turn comes when the gateway has answered."""

    def __init__(self, link: CentreLink, telephone: MortalTelephone) -> None:
        super().__init__(link)
        self._telephone = telephone

    async def deliver(self, owed: Owed) -> Outcome:
        await self._telephone.answer()
        return await self._link.deliver(owed)


async def _nothing(*_: object) -> None:
    return


@contextlib.contextmanager
def applied(sabotage: str | None) -> Iterator[None]:
    """Takes the protection out of this process, and puts it back. Raises LookupError when there is nothing to take out:
    the code has changed, and the sabotage with it."""
    with contextlib.ExitStack() as stack:
        if sabotage == "no-compare-and-set":
            statement = CASES["take_case"]
            if _OPEN_ONLY not in statement:
                raise LookupError("the statement that takes a case has changed: the sabotage takes nothing out of it")
            stack.enter_context(mock.patch.dict(CASES, {"take_case": statement.replace(_OPEN_ONLY, _NOT_CLOSED)}))
        elif sabotage == "no-withdrawal":
            statement = OUTBOX["withdraw_elsewhere"]
            if _NOT_ESCALATED not in statement:
                raise LookupError("the statement that withdraws rows has changed: the sabotage takes nothing out of it")
            replaced = {"withdraw_elsewhere": statement.replace(_NOT_ESCALATED, _NOBODY)}
            stack.enter_context(mock.patch.dict(OUTBOX, replaced))
            stack.enter_context(mock.patch.object(health, "withdraw_answered", _nothing))
        yield
