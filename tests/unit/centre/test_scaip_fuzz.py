"""SCAIP's parsers under octets that nobody meant: no crash and no slow input. `make proof` does it for 60 s."""

import itertools
import random
import time
from datetime import UTC, datetime

import pytest

from protocols.centre.scaip import Closed, Flow, Guard, Received, Receiver, Request, Sender, encode, examine
from protocols.centre.scaip.messages import MessageError, decode
from protocols.centre.scaip.receiver import AlarmReceived, Bad, Heartbeat
from protocols.centre.scaip.sip_stream import SipStream
from protocols.centre.sia_dc09.receiver import Seen

AT = datetime(2026, 1, 2, tzinfo=UTC)
CID = "10149471"
MRQ = (
    b"<mrq><ref>r1</ref><ver>01.00</ver><mty>ME</mty><hbo>001</hbo><cid>10149471</cid><dty>3</dty><did>00</did>"
    b"<crd>gsm:+</crd><stc>10</stc><lge><geo>59.3,18.0</geo><tim>2026-01-02T10:00:00.00</tim></lge>"
    b"<ite>K\xc3\xb6k</ite></mrq>"
)
MRS = b"<mrs><ref>r1</ref><snu>0</snu><mre>1</mre><cre>62</cre><tnu>gsm:+461</tnu></mrs>"


def sip(body, method=b"MESSAGE"):
    return (
        method + b" sip:arc@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKx;rport\r\n"
        b"Max-Forwards: 70\r\nFrom: <sip:10149471@127.0.0.1>;tag=a\r\nTo: <sip:arc@127.0.0.1>\r\nCall-ID: c1\r\n"
        b"CSeq: 1 " + method + b"\r\nAuthorization: Digest username=\"1\", realm=\"centre\", nonce=\"0\", uri=\"x\","
        b" response=\"0\", qop=auth, nc=00000001, cnonce=\"c\"\r\nContent-Type: application/scaip+xml\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body) + body
    )  # fmt: skip


SEEDS = (
    MRQ,
    MRS,
    MRQ.replace(b"mrq", b"scaip"),
    b'<?xml version="1.0" encoding="ISO-8859-1"?>' + MRQ,
    sip(MRQ),
    sip(MRS),
    sip(MRQ, b"OPTIONS"),
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx\r\nFrom: <sip:1@h>;tag=a\r\nTo: <sip:2@h>;tag=b"
    b"\r\nCall-ID: c\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n",
    b"SIP/2.0 401 No\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx\r\nFrom: <sip:1@h>;tag=a\r\nTo: <sip:2@h>"
    b"\r\nCall-ID: c\r\nCSeq: 1 MESSAGE"
    b'\r\nWWW-Authenticate: Digest realm="x", nonce="y", qop="auth"\r\nContent-Length: 0\r\n\r\n',
)
PIECES = (
    b"\r\n", b"\r\n\r\n", b"\n", b"\0", b"\xff", b"<!DOCTYPE a [", b'<!ENTITY a "b">', b"&a;", b"]]>", b"<![CDATA[",
    b"<!--", b"Content-Length: ", b"l: 999999999\r\n", b"Via: ", b";rport", b"branch=", b'"', b"\\", b"<", b">", b",",
    b";", b"%", b"@", b"z9hG4bK", b" " * 300, b"(" * 300, b"," * 300, b'="' * 200, b"<a>" * 200, b";a=b" * 200,
    b"a" * 2000, b"\r\n " * 200, b"SIP/2.0/UDP h", b"Digest ", b"9" * 40, b"-1", b"0x1", b"<ref></ref>",
    b"<cid>2</cid>", b"<snu>0</snu>", b"\xef\xbb\xbf",
)  # fmt: skip


def mutated(chance):
    """One input: a seed with some changes, or two of them together."""
    octets = bytearray(chance.choice(SEEDS))
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randrange(len(octets) + 1)
        match chance.randrange(6):
            case 0:
                octets[at:at] = chance.choice(PIECES)
            case 1:
                del octets[at : at + chance.randrange(1, 40)]
            case 2:
                octets[at : at + 1] = bytes([chance.randrange(256)])
            case 3:
                octets[at:at] = octets[at : at + chance.randrange(1, 200)]
            case 4:
                octets[at:at] = chance.choice(SEEDS)
            case 5:
                octets[at:] = chance.choice(PIECES) * chance.randrange(1, 200)
        if not octets:
            octets = bytearray(b"<")
    return bytes(octets[:60_000])


class Readers:
    """Everything that reads octets of strangers, with the state that a running program has, by name."""

    def __init__(self):
        numbers = itertools.count()
        self.word = lambda: f"{next(numbers):024x}"
        self.receiver = Receiver(self.word, Seen(1000), self.word)
        guard = Guard("centre", b"k" * 32, {CID: "secret"}.get)
        self.guarded = Receiver(self.word, Seen(1000), self.word, guard=guard)
        self.sender = Sender(self.word, "sip:arc@127.0.0.1")
        self.udp = Flow("udp", ("127.0.0.1", 5060), ("127.0.0.1", 5070))
        self.tcp = Flow("tcp", ("127.0.0.1", 5060), ("127.0.0.1", 5070))
        self.now = 0.0
        self.all = {
            "receiver, UDP": lambda octets: self.receive(self.receiver, self.udp, octets),
            "receiver, TCP": lambda octets: self.receive(self.receiver, self.tcp, octets),
            "receiver with passwords": lambda octets: self.receive(self.guarded, self.udp, octets),
            "sender": self.reply,
            "stream": self.stream,
            "examine": lambda octets: examine(octets, new_id=self.word, at=AT),
            "document": self.document,
        }

    def receive(self, receiver, flow, octets):
        self.now += 0.01
        _, found = receiver.handle(Received(flow, octets), self.now, AT)
        for event in found:
            if isinstance(event, AlarmReceived | Heartbeat | Bad):
                receiver.answer(event, event.status if isinstance(event, Bad) else 0, self.now)
        receiver.wake(self.now, AT)
        if flow is self.tcp:
            receiver.handle(Closed(flow), self.now, AT)

    def reply(self, octets):
        request = Request(ref="r1", cid=CID, dty="3")
        if self.sender.in_flight == 0:
            self.sender.send(request, encode(request), self.udp, self.now)
        self.sender.handle(Received(self.udp, octets), self.now)
        self.sender.wake(self.now)

    def stream(self, octets):
        stream = SipStream()
        for start in range(0, len(octets), 1 + len(octets) // 7):
            stream.feed(octets[start : start + 1 + len(octets) // 7])

    def document(self, octets):
        try:
            message = decode(octets)
        except MessageError:
            return
        assert decode(encode(message)) == message


def fuzz(seed, goes_on):
    """Runs until `goes_on(count)` says no; gives the count and the slowest (seconds, reader, octets)."""
    chance = random.Random(seed)
    readers = Readers()
    slowest, count = (0.0, "", b""), 0
    while goes_on(count):
        octets = mutated(chance)
        count += 1
        for name, reader in readers.all.items():
            started = time.process_time()
            reader(octets)
            taken = time.process_time() - started
            if taken > slowest[0]:
                slowest = taken, name, octets
    return count, slowest


def test_no_octets_break_what_reads_them():
    fuzz(4, lambda count: count < 3000)


@pytest.mark.proof
@pytest.mark.timeout(180)
def test_sixty_seconds_without_a_crash_or_a_slow_input():
    end = time.monotonic() + 60.0
    count, (slowest, reader, worst) = fuzz(random.SystemRandom().randrange(1 << 32), lambda _: time.monotonic() < end)
    said = f"the slowest {slowest * 1000:.2f} ms with {len(worst)} octets ({reader})"
    print(f"\nSCAIP: {count} inputs in 60 s to {len(Readers().all)} readers, {said}")
    assert slowest < 0.010, worst[:2000]
