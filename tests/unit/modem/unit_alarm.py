"""Runs on MicroPython: a unit whose only way out is a modem sends one sealed alarm until its receipt has been opened.

Started by test_alarm_over_modem.py in the unit's flash folder. Says what happened in lines `name value`.
"""

# ruff: noqa: RUF006, UP041 - MicroPython

import asyncio
import gc
import hashlib
import os
import sys
import time

before = gc.mem_alloc()

import cryptolib  # noqa: E402 - what was there before our own code is measured
from machine import Pin  # noqa: E402

from firmware.core import at  # noqa: E402
from firmware.modem.driver import Modem  # noqa: E402
from firmware.ports.clock import Clock  # noqa: E402
from firmware.ports.uart import Uart, Wires  # noqa: E402

ECB = 1
KEY_MS = 60
OFF_MS = 50
BOOT_MS = 1500
# The emulation's times are shorter than a modem's, and so is its reader's patience.
SHORT_MS = 400
SEND_MS = 800
PROBE_MS = 200
ROUNDS = 100
MOST_SOCKETS = 100


def say(name, value=""):
    print(name, value)


def make_dialect(name):
    if name == "bg95":
        from firmware.modem.bg95 import Bg95 as Kind
    elif name == "sim7080g":
        from firmware.modem.sim7080g import Sim7080g as Kind
    else:
        from firmware.modem.gm02s import Gm02s as Kind
    dialect = Kind()
    dialect.timeouts["short"] = SHORT_MS
    dialect.timeouts["send"] = SEND_MS
    at.PROBE_MS = PROBE_MS
    dialect.key_on_ms = KEY_MS if dialect.key_on_ms else 0
    dialect.off_ms = OFF_MS
    dialect.boot_ms = BOOT_MS
    return dialect


class Sender:
    """One alarm on its way."""

    def __init__(self, modem, clock, host, port):
        from firmware.ports.counters import Counters
        from firmware.ports.flash import Flash
        from firmware.ports.identity import Identity
        from firmware.ports.sealer import Sealer
        from protocols.wire import messages
        from protocols.wire.coap_client import Client

        flash = Flash()
        counters = Counters(flash, os.urandom)
        self.sealer = Sealer(
            Identity(flash),
            counters,
            lambda data: hashlib.sha256(data).digest(),
            lambda key: cryptolib.aes(key, ECB).encrypt,
        )
        self.messages = messages
        self.client = Client(1, 1, nstart=2)
        self.boot = counters.boot
        self.modem = modem
        self.clock = clock
        self.host = host
        self.port = port
        self.attempt = 0
        self.token = b""
        self.stored = False

    def frame(self):
        self.attempt += 1
        alarm = self.messages.Alarm(boot=self.boot, seq=1, kind=self.messages.KIND_MANUAL, attempt=self.attempt)
        return self.sealer.seal(alarm.encode())

    async def carry_out(self, socket, actions):
        for action in actions:
            if action[0] == "send":
                await socket.send(action[1])
            elif action[0] in ("response", "stray", "pushed"):
                message = self.sealer.open(action[-1]) if action[-1] else None
                if isinstance(message, self.messages.Receipt) and [self.boot, 1] in [
                    list(i[:2]) for i in message.items
                ]:
                    self.stored = True
            elif action[0] == "failed":
                await self.send(socket)

    async def send(self, socket):
        # A new attempt takes the place of the old one.
        self.client.cancel(self.token)
        self.token, actions = self.client.request("u", self.frame(), self.clock.now(), 0, True)
        await self.carry_out(socket, actions)

    async def listen(self, socket, inbox, news):
        try:
            while True:
                inbox.append(await socket.recv())
                news.set()
        except OSError:
            inbox.append(None)
            news.set()

    async def over(self, socket):
        """Send and listen on one socket. Raises OSError when it is of no more use."""
        inbox = []
        news = asyncio.Event()
        listener = asyncio.create_task(self.listen(socket, inbox, news))
        try:
            await self.send(socket)
            while not self.stored:
                due = max(0, self.client.next_wakeup(self.clock.now()) - self.clock.now())
                try:
                    await asyncio.wait_for_ms(news.wait(), due)
                except asyncio.TimeoutError:
                    await self.carry_out(socket, self.client.timeout(self.clock.now()))
                    continue
                news.clear()
                while inbox:
                    datagram = inbox.pop(0)
                    if datagram is None:
                        raise OSError("the socket has ended")
                    await self.carry_out(socket, self.client.datagram(datagram, self.clock.now()))
        finally:
            listener.cancel()

    async def run(self):
        for _ in range(MOST_SOCKETS):
            if self.stored:
                return
            try:
                socket = await self.modem.open_udp(self.host, self.port)
            except OSError as error:
                say("open", error)
                continue
            try:
                await self.over(socket)
            except OSError as error:
                say("socket", error)
            await socket.close()
        say("gave_up")
        sys.exit(1)


async def measure(modem):
    """The mean AT round trip in microseconds."""
    start = time.ticks_us()
    for _ in range(ROUNDS):
        await modem.do(modem.dialect.network_time())
    say("round_trip_us", time.ticks_diff(time.ticks_us(), start) // ROUNDS)


async def main():
    clock = Clock()
    stream = open(os.getenv("MODEM_TTY"), "r+b")  # noqa: SIM115 - the modem's UART is never closed
    wires = Wires(Pin(5, Pin.OUT, value=0), Pin(6, Pin.OUT, value=0), Pin(7, Pin.OUT, value=0))
    heard = []
    modem = Modem(make_dialect(os.getenv("MODEM_DIALECT")), Uart(stream), wires, clock, "iot.example", heard.append)
    if os.getenv("SABOTAGE"):
        # A link that believes the modem's word that there is a path.
        modem.link.doubt = lambda now: None
    gc.collect()
    say("heap_modem", gc.mem_alloc() - before)
    asyncio.create_task(modem.run())
    sender = Sender(modem, clock, "127.0.0.1", int(os.getenv("SERVER_PORT")))
    start = clock.now()
    await sender.run()
    say("stored_ms", clock.now() - start)
    say("attempts", sender.attempt)
    identity = await modem.do(modem.dialect.identify())
    for name in ("imei", "imsi", "iccid", "revision"):
        say(name, identity[name])
    cell = await modem.do(modem.dialect.serving_cell())
    say("operator", cell.get("operator"))
    if os.getenv("MEASURE"):
        await measure(modem)
    gc.collect()
    say("heap_free", gc.mem_free())
    say("heap_total", gc.mem_free() + gc.mem_alloc())
    say("cuts", modem.link.cuts)
    say("lost", modem.lost)
    say("dropped", sum(modem.engine.at.dropped.values()))
    say("done")


def failed(loop, context):
    sys.print_exception(context["exception"])
    sys.exit(1)


asyncio.get_event_loop().set_exception_handler(failed)
asyncio.run(main())
