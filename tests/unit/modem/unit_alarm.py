"""Runs on MicroPython: a unit whose only way out is a modem sends one sealed alarm until its receipt has been opened.

Started by test_alarm_over_modem.py in the unit's flash folder. Says what happened in lines `name value`. WAY is "coap",
"mqtt" or "sms"; `courier` drives the pipes as it does in the whole unit.
"""

# ruff: noqa: RUF006, UP031, UP041 - MicroPython

import asyncio
import gc
import hashlib
import os
import sys
import time

gc.collect()
before = gc.mem_alloc()

import cryptolib  # noqa: E402 - what was there before our own code is measured
from machine import Pin  # noqa: E402

from firmware.core import at as at_channel  # noqa: E402
from firmware.core.at_syntax import AtError  # noqa: E402
from firmware.core.sim_choice import Policy  # noqa: E402
from firmware.modem import chores  # noqa: E402
from firmware.modem.bearer import Cellular, dialect  # noqa: E402
from firmware.ports.clock import Clock  # noqa: E402
from firmware.ports.flash import Flash  # noqa: E402
from firmware.ports.kept import Kept  # noqa: E402
from firmware.ports.uart import Uart, Wires  # noqa: E402

gc.collect()
code = gc.mem_alloc()

ECB = 1
KEY_MS = 60
OFF_MS = 50
BOOT_MS = 1500
# The emulation's times are shorter than a modem's, and so is its reader's patience.
SHORT_MS = 400
SEND_MS = 800
PROBE_MS = 200
ROUNDS = 100
# What a test waits for at most; it is killed from outside before.
GIVE_UP_MS = int(os.getenv("GIVE_UP_MS") or "80000")


def say(name, value=""):
    print(name, value)


def make_dialect(name):
    kind = dialect(name)
    kind.timeouts["short"] = SHORT_MS
    kind.timeouts["send"] = SEND_MS
    at_channel.PROBE_MS = PROBE_MS
    kind.key_on_ms = KEY_MS if kind.key_on_ms else 0
    kind.off_ms = OFF_MS
    kind.boot_ms = BOOT_MS
    chores.SMS_ALARM_MS = 300
    return kind


class Sender:
    """One alarm on its way, as the whole unit's driver sends it."""

    def __init__(self, cellular, clock):
        from firmware.ports.counters import Counters
        from firmware.ports.identity import Identity
        from firmware.ports.sealer import Sealer

        flash = Flash()
        counters = Counters(flash, os.urandom)
        self.me = Identity(flash)
        self.sealer = Sealer(
            self.me,
            counters,
            lambda data: hashlib.sha256(data).digest(),
            lambda key: cryptolib.aes(key, ECB).encrypt,
        )
        self.boot = counters.boot
        self.cellular = cellular
        self.clock = clock
        self.attempt = 0
        self.stored = asyncio.Event()
        self.changed = asyncio.Event()
        self.heard = []
        self.pipes = {}
        self.machine = None

    def add(self, pipe):
        self.pipes[pipe.name] = pipe
        from protocols.wire.courier import Courier

        self.machine = Courier([pipe.name], lambda n: 0)

    def frame(self, attempt):
        from protocols.wire.messages import KIND_MANUAL, Alarm

        self.attempt = attempt
        alarm = Alarm(boot=self.boot, seq=1, kind=KIND_MANUAL, attempt=attempt)
        return self.sealer.seal(alarm.encode())

    def carry_out(self, actions):
        for action in actions:
            if action[0] == "send":
                pipe = self.pipes[action[3]]
                if not pipe.up:
                    pipe.hurry()
                    sent = False
                else:
                    sent = pipe.send(action[1], self.frame(action[2]), True)
                if not sent:
                    self.carry_out(self.machine.failed(action[1], action[3], self.clock.now()))
            elif action[0] == "stage":
                self.cellular.tell(("alarm", False))
                self.stored.set()

    def on_change(self, pipe):
        change = self.machine.pipe_up if pipe.up else self.machine.pipe_down
        self.carry_out(change(pipe.name, self.clock.now()))
        self.changed.set()

    def on_frame(self, pipe, frame):
        from protocols.wire.messages import Receipt

        message = self.sealer.open(frame)
        if isinstance(message, Receipt):
            self.cellular.tell(("receipt",))
            for boot, seq, stage in message.items:
                self.carry_out(self.machine.receipt((boot, seq), stage, self.clock.now()))
        self.changed.set()

    def on_event(self, event):
        self.heard.append(event[0])
        if event[0] == "frame":
            self.on_frame(None, event[1])

    async def run(self):
        """The alarm, until its receipt has come."""
        from protocols.wire.courier import ALARM

        now = self.clock.now()
        self.cellular.tell(("alarm", True))
        self.carry_out(self.machine.submit((self.boot, 1), ALARM, now))
        while not self.stored.is_set():
            self.changed.clear()
            now = self.clock.now()
            if now > GIVE_UP_MS:
                say("gave_up")
                sys.exit(1)
            self.carry_out(self.machine.timeout(now))
            due = [self.machine.next_wakeup(now), GIVE_UP_MS + 1]
            for name in sorted(self.pipes):
                self.pipes[name].timeout(now)
                due.append(self.pipes[name].next_wakeup(now))
            wait = min([at for at in due if at is not None]) - self.clock.now()
            try:
                await asyncio.wait_for_ms(self.changed.wait(), max(0, wait))
            except asyncio.TimeoutError:
                continue


def way(sender, cellular, clock):
    """The pipe that is asked for."""
    port = int(os.getenv("SERVER_PORT"))
    kind = os.getenv("WAY") or "coap"
    if kind == "sms":
        return cellular.sms_pipe("sms", "+46700000000", sender.on_change)
    if kind == "coap":
        from protocols.wire.coap_client import Client

        client = Client(1, 1, nstart=2)
        return cellular.coap_pipe("coap", "127.0.0.1", port, client, sender.on_frame, sender.on_change)
    from firmware.ports import identity, tls
    from firmware.ports.mqtt import MqttPipe
    from protocols.wire.mqtt_client import Client

    flash = Flash()
    files = [flash.read(path) for path in (identity.CA_FILE, identity.CERTIFICATE_FILE, identity.KEY_FILE)]
    settings = tls.context(files[0], files[1], files[2])
    name = "%08x" % sender.me.unit
    client = Client(name, 60, (("u/" + name + "/down", 1),))
    address = ("127.0.0.1", port, "fleet.test")
    topic = "u/" + name + "/up"
    return MqttPipe(
        "mqtt", address, client, settings, topic, clock, lambda n: 0, 0, sender.on_frame, sender.on_change,
        lambda: True, cellular.stream,
    )  # fmt: skip


async def measure(modem):
    """The mean AT round trip in microseconds. A machine that stands still makes the modem look hung."""
    start = time.ticks_us()
    try:
        for _ in range(ROUNDS):
            await modem.do("network_time", modem.dialect.network_time())
    except AtError as error:
        say("round_trip_us", error)
        return
    say("round_trip_us", time.ticks_diff(time.ticks_us(), start) // ROUNDS)


async def main():
    clock = Clock()
    stream = open(os.getenv("MODEM_TTY"), "r+b")  # noqa: SIM115 - the modem's UART is never closed
    wires = Wires(Pin(5, Pin.OUT, value=0), Pin(6, Pin.OUT, value=0), Pin(7, Pin.OUT, value=0))
    heard = []

    def on_event(event):
        heard[0](event)

    kind = make_dialect(os.getenv("MODEM_DIALECT"))
    slots = int(os.getenv("SLOTS") or "1")
    kept = Kept(Flash())
    cellular = Cellular(
        kind,
        Uart(stream),
        wires,
        clock,
        lambda n: 0,
        kept,
        "iot.example",
        slots,
        Policy(),
        on_event,
    )
    gc.collect()
    say("heap_code", code - before)
    say("heap_modem", gc.mem_alloc() - before)
    sender = Sender(cellular, clock)
    heard.append(sender.on_event)
    if os.getenv("SABOTAGE") == "doubt":
        # A unit that believes its modem's word that there is a path.
        cellular.conduct._doubt = lambda now: None
        cellular.conduct._renewal = lambda: None
    if os.getenv("TRACE"):
        handle = cellular.conduct.handle

        def traced(event, now):
            actions = handle(event, now)
            print(now, cellular.conduct.state, event, [a for a in actions if a[0] not in ("keep", "result")])
            return actions

        cellular.conduct.handle = traced
    sender.add(way(sender, cellular, clock))
    asyncio.create_task(cellular.run())
    for name in sorted(sender.pipes):
        asyncio.create_task(sender.pipes[name].run())
    start = clock.now()
    await sender.run()
    say("stored_ms", clock.now() - start)
    say("attempts", sender.attempt)
    # What is housekeeping waits for the alarm's end; where it fails, its next time is hours away.
    for _ in range(3000):
        if cellular.facts.measure()[1].get(19) and "operator" in cellular.measure()[0]:
            break
        await asyncio.sleep_ms(20)
    fields, status = cellular.measure()
    for name in sorted(fields):
        say(name, fields[name])
    for key in sorted(status):
        say("status" + str(key), status[key].hex() if isinstance(status[key], bytes) else status[key])
    if os.getenv("MEASURE"):
        await measure(cellular.modem)
    gc.collect()
    say("heap_free", gc.mem_free())
    say("heap_total", gc.mem_free() + gc.mem_alloc())
    say("cuts", cellular.conduct.cuts)
    say("slot", cellular.conduct.slot)
    say("lost", cellular.modem.lost)
    say("kept_failures", kept.failures)
    say("heard", " ".join(sorted(set(sender.heard))))
    say("done")


def failed(loop, context):
    sys.print_exception(context["exception"])
    sys.exit(1)


asyncio.get_event_loop().set_exception_handler(failed)
asyncio.run(main())
