"""What the SIP machines say to the world and hear from it: flows, events and actions. No behaviour.

A flow is one way to one peer: a UDP socket and an address, or one TCP or TLS connection. The driver owns sockets; for a
stream flow that is not open yet it opens one when it is first written to, and says `Closed` if it cannot.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from protocols.centre.scaip.sip_message import Headers, SipRequest, SipResponse

UDP = "udp"
TCP = "tcp"
TLS = "tls"
DEFAULT_PORT = {UDP: 5060, TCP: 5060, TLS: 5061}

T1_S = 0.5
"""RFC 3261: estimate of a round trip. Timer E begins with it, timers F and J are 64 of it."""
T2_S = 4.0
T4_S = 5.0
TRANSACTION_S = 64 * T1_S

Address = tuple[str, int]
"""Host and port."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One way to one peer. `local` is the address that Via shows; equal flows are the same way."""

    transport: str
    local: Address
    remote: Address

    @property
    def is_stream(self) -> bool:
        """TCP or TLS: ordered, reliable, framed by Content-Length."""
        return self.transport != UDP


@dataclass(frozen=True, slots=True)
class Received:
    """Octets came: a whole datagram, or any portion of a stream."""

    flow: Flow
    octets: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    """A stream flow ended, or could not be opened, or a write to any flow failed."""

    flow: Flow


Event = Received | Closed


@dataclass(frozen=True, slots=True)
class Transmit:
    """Write these octets to the flow, in one write."""

    flow: Flow
    octets: bytes


@dataclass(frozen=True, slots=True)
class Hangup:
    """Close this stream flow; nothing more is to be had from it."""

    flow: Flow


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request that wants an answer: `ticket` names it to `respond`. Repetitions never come up again."""

    ticket: int
    request: SipRequest
    flow: Flow


@dataclass(frozen=True, slots=True)
class Answered:
    """The final response to a request of ours."""

    ticket: int
    response: SipResponse


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A request of ours got no final response: `reason` is `timeout` or `transport`."""

    ticket: int
    reason: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """Octets that no answer is due to; `reason` is a word for a counter."""

    flow: Flow
    reason: str


Wire = Transmit | Hangup
Action = Transmit | Hangup | Incoming | Answered | Unanswered | Dropped


@dataclass(frozen=True, slots=True)
class Draft:
    """A request before it has a transaction. Via, tags, Call-ID, CSeq and Max-Forwards are the machine's."""

    method: str
    uri: str
    sender: str
    recipient: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""


def bracketed(host: str) -> str:
    """A host as it stands in a URI or a Via: IPv6 in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def bare(host: str) -> str:
    """A host as sockets have it: without brackets."""
    return host.removeprefix("[").removesuffix("]")
