"""Makes the unit's ways to the fleet from its configuration: the board's own network, a modem, or both.

Part of the composition root: what a unit does not use is not even loaded, since a library that lies in memory is paid
for by every unit. Opens nothing.
"""

import os

from board import BEARER

from firmware.core.events import FAULT_CONFIG
from firmware.ports import identity
from firmware.ports.console import say
from protocols.wire import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from firmware.driver import Driver
    from firmware.ports.clock import Clock
    from firmware.ports.flash import Flash
    from firmware.ports.identity import Config
    from firmware.ports.kept import Kept
    from firmware.ports.sleep import Sleep

SMS = "sms"
_MODEM = "modem"
_OWN = "network"


def _name(kind: str, number: int) -> str:
    return kind if number == 0 else kind + str(number + 1)


class Ways:
    """Which ways there are. `names` in preferred order; every CoAP address is a pipe of its own, over each radio.
    `rows` are (name, kind, number of the address, radio) of those; `radios` and `last_resort` are the courier's.
    Beside the board's own network a modem carries CoAP alone: one MQTT session is all that a unit has. In safe mode
    only CoAP counts, if there is an address of it."""

    def __init__(self, config: "Config", safe: bool) -> None:
        self.kinds = list(config.pipes)
        self.coap = config.coap
        if safe and config.coap:
            self.kinds = ["coap"]
        self.rows: "list[tuple[str, str, int, str]]" = []
        own = [_OWN] if config.own is not None or config.modem is None else []
        modem = [] if config.modem is None else [_MODEM]
        for radio in modem + own if config.modem_first else own + modem:
            for kind in self.kinds:
                if kind == "coap":
                    made = len([row for row in self.rows if row[1] == kind])
                    for number in range(len(self.coap)):
                        self.rows.append((_name(kind, made + number), kind, number, radio))
                elif radio == _OWN or not own:
                    self.rows.append((_name(kind, 0), kind, 0, radio))
        self.names = [row[0] for row in self.rows]
        self.radios: "list[str]" = [row[3] for row in self.rows]
        self.own = _OWN in self.radios
        self.last_resort: "list[str]" = []
        if config.modem is not None and config.sms is not None:
            self.names.append(SMS)
            self.radios.append(_MODEM)
            self.last_resort.append(SMS)

    def spare(self, random: "Callable[[int], int]", now: int) -> "Any":
        """What proves each of several radios; None where there is one."""
        if not self.own or _MODEM not in self.radios:
            return None
        from firmware.core.spare import Spare

        return Spare(self.names, self.radios, _MODEM, random, now)


class Builder:
    """Makes the pipes. `random(n)` gives 0..n-1; `spread` bounds the first pause of a connection (ms)."""

    def __init__(
        self,
        flash: "Flash",
        config: "Config",
        unit_id: str,
        clock: "Clock",
        random: "Callable[[int], int]",
        spread: int,
        driver: "Driver",
    ) -> None:
        self._flash = flash
        self._config = config
        self._unit_id = unit_id
        self._clock = clock
        self._random = random
        self._spread = spread
        self._driver = driver
        self._network: "Any" = None

    def build(self, ways: Ways, cellular: "Any") -> None:
        """Add the ways to the driver, each over its radio."""
        if ways.own:
            self._network = self._own(cellular)
        for name, kind, number, radio in ways.rows:
            over = cellular if radio == _MODEM else None
            if kind == "coap":
                host, port = ways.coap[number]
                self._driver.add(self._coap(name, host, port, over), over is not None)
            else:
                self._driver.add(self._mqtt(over), over is not None)
        for name in ways.last_resort:
            self._driver.add(cellular.sms_pipe(name, self._config.sms, self._driver.on_change), True)

    def _own(self, cellular: "Any") -> "Any":
        from firmware.ports.own import OwnNetwork

        return OwnNetwork(self._config.own, self._clock, self._driver.unit.urgent, cellular)

    def _bearer(self) -> int:
        """What the board's own network is called."""
        if self._config.own is None:
            return BEARER
        return messages.BEARER_WIFI if self._config.own[0] == "wlan" else messages.BEARER_ETHERNET

    def _coap(self, name: str, host: str, port: int, cellular: "Any") -> "Any":
        from protocols.wire.coap_client import Client

        # An alarm that finds no answer holds one place; heartbeats go on beside it.
        client = Client(self._random(0x10000), int.from_bytes(os.urandom(4), "big"), nstart=2)
        on_frame = self._driver.on_frame
        if cellular is not None:
            return cellular.coap_pipe(name, host, port, client, on_frame, self._driver.on_change)
        from firmware.ports.own_udp import CoapPipe

        pipe = CoapPipe(name, self._network, host, port, client, self._random, on_frame, self._driver.on_change)
        pipe.network = self._network
        pipe.bearer = self._bearer()
        return pipe

    def _mqtt(self, cellular: "Any") -> "Any":
        from firmware.ports import tls
        from firmware.ports.mqtt import MqttPipe
        from protocols.wire.mqtt_client import Client

        paths = (identity.CA_FILE, identity.CERTIFICATE_FILE, identity.KEY_FILE)
        files = [self._flash.read(path) or b"" for path in paths]
        settings = None
        try:
            settings = tls.context(files[0], files[1], files[2])
        except (ValueError, OSError) as error:
            # The other ways carry on; that this one will never come up is told.
            say("mqtt:", error)
            self._driver.later(("fault", FAULT_CONFIG, "5: certificates"))
        interval = self._driver.unit.interval()
        keepalive = max(30, min(1200, interval + interval // 4))
        client = Client(self._unit_id, keepalive, (("u/" + self._unit_id + "/down", 1),))
        pipe = MqttPipe(
            "mqtt",
            self._config.mqtt,
            client,
            settings,
            "u/" + self._unit_id + "/up",
            self._clock,
            self._random,
            self._spread,
            self._driver.on_frame,
            self._driver.on_change,
            self._driver.unit.urgent,
            self._network.stream if cellular is None else cellular.stream,
        )
        if cellular is None:
            pipe.network = self._network
        pipe.bearer = self._bearer() if cellular is None else cellular.bearer
        return pipe


def cellular(
    config: "Config",
    kept: "Kept",
    clock: "Clock",
    random: "Callable[[int], int]",
    policy: "Sequence[Any] | None",
    sleep: "Sleep",
    on_event: "Callable[[tuple[Any, ...]], None]",
    safe: bool = False,
) -> "Any":
    """The modem's part of this unit. `policy` is what core.obey.policy gives, or None. The modem's supply and its card
    are `sleep`'s to hold: they outlast a deep sleep."""
    import board
    import machine

    from firmware.core.sim_choice import held
    from firmware.modem.bearer import Cellular
    from firmware.ports.uart import Uart, Wires

    key = None
    if "modem_key" in board.PINS:
        key = machine.Pin(board.PINS["modem_key"], machine.Pin.OUT, value=0)
    power = sleep.output("modem_power")
    name, access_point, slots = config.modem
    made = Cellular(
        _dialect(name),
        Uart(machine.UART(board.MODEM_UART, **board.MODEM_WIRES)),
        Wires(power, key, sleep.output("modem_mux")),
        clock,
        random,
        kept,
        access_point,
        slots,
        held(policy),
        on_event,
        safe,
    )
    memory = sleep.memory if sleep.woken and isinstance(sleep.memory, list) else []
    if memory:
        from firmware.repose import CARDS

        made.conduct.woken(memory[CARDS] if len(memory) > CARDS else None, sleep.slept, clock.now())
    if sleep.woken and power is not None and power.value():
        made.tell(("slept", [value for value in memory[2:7] if isinstance(value, int)]))
    return made


def _dialect(name: str) -> "Any":
    if name == "bg95":
        from firmware.modem.bg95 import Bg95

        return Bg95()
    if name == "sim7080g":
        from firmware.modem.sim7080g import Sim7080g

        return Sim7080g()
    from firmware.modem.gm02s import Gm02s

    return Gm02s()
