"""A way to one SCAIP centre for forwarding: presses as `mrq`, probes as heartbeats."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from fleet.forwarding.decide import sends_minimal
from fleet.forwarding.model import Outcome, Owed
from fleet.forwarding.normalize import normalized
from fleet.forwarding.scaip_client import WRONG_CERTIFICATE, Ending, ScaipClient
from protocols.centre.alarm import Outcome as Meaning
from protocols.centre.alarm import Scope
from protocols.centre.scaip.messages import encode
from protocols.centre.scaip.sender import Delivered, Refused
from protocols.centre.scaip.write_alarm import heartbeat, write_alarm

PROBE_CID = "0000000000"


def unit_cid(unit: int) -> str:
    """The cid under which a centre knows a unit: its number as ten decimal digits, since a cid is digits."""
    return f"{unit:010d}"


class ScaipLink:
    """One centre. ``cid_of`` gives a unit's cid there; by default `unit_cid`. ``probe_cid`` is the fleet's own."""

    def __init__(
        self, client: ScaipClient, *, cid_of: Callable[[int], str] = unit_cid, probe_cid: str = PROBE_CID
    ) -> None:
        self._client = client
        self._cid_of = cid_of
        self._probe_cid = probe_cid
        self.said = ""
        """What the centre said last, in its own code."""

    async def deliver(self, owed: Owed) -> Outcome:
        """One attempt: DELIVERED only for a reply with status 0 and the same reference. Never raises for the network.

        REFUSED says that these octets must not go again, UNIT_REFUSED that this unit is not treated there.
        """
        written = write_alarm(normalized(owed), cid=self._cid_of(owed.key.unit), minimal=sends_minimal(owed))
        return self._outcome(await self._client.send(written.request, written.octets))

    async def probe(self) -> Outcome:
        """A heartbeat (`mty` PI): whether the receiver answers it. It never reaches a person.

        A centre that does not know the fleet's own cid says *not treated*, and lives all the same: UNIT_REFUSED.
        """
        request = heartbeat(self._probe_cid, secrets.token_hex(8))
        return self._outcome(await self._client.send(request, encode(request)))

    async def close(self) -> None:
        """Hangs up. A message in flight stays owed."""
        await self._client.close()

    def _outcome(self, ending: Ending) -> Outcome:
        if isinstance(ending, Delivered):
            self.said = ""
            return Outcome.DELIVERED
        code, text = ending.reply.native_code, ending.reply.text
        self.said = f"{code} {text}" if text and not code.startswith("silence") else code
        if ending.reply.native_code == WRONG_CERTIFICATE:
            return Outcome.WRONG_CERTIFICATE
        if ending.reply.outcome is Meaning.AUTH:
            return Outcome.NOT_AUTHORIZED
        if isinstance(ending, Refused):
            return Outcome.REFUSED
        return Outcome.UNIT_REFUSED if ending.reply.scope is Scope.UNIT else Outcome.NO_ANSWER
