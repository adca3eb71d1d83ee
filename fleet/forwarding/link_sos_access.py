"""A way to one SOS Access centre for forwarding: presses as alarm requests, probes as pings.

Delivered is status 0 or 10 with the same reference. A refused password is tried again with the other one that may be
valid, at once; then a person must have the centre issue another.
"""

from __future__ import annotations

import logging
import secrets as random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, tzinfo

from fleet.clock import Clock, SystemClock
from fleet.forwarding.decide import sends_minimal
from fleet.forwarding.model import Outcome, Owed
from fleet.forwarding.normalize import normalized
from fleet.forwarding.sos_access_account import KeptPassword, PingTimes
from fleet.forwarding.sos_access_client import WRONG_CERTIFICATE, Way, WrongCertificate, asking, exchange, reach
from fleet.registry.secret_box import SecretBoxError
from fleet.store.borrow import AWAY
from protocols.centre.alarm import Outcome as Meaning
from protocols.centre.alarm import Scope
from protocols.centre.sia_dc09.translate import unit_account
from protocols.centre.sos_access import documents
from protocols.centre.sos_access.sender import Answered, NoAnswer, Result
from protocols.centre.sos_access.translate import Account, alarm_request

log = logging.getLogger("livlina.forwarding")

NO_TRANSMITTER = "00000000"
_HELPS_NOT = frozenset({Meaning.RETRY_OTHER, Meaning.RETRY_LATER, Meaning.CLOCK})


@dataclass(frozen=True, slots=True)
class Naming:
    """Who we are to the centre: ``transmitter`` is None where each unit has its own code there."""

    transmitter: str | None = None
    probe_transmitter: str | None = None
    kind: str = "LIVL1"
    receiver: str = "1"

    @property
    def probes_as(self) -> str:
        """The code of pings."""
        return self.probe_transmitter or self.transmitter or NO_TRANSMITTER


class SosAccessLink:
    """One centre. ``password`` and ``pings`` may be shared with other links to the same one."""

    def __init__(
        self,
        way: Way,
        password: KeptPassword,
        pings: PingTimes,
        *,
        naming: Naming | None = None,
        clock: Clock | None = None,
        zone: tzinfo = UTC,
        rotate_days: int = 0,
    ) -> None:
        self._way = way
        self._password = password
        self._pings = pings
        self._naming = naming or Naming()
        self._clock: Clock = clock or SystemClock()
        self._zone = zone
        self._rotate_days = rotate_days
        self.said = ""
        """What the centre said last, in its own code."""

    async def deliver(self, owed: Owed) -> Outcome:
        """One attempt. REFUSED: these octets must not go again; UNIT_REFUSED: the centre does not treat this
        transmitter; NOT_AUTHORIZED: it does not know our password. Never raises for the network."""
        code = self._naming.transmitter or unit_account(owed.key.unit)
        alarm = normalized(owed)

        def request(password: str) -> bytes:
            account = Account(code, self._naming.kind, self._naming.receiver, password)
            return alarm_request(alarm, account, zone=self._zone, minimal=sends_minimal(owed))

        return self._outcome(await self._ask(request))

    async def probe(self) -> Outcome:
        """A ping within the limit of the service level; between two, whether a connection can be had, as long as the
        last message was answered. It never reaches a person. Where a new password is due it is asked for."""
        if not self._pings.allows(self._clock.steady()):
            return await self._reach()
        result = await self._ask(lambda password: self._asking(documents.PING, password))
        outcome = self._outcome(result)
        if isinstance(result, Answered) and result.reply.outcome in _HELPS_NOT - {Meaning.RETRY_OTHER}:
            return Outcome.REFUSED  # it refuses the ping, and lives all the same
        if outcome is not Outcome.DELIVERED:
            return outcome
        if self._password.due(self._clock.now(), self._rotate_days):
            await self._rotate()
        return Outcome.DELIVERED

    async def close(self) -> None:
        """Every request has a connection of its own: there is nothing to close."""

    def _outcome(self, result: Result) -> Outcome:
        if isinstance(result, NoAnswer):
            self.said = result.reason
            return Outcome.WRONG_CERTIFICATE if result.reason.startswith(WRONG_CERTIFICATE) else Outcome.NO_ANSWER
        said = result.reply
        self.said = "" if said.accepted else f"status {said.native_code}"
        if said.accepted:
            return Outcome.DELIVERED
        if said.outcome is Meaning.AUTH:
            return Outcome.NOT_AUTHORIZED
        if said.scope is Scope.UNIT:
            return Outcome.UNIT_REFUSED
        return Outcome.NO_ANSWER if said.outcome in _HELPS_NOT else Outcome.REFUSED

    async def _reach(self) -> Outcome:
        try:
            reached = await reach(self._way, self._clock)
        except WrongCertificate as error:
            self._pings.answered = False
            self.said = str(error)
            return Outcome.WRONG_CERTIFICATE
        self._pings.answered = self._pings.answered and reached
        return Outcome.REFUSED if self._pings.answered else Outcome.NO_ANSWER

    async def _ask(self, request: Callable[[str], bytes]) -> Result:
        """One request, and once more where another password may be the valid one."""
        used = self._password.value
        result = await self._exchange(request(used))
        if _is_refused_password(result) and await self._other_password(used):
            used = self._password.value
            result = await self._exchange(request(used))
        if isinstance(result, Answered) and result.reply.accepted:
            # Delivered is delivered: where this cannot be noted now, both passwords stay until the next message.
            await self._noted(self._password.taken(used))
        return result

    async def _other_password(self, used: str) -> bool:
        return bool(await self._noted(self._password.refused(used)))

    async def _noted(self, change: Awaitable[bool | None]) -> bool | None:
        """A change of the password; None where it cannot be stored or read now."""
        try:
            return await change
        except (*AWAY, SecretBoxError) as error:
            log.warning(
                "centre %s:%d: its password's change is not noted: %s",
                self._way.host, self._way.port, type(error).__name__,
            )  # fmt: skip
            return None

    async def _exchange(self, octets: bytes) -> Result:
        try:
            result = await exchange(self._way, octets, clock=self._clock, zone=self._zone)
        except WrongCertificate as error:
            result = NoAnswer(f"{WRONG_CERTIFICATE}: {error}")
        self._pings.answered = isinstance(result, Answered)
        if isinstance(result, NoAnswer):
            log.info("centre %s:%d gave no answer: %s", self._way.host, self._way.port, result.reason)
        return result

    def _asking(self, kind: str, password: str) -> bytes:
        account = Account(self._naming.probes_as, self._naming.kind, self._naming.receiver, password)
        return asking(kind, account, random.token_hex(12))

    async def _rotate(self) -> None:
        """Asks for a new password; it is stored before anything uses it, and proven by the next message."""
        used = self._password.value
        result = await self._exchange(self._asking(documents.NEW_AUTHENTICATION, used))
        new = (
            result.message.fields.get("newauthentication") if isinstance(result, Answered) and result.message else None
        )
        if new is None or not isinstance(result, Answered) or not result.reply.accepted:
            log.warning("centre %s:%d gave no new password", self._way.host, self._way.port)
            return
        if len(new) != 15 or not documents.fits(new, 15, 15):
            log.error(
                "centre %s:%d gave a new password that is none; the old one stays", self._way.host, self._way.port
            )
            return
        if await self._noted(self._password.issued(used, new)):
            log.info("centre %s:%d has given a new password", self._way.host, self._way.port)


def _is_refused_password(result: Result) -> bool:
    return isinstance(result, Answered) and result.reply.outcome is Meaning.AUTH
