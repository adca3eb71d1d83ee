"""How fast SCAIP is read and written here: messages a second of processor time, one core.

    python -m bench.scaip_rate [--seconds 1] [--json]

XML alone, XML to the alarm, a whole SIP MESSAGE through the receiver's machine with its answers (dialect A has two, B
one), and the alarm to XML. Sockets are not in it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime

from bench import options
from protocols.centre.scaip import Flow, Received, Receiver, Request, decode, encode, read_alarm, write_alarm
from protocols.centre.scaip.receiver import AlarmReceived
from protocols.centre.sia_dc09.receiver import Seen

AT = datetime(2026, 1, 2, 10, tzinfo=UTC)
XML = b"<mrq><ref>1193308443</ref><cid>10149471</cid><dty>3</dty><stc>10</stc><crd>gsm:+3197025136418</crd></mrq>"
FLOW = Flow("udp", ("127.0.0.1", 5060), ("127.0.0.1", 5070))


def sip(number: int, body: bytes, kind: str) -> bytes:
    """A MESSAGE as units send it, with a branch of its own."""
    head = (
        "MESSAGE sip:arc@127.0.0.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK{number};rport\r\nMax-Forwards: 70\r\n"
        f"From: <sip:10149471@127.0.0.1>;tag=a\r\nTo: <sip:arc@127.0.0.1>\r\nCall-ID: {number}\r\nCSeq: 1 MESSAGE\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def receiving(dialect: str) -> Callable[[], object]:
    """One message after another through one receiver, each stored and answered."""
    numbers = itertools.count()
    receiver = Receiver(lambda: f"{next(numbers):024x}", Seen(), lambda: "i")
    body = XML if dialect == "A" else XML.replace(b"mrq", b"scaip")
    kind = "application/scaip+xml" if dialect == "A" else "application/xml"

    def one() -> object:
        octets = sip(next(numbers), body, kind)
        _, found = receiver.handle(Received(FLOW, octets), 0.0, AT)
        assert isinstance(found[0], AlarmReceived)
        return receiver.answer(found[0], 0, 0.0)

    return one


def rates(seconds: float) -> dict[str, float]:
    """Calls a second of processor time, by what is called."""
    message = decode(XML)
    assert isinstance(message, Request)
    alarm = read_alarm(message, XML, alarm_id="i", received_at=AT)
    work: dict[str, Callable[[], object]] = {
        "XML to request": lambda: decode(XML),
        "XML to alarm": _alarm,
        "SIP MESSAGE, dialect A, with 200 and reply": receiving("A"),
        "SIP MESSAGE, dialect B, with reply in the 200": receiving("B"),
        "request to XML": lambda: encode(message),
        "alarm to XML, unchanged": lambda: write_alarm(alarm),
    }
    return {name: _rate(call, seconds) for name, call in work.items()}


def _alarm() -> object:
    request = decode(XML)
    assert isinstance(request, Request)
    return read_alarm(request, XML, alarm_id="i", received_at=AT)


def _rate(call: Callable[[], object], seconds: float) -> float:
    done, started = 0, time.process_time()
    while (taken := time.process_time() - started) < seconds:
        for _ in range(50):
            call()
        done += 50
    return done / taken


def main() -> None:
    """Prints one line for each."""
    parser = argparse.ArgumentParser(prog="python -m bench.scaip_rate", description=__doc__)
    parser.add_argument("--seconds", type=options.real(0.01, 3600), default=1.0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = rates(arguments.seconds)
    if arguments.json:
        print(json.dumps({name: round(rate) for name, rate in found.items()}))
        return
    for name, rate in found.items():
        print(f"{name:48} {rate:10,.0f} a second")


if __name__ == "__main__":
    options.run(main)
