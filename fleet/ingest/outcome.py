"""What goes between the doors and the commit loops, as plain values."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from fleet.ingest.open_frame import Opened


class Way(NamedTuple):
    """How a frame came in: coap, mqtt or sms. ``unit`` is the identity that the channel itself has proven, None where
    it proves none; ``peer`` is the address that a datagram came from, None for a connection."""

    transport: str
    unit: int | None = None
    peer: tuple[str, int] | None = None


class Arrived(NamedTuple):
    """An authentic frame, how it came, and when by the server's clock."""

    opened: Opened
    way: Way
    at: datetime


class Stored(NamedTuple):
    """It is committed; ``receipt`` is the sealed frame that says so.

    ``presses`` are (boot, seq, stage) of the presses that the frame was about, ``fresh`` whether it was no recording:
    what a receipt that costs money is made of.
    """

    receipt: bytes
    presses: tuple[tuple[int, int, int], ...] = ()
    fresh: bool = False


class Refused(NamedTuple):
    """It was dropped and counted; whoever sent it gets no receipt and need not send it again."""

    reason: str


class Unavailable(NamedTuple):
    """It could not be committed now; whoever sent it still has it and must send it again."""

    reason: str


Outcome = Stored | Refused | Unavailable
Reply = Callable[[Outcome], None]
