"""DC-09 and SOS Access against mutated octets: no crash, no slow input. A minute each in `make proof`."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from protocols.centre.sia_dc09 import FrameError, Key, Receiver, Seen, Splitter, decode
from protocols.centre.sia_dc09.receiver import Bad
from protocols.centre.sos_access import receiver as sos
from protocols.centre.sos_access.sender import Exchange
from protocols.centre.sos_access.stream import Collector

HERE = Path(__file__).parent
AT = datetime(2026, 1, 2, 10, tzinfo=UTC)
KEY = Key(bytes(range(16)))
LIMIT_MS = 10.0
MOMENT, PROOF_S = 400, 60.0


def _seeds(file: str) -> list[bytes]:
    vectors = json.loads((HERE / file).read_text())
    return [bytes.fromhex(one["hex"]) if "hex" in one else one["text"].encode("iso-8859-1") for one in vectors]


def mutated(chance: random.Random, seeds: list[bytes]) -> bytes:
    """A seed with some octets changed, removed, doubled, moved or grown; sometimes two seeds in one."""
    octets = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(octets) + 1)
        what = chance.randrange(7)
        if what == 0 and octets:
            octets[at % len(octets)] = chance.randrange(256)
        elif what == 1:
            del octets[at : at + chance.randint(1, 12)]
        elif what == 2:
            octets[at:at] = octets[at : at + chance.randint(1, 60)]
        elif what == 3:
            octets[at:at] = bytes([chance.choice(b'\n\r\0"[]|#_<>&/0FLR')]) * chance.choice((1, 2, 50, 3000))
        elif what == 4:
            octets += chance.choice(seeds)[: chance.randint(0, 200)]
        elif what == 5:
            octets[at:at] = chance.randbytes(chance.randint(1, 40))
        else:
            octets = octets[chance.randrange(len(octets) + 1) :]
    return bytes(octets)


def dc09(octets: bytes) -> None:
    """Stream, frame, alarm and answer, with a key and without one."""
    splitter = Splitter()
    pieces = [*splitter.feed(octets), *splitter.end()]
    assert splitter.pending == 0
    numbers = count(1)
    for keys in (None, lambda account: KEY):
        machine = Receiver(Seen(), lambda: str(next(numbers)), keys=keys, random=bytes, clear_too=True)
        machine.received(octets)
        machine.closed()
        while (event := machine.next_event(0.0, AT)) is not None:
            answer = machine.answer(event, event.verdict, 0.0, AT)
            assert not answer or decode(answer)
            if isinstance(event, Bad) and event.frame is None:
                assert answer == b""
    for piece in pieces:
        if isinstance(piece, bytes):
            try:
                decode(piece)
            except FrameError as error:
                assert error.reason


def sos_access(octets: bytes) -> None:
    """Collector, document, alarm and answer, and the same octets as an answer to us."""
    collector = Collector()
    document = collector.feed(octets) or collector.end()
    machine = sos.Receiver(sos.Seen(), lambda: "id", lambda code, kind, secret: True, pings=sos.PingLimit(180))
    if document is not None:
        event = machine.judge(document, 0.0, AT)
        if not isinstance(event, sos.NewAuthentication):
            assert machine.answer(event, event.verdict, 0.0, AT)
    exchange = Exchange(REQUEST, 0.0)
    assert (exchange.received(octets) or exchange.closed()) is not None


REQUEST = _seeds("sos_access.json")[0]


def run(
    target: Callable[[bytes], None], seeds: list[bytes], seed: int, go_on: Callable[[int], bool]
) -> tuple[int, float]:
    """How many inputs, and the slowest in ms: the best of three, since the machine does other things too."""
    chance = random.Random(seed)
    tried, slowest = 0, 0.0
    while go_on(tried):
        octets = mutated(chance, seeds)
        took = _took(target, octets)
        if took > slowest:
            took = min(took, _took(target, octets), _took(target, octets))
        slowest = max(slowest, took)
        tried += 1
    return tried, slowest


def _took(target: Callable[[bytes], None], octets: bytes) -> float:
    # Of the processor: what other programs take in between is not the parser's.
    began = time.process_time()
    target(octets)
    return (time.process_time() - began) * 1000


TARGETS = [(dc09, "dc09.json"), (sos_access, "sos_access.json")]


@pytest.mark.parametrize(("target", "file"), TARGETS)
def test_mutated_octets_are_read_or_refused(target: Callable[[bytes], None], file: str) -> None:
    run(target, _seeds(file), 1, lambda tried: tried < MOMENT)


@pytest.mark.proof
@pytest.mark.timeout(180)
@pytest.mark.parametrize(("target", "file"), TARGETS)
def test_a_minute_of_mutated_octets(target: Callable[[bytes], None], file: str) -> None:
    end = time.monotonic() + PROOF_S
    tried, slowest = run(target, _seeds(file), 2, lambda tried: time.monotonic() < end)
    print(f"\n{target.__name__}: {tried} mutated inputs in {PROOF_S:.0f} s, slowest {slowest:.2f} ms")
    assert slowest <= LIMIT_MS
