"""A way to one DC-09 centre for forwarding: presses as SIA-DCS or ADM-CID, probes as NULL."""

from __future__ import annotations

from fleet.clock import Clock
from fleet.forwarding.dc09_client import ClockOffset, Dc09Client, Unreachable, Way
from fleet.forwarding.decide import sends_minimal, sequence_of
from fleet.forwarding.model import Outcome, Owed
from fleet.forwarding.normalize import normalized
from protocols.centre.sia_dc09.cipher import Key
from protocols.centre.sia_dc09.frame import DUH, NAK, SIA_DCS, Frame
from protocols.centre.sia_dc09.sender import ClockNak, Delivered, Refused
from protocols.centre.sia_dc09.translate import alarm_frame, poll, unit_account

PROBE_ACCOUNT = "00000000"


class Dc09Link:
    """One centre. ``form`` is SIA-DCS or ADM-CID, ``utf8`` for a centre that is known to read it; with ``key``
    everything is encrypted, probes too. ``way`` replaces host and port where it is more than TCP in the clear."""

    def __init__(
        self,
        host: str,
        port: int,
        clock: Clock | None = None,
        *,
        probe_account: str = PROBE_ACCOUNT,
        form: str = SIA_DCS,
        utf8: bool = False,
        key: Key | None = None,
        offset: ClockOffset | None = None,
        way: Way | None = None,
    ) -> None:
        self._client = Dc09Client(way or Way(host, port), clock, key=key, offset=offset)
        self._probe_account = probe_account
        self._form = form
        self._utf8 = utf8
        self.said = ""
        """What the centre said last, in its own word."""

    async def deliver(self, owed: Owed) -> Outcome:
        """One attempt: DELIVERED only for an ACK with the same sequence and account. Never raises for the network."""
        frame = alarm_frame(
            normalized(owed), sequence_of(owed.outbox), unit_account(owed.key.unit), minimal=sends_minimal(owed),
            utf8=self._utf8, token=self._form,
        )  # fmt: skip
        return await self._exchange(frame)

    async def probe(self) -> Outcome:
        """A link test (NULL): whether the receiver answers. It never reaches a person. The connection ends with it."""
        outcome = await self._exchange(poll(self._probe_account))
        await self.close()
        return outcome

    async def close(self) -> None:
        """Hangs up. A message in flight stays owed."""
        await self._client.close()

    async def _exchange(self, frame: Frame) -> Outcome:
        heard = await self._client.send(frame)
        self.said = ""
        match heard:
            case Delivered():
                return Outcome.DELIVERED
            case Refused():
                self.said = DUH
                return Outcome.REFUSED
            case ClockNak():
                # Our clock was set by the first one; this one is about the account: its key, or that nobody knows it.
                self.said = NAK
                return Outcome.UNIT_REFUSED
            case Unreachable(wrong_certificate=True, reason=reason):
                self.said = reason
                return Outcome.WRONG_CERTIFICATE
        return Outcome.NO_ANSWER
