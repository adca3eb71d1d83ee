"""A way to one SCAIP centre for forwarding: presses as `mrq`, probes as heartbeats."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from fleet.forwarding.decide import sends_minimal
from fleet.forwarding.model import Outcome, Owed
from fleet.forwarding.normalize import normalized
from fleet.forwarding.scaip_client import Ending, ScaipClient
from protocols.centre.scaip.codes import Status
from protocols.centre.scaip.messages import encode
from protocols.centre.scaip.sender import Delivered, Failed, Refused
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

    async def deliver(self, owed: Owed) -> Outcome:
        """One attempt: DELIVERED only for a reply with status 0 and the same reference. Never raises for the network.

        REFUSED says that these octets must not go again; everything else is no answer that helps.
        """
        written = write_alarm(normalized(owed), cid=self._cid_of(owed.key.unit), minimal=sends_minimal(owed))
        return _outcome(await self._client.send(written.request, written.octets))

    async def probe(self) -> Outcome:
        """A heartbeat (`mty` PI): whether the receiver answers it. It never reaches a person.

        A centre that does not know the fleet's own cid says *not treated*, and lives all the same: REFUSED.
        """
        request = heartbeat(self._probe_cid, secrets.token_hex(8))
        ending = await self._client.send(request, encode(request))
        if isinstance(ending, Failed) and ending.reply.native_code == str(Status.NOT_TREATED):
            return Outcome.REFUSED
        return _outcome(ending)

    async def close(self) -> None:
        """Hangs up. A message in flight stays owed."""
        await self._client.close()


def _outcome(ending: Ending) -> Outcome:
    match ending:
        case Delivered():
            return Outcome.DELIVERED
        case Refused():
            return Outcome.REFUSED
    return Outcome.NO_ANSWER
