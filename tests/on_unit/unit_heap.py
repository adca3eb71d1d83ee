"""A press that comes when the heap is full: on flash, sent, and stored. With the control that loses it."""

import asyncio
import gc
import os
import socket
import sys

import cryptolib
import machine
import micropython
from board import PINS

from firmware import main
from firmware.core import profiles, records, stages
from firmware.ports import ballast, pins
from firmware.ports.flash import Flash
from protocols.wire import cbor, ccm, messages, seal

SECRET = bytes(range(16))
UNIT = 42
BUTTON = 0
SCAN_RESULT = 5
SPEAKER = 13
ALL = 31


def sha256(data):
    import hashlib

    return hashlib.sha256(data).digest()


def crypt(direction):
    key, iv = seal.derive(sha256, SECRET, seal.kid(UNIT, 1), direction)
    return ccm.Ccm(cryptolib.aes(key, 1).encrypt), iv


class Server:
    """The fleet's end on a real socket of this machine: stores alarms and answers, when it is asked to look."""

    def __init__(self):
        port = 19000  # below what other tests draw from
        while True:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self._socket.bind(socket.getaddrinfo("127.0.0.1", port)[0][-1])
                break
            except OSError:
                port += 1
        self._socket.setblocking(False)
        self.port = port
        self.stored = []
        self._up = crypt(seal.UP)
        self._down = crypt(seal.DOWN)[0]
        self._nonce = 0

    def look(self):
        """Store what has come, and answer it."""
        while True:
            try:
                datagram, peer = self._socket.recvfrom(1024)
            except OSError:
                return
            token = datagram[4 : 4 + (datagram[0] & 15)]
            # Behind the header: one option, the path "u", and the marker.
            message = messages.decode(
                seal.open_up(self._up[0], self._up[1], seal.parse(datagram[4 + len(token) + 3 :]))
            )
            if isinstance(message, messages.Alarm):
                self.stored.append((message.boot, message.seq))
            items = [] if isinstance(message, messages.Query) else [(message.boot, message.seq, 1)]
            self._nonce += 1
            plain = messages.Receipt(items=items, time=1800000000).encode()
            answer = seal.seal_down(self._down, self._nonce.to_bytes(13, "big"), plain)
            head = bytes([0x60 | len(token), 0x44]) + datagram[2:4]
            self._socket.sendto(head + token + b"\xff" + answer, peer)


PENDANT = [3, 7001, bytes(16), 3600]
"""The pendant of a hub that has one, as in its configuration."""


def provision(port, pendants=False, profile=1):
    os.chdir(os.getenv("TEST_FLASH"))
    flash = Flash()
    for name in os.listdir():
        os.remove(name)
    flash.replace("identity.cbor", cbor.encode({1: UNIT, 2: 1, 3: SECRET}))
    config = {1: profile, 2: 300, 3: ["coap"], 4: [["127.0.0.1", port]]}
    if pendants:
        config[6] = [PENDANT]
    flash.replace("config.cbor", cbor.encode(config))
    flash.replace("counters", cbor.encode({1: 0, 2: 0}))
    return flash


def on_flash(what):
    """This field of all presses in the journal, as it is on flash."""
    found = []
    with open("journal", "rb") as file:
        record = records.unframe(file.read)
        while record is not None:
            if record[0][records.TYPE] == records.PRESS:
                found.append(record[0][what])
            record = records.unframe(file.read)
    return found


CHAIN = [None]
"""What fills the heap, held in one place so that it can be let go."""


def fill():
    """Take every free piece of the heap, the large ones first."""
    size = 8192
    while size >= 16:
        try:
            CHAIN[0] = [CHAIN[0], bytearray(size)]
        except MemoryError:
            size //= 2


def level(pin, value, number=BUTTON):
    machine._set(number, value)
    pin.interrupt(value)


FREE = [0]
"""Bytes free when the button was pressed."""


async def scenario(driver, server, heard, turns, duress=False, old=False):
    """The unit runs, its heap is filled, a contact closed, or this advertisement heard; what the heap held is let go
    when the press is over. So many turns of 20 ms are the most that it has for a receipt."""
    asyncio.create_task(driver.run())  # noqa: RUF006 - MicroPython keeps its tasks
    pin, number = driver._pin._pin, BUTTON
    if duress:
        pin, number = next(one._pin for one in driver.sensors._contacts if one.code == profiles.DURESS), PINS["duress"]
    await asyncio.sleep_ms(50)
    server.look()
    gc.collect()
    if old:
        # Its numbers need memory here, as on a board after 12.4 days.
        driver._clock._total = 1 << 62
    fill()
    FREE[0] = gc.mem_free()
    if heard is None:
        level(pin, 0, number)
    else:
        # As the radio's interrupt does, which allocates nothing.
        driver.radio._interrupt(SCAN_RESULT, heard)
    await asyncio.sleep_ms(60)
    level(pin, 1, number)
    await asyncio.sleep_ms(100)
    # To look at the flash takes memory; nothing else runs between these two.
    CHAIN[0] = None
    gc.collect()
    there = len(on_flash(records.SEQ))
    for _ in range(turns):
        server.look()
        await asyncio.sleep_ms(20)
        if server.stored and not driver.unit.urgent():
            break
    return there


class Ended(BaseException):
    """The board is reset now."""


ENDED = Ended()


def boot(flash, size, emergency=True):
    """A unit with a ballast of so many bytes, and what its tasks fail with."""
    asyncio.new_event_loop()
    # A loop that ended by a reset still holds its last task and its handler, and with them the unit before this one.
    asyncio.core.cur_task = None
    asyncio.get_event_loop().set_exception_handler(None)
    gc.collect()
    whole = ballast.Ballast
    ballast.Ballast = lambda: whole(size)
    driver = main.build(flash, 0)
    ballast.Ballast = whole
    if not emergency:
        driver._journal.emergency = lambda boot, seq, kind, code: False
    return driver


def live(size, emergency=True, heard=None, old=False, duress=False):
    """(bytes free when the button was pressed, presses on flash then, the server, how often the ballast went)."""
    server = Server()
    flash = provision(server.port, heard is not None, profiles.PERSONAL if duress else profiles.SOCIAL)
    driver = boot(flash, size, emergency)

    def failed(loop, context):
        # As main's handler, up to the reset.
        driver.last_words()
        raise ENDED

    asyncio.get_event_loop().set_exception_handler(failed)
    FREE[0] = -1
    try:
        there = asyncio.run(scenario(driver, server, heard, 3000 if size else 250, duress, old))
    except (Ended, SystemExit):
        CHAIN[0] = None
        gc.collect()
        there = len(on_flash(records.SEQ))
    return FREE[0], there, server, driver._ballast.used


def test_a_press_with_a_full_heap_is_on_flash_and_is_stored():
    left, there, server, used = live(ballast.SIZE)
    print("free", left, "on flash", there, "stored", len(server.stored), "ballast used", used)
    assert left < 512 and used >= 1
    assert there == 1 and len(server.stored) >= 1


async def unheard(driver, full):
    """Nobody answers: how often the speaker (pin 13) was found sounding, and how often too early."""
    asyncio.create_task(driver.run())  # noqa: RUF006
    await asyncio.sleep_ms(50)
    if full:
        pin = driver._pin._pin
        gc.collect()
        fill()
        level(pin, 0)
        await asyncio.sleep_ms(60)
        level(pin, 1)
    sounded = early = 0
    for _ in range(1000):
        await asyncio.sleep_ms(20)
        if machine.BOARD.levels >> SPEAKER & 1:
            sounded += 1
            early += driver._stage != stages.NOT_DELIVERED
            if sounded > 5:
                break
    CHAIN[0] = None
    return sounded, early


def test_with_a_heap_that_stays_full_the_wearer_still_hears_that_nobody_has_heard():
    server = Server()
    flash = provision(server.port)
    driver = boot(flash, ballast.SIZE)

    def failed(loop, context):
        driver.last_words()
        raise ENDED

    asyncio.get_event_loop().set_exception_handler(failed)
    try:
        sounded, early = asyncio.run(unheard(driver, True))
    except (Ended, SystemExit):
        # It has run out of what it had set aside and starts anew, as the board would: the press is on flash.
        CHAIN[0] = None
        gc.collect()
        driver = boot(flash, ballast.SIZE)
        sounded, early = asyncio.run(unheard(driver, False))
    assert driver._stage == stages.NOT_DELIVERED and sounded > 5 and not early


def let_go(hold):
    """Bytes that become free when what only the start needs is forgotten, while somebody holds it or not."""
    asyncio.new_event_loop()
    driver = main.make(provision(24000), 0)
    held = sys.modules["firmware.making"] if hold else None
    gc.collect()
    before = gc.mem_alloc()
    main.forget()
    return before - gc.mem_alloc(), driver, held


def test_what_only_the_start_needs_is_let_go():
    freed = let_go(False)[0]
    print("freed", freed)
    assert freed > 4096
    # The control: whoever holds a piece of it holds all.
    assert let_go(True)[0] < 1024


def test_lamp_motor_and_speaker_are_driven_without_any_memory():
    shown = pins.Outputs(stages.SOUNDS[1])
    before = machine.BOARD.levels
    micropython.heap_lock()
    try:
        shown.show(ALL)
        lit = machine.BOARD.levels
        shown.show(0)
    finally:
        micropython.heap_unlock()
    assert lit & ~before == 0b11110 | 1 << SPEAKER
    assert not machine.BOARD.levels & (0b11110 | 1 << SPEAKER)


def stored_after_a_restart(server):
    """Whether the next boot brings the press to the server."""
    again = boot(Flash(), ballast.SIZE)

    async def until_stored():
        asyncio.create_task(again.run())  # noqa: RUF006
        for _ in range(3000):
            server.look()
            await asyncio.sleep_ms(20)
            if server.stored and not again.unit.urgent():
                return

    asyncio.run(until_stored())
    return not again.unit.urgent() and len(server.stored) > 0


def test_without_the_ballast_it_is_on_flash_and_stored_after_the_restart():
    left, there, server, _ = live(0)
    print("free", left, "on flash", there, "stored", len(server.stored))
    assert left < 512 and there == 1
    assert stored_after_a_restart(server)


def test_negative_control_without_ballast_and_emergency_it_is_lost():
    left, there, server, _ = live(0, emergency=False)
    print("free", left, "on flash", there, "stored", len(server.stored))
    assert left < 512 and there == 0 and server.stored == []


def test_without_the_ballast_it_is_on_flash_also_when_the_clock_has_outgrown_the_small_numbers():
    left, there, server, _ = live(0, old=True)
    print("free", left, "on flash", there, "stored", len(server.stored))
    assert left < 512 and there == 1
    assert stored_after_a_restart(server)
