"""Composition root of the unit: makes the ports, hands them to the cores, and runs until power goes.

Nothing is opened at import; `run` does it all. An error that nobody handles is printed, counted on flash and answered
by a reset: a unit that hangs helps nobody, and the journal has every press.
"""

import asyncio
import gc
import hashlib
import os
import random
import sys

import cryptolib
import machine
from board import BEARER

from firmware import boot
from firmware.core.heartbeat import SPREAD_MS, Heartbeat
from firmware.core.press import Contact
from firmware.core.unit import Unit
from firmware.driver import Driver
from firmware.ports import identity, pins
from firmware.ports.clock import Clock
from firmware.ports.console import say
from firmware.ports.counters import Counters
from firmware.ports.flash import Flash
from firmware.ports.journal import Journal
from firmware.ports.sealer import Sealer
from firmware.ports.watchdog import Watchdog
from protocols.wire import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = "0.1.0"
_ECB = 1


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _ecb(key: bytes) -> "Any":
    return cryptolib.aes(key, _ECB).encrypt


def _below(bound: int) -> int:
    """A random integer in 0..bound-1, for pauses; nothing secret comes from here."""
    return random.randrange(bound) if bound > 1 else 0  # noqa: S311 - see above


class _Gauge:
    """What the unit says of itself in a heartbeat."""

    def __init__(self, config: identity.Config, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._lowest = None

    def measure(self) -> "tuple[dict[str, Any], dict[int, Any]]":
        gc.collect()
        free = gc.mem_free()
        self._lowest = free if self._lowest is None else min(self._lowest, free)
        status = {
            messages.STATUS_VERSION: VERSION,
            messages.STATUS_PROFILE: self._config.profile,
            messages.STATUS_REBOOT: machine.reset_cause(),
            messages.STATUS_HEAP_LOW: self._lowest,
            messages.STATUS_UPTIME: self._clock.now() // 1000,
            messages.STATUS_CLOCK: self._clock.unix(),
        }
        return {}, status


def _coap_pipes(config: identity.Config, clock: Clock, driver: Driver) -> "list[Any]":
    from firmware.ports.udp import CoapPipe
    from protocols.wire.coap_client import Client

    made = []
    for number, (host, port) in enumerate(config.coap):
        # An alarm that finds no answer holds one place; heartbeats go on beside it.
        client = Client(_below(0x10000), int.from_bytes(os.urandom(4), "big"), nstart=2)
        made.append(CoapPipe(_name("coap", number), host, port, client, clock, _below, driver.on_frame))
    return made


def _mqtt_pipe(
    flash: Flash, config: identity.Config, unit_id: str, clock: Clock, driver: Driver, unit: Unit, spread: int
) -> "Any":
    # Only units that use TLS pay for it.
    from firmware.ports import tls
    from firmware.ports.mqtt import MqttPipe
    from protocols.wire.mqtt_client import Client

    files = [flash.read(path) or b"" for path in (identity.CA_FILE, identity.CERTIFICATE_FILE, identity.KEY_FILE)]
    settings = tls.context(files[0], files[1], files[2])
    keepalive = max(30, min(1200, config.interval + config.interval // 4))
    client = Client(unit_id, keepalive, (("u/" + unit_id + "/down", 1),))
    return MqttPipe(
        "mqtt",
        config.mqtt,
        client,
        settings,
        "u/" + unit_id + "/up",
        clock,
        _below,
        spread,
        driver.on_frame,
        driver.on_change,
        unit.urgent,
    )


def _name(kind: str, number: int) -> str:
    return kind if number == 0 else kind + str(number + 1)


def _names(config: identity.Config) -> "list[str]":
    """The pipes' names in preferred order; every CoAP address is a pipe of its own."""
    names = []
    for kind in config.pipes:
        names += [_name(kind, number) for number in range(len(config.coap) if kind == "coap" else 1)]
    return names


def build(flash: Flash, spread: int) -> Driver:
    """The whole unit, ready to run. Raises IdentityError if provisioning's files are not usable."""
    clock = Clock()
    me = identity.Identity(flash)
    config = identity.Config(flash)
    # Before anything that takes time: a press while the journal is read, or the TLS keys, is a press.
    button = pins.Contact()
    if boot.safe(flash) and config.coap:
        config.pipes = ["coap"]
    counters = Counters(flash, os.urandom)
    journal = Journal(flash)
    entries = journal.load()
    heartbeat = Heartbeat(config.interval, _below, spread)
    gauge = _Gauge(config, clock)
    unit = Unit(
        counters.boot, _names(config), _below, heartbeat, entries, gauge.measure, clock.unix, BEARER, clock.now()
    )
    driver = Driver(
        unit,
        journal,
        Sealer(me, counters, _sha256, _ecb),
        clock,
        Watchdog(),
        Contact(),
        button,
        pins.Outputs(),
        lambda: boot.proven(flash),
    )
    unit_id = "%08x" % me.unit
    for kind in config.pipes:
        if kind == "coap":
            for pipe in _coap_pipes(config, clock, driver):
                driver.add(pipe)
        else:
            driver.add(_mqtt_pipe(flash, config, unit_id, clock, driver, unit, spread))
    gc.collect()
    say("unit", unit_id, "boot", counters.boot, "open", len(entries), "heap free", gc.mem_free())
    return driver


def run(spread: int = SPREAD_MS) -> None:
    """Never returns. `spread` bounds the random delays (ms) at boot; a press that waits ignores them."""
    flash = Flash()

    def failed(loop: "Any", context: "dict[str, Any]") -> None:
        sys.print_exception(context["exception"])
        boot.crashed(flash)
        machine.reset()

    asyncio.get_event_loop().set_exception_handler(failed)
    try:
        asyncio.run(build(flash, spread).run())
    except Exception as error:  # noqa: BLE001 - reported, counted and answered by a reset
        failed(None, {"exception": error})
