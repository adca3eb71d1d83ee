"""A SIP MESSAGE as a device sends it, our user agent with tokens that are known beforehand, and an answer to it."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from typing import Any

from protocols.centre.scaip.sip_agent import UserAgent
from protocols.centre.scaip.sip_flow import Draft, Flow
from protocols.centre.scaip.sip_message import Headers, SipResponse, parse, serialize

UDP = Flow("udp", ("127.0.0.1", 5060), ("127.0.0.1", 5070))
PLAIN = (
    b"MESSAGE sip:arc@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKx;rport\r\n"
    b"Max-Forwards: 70\r\n"
    b"From: <sip:10149471@127.0.0.1>;tag=a\r\nTo: <sip:arc@127.0.0.1>\r\nCall-ID: c1\r\nCSeq: 1 MESSAGE\r\n"
    b"Content-Type: application/scaip+xml\r\nContent-Length: 6\r\n\r\n<mrq/>"
)


def tokens() -> Callable[[], str]:
    """The same ones in every test."""
    numbers = itertools.count()
    return lambda: hashlib.sha256(str(next(numbers)).encode()).hexdigest()[:24]


def agent(**more: Any) -> UserAgent:
    """One that takes SCAIP."""
    return UserAgent(tokens(), accept=("application/scaip+xml",), **more)


def draft(body: bytes = b"<mrq/>") -> Draft:
    """A MESSAGE of ours."""
    headers = Headers([("Content-Type", "application/scaip+xml")])
    return Draft("MESSAGE", "sip:arc@127.0.0.1:5070", "sip:1@127.0.0.1", "sip:arc@127.0.0.1:5070", headers, body)


def reply(octets: bytes, status: int, *more: tuple[str, str], body: bytes = b"") -> bytes:
    """The answer to a request."""
    request = parse(octets)
    copied = [(name, request.headers.get(name)) for name in ("Via", "From", "To", "Call-ID", "CSeq")]
    return serialize(SipResponse(status, "x", Headers([*copied, *more]), body))
