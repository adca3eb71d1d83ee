"""LTE-M as a bearer: the modem, what it is to do, and the pipes over it. Carries out what `conduct` orders.

    cellular = Cellular(Bg95(), uart, wires, clock, random, kept, "access.point", 2, Policy(), on_event)
    pipe = cellular.coap_pipe("coap", host, port, client, driver.on_frame, driver.on_change)
    asyncio.create_task(cellular.run())

`on_event(event)` is synchronous and gets:

    ("heartbeat", alone)        send one now: the path has changed and is to be proven (core.sim_choice)
    ("report", kind, data)      to be sent as an event
    ("frame", bytes)            of an SMS: a sealed frame that has not been opened yet
    ("wake",)                   an SMS that is no frame; it has been deleted
    ("position", data)          to be sent as an event of kind position
    ("time", unix s)            what the network says that it is: a hint for a clock that was never set
    ("status",)                 something of the status has changed
    ("bearer",)                 another card is in use, see `bearer`
    ("energy", consumer, state) for the ledger
    ("fault", code, text)       of core.events: the modem does not work, and loses its power for it
"""

import asyncio

from firmware.core.at_syntax import AtError
from firmware.modem.conduct import Conduct
from firmware.modem.datagrams import ModemDatagrams
from firmware.modem.dialect import TCP
from firmware.modem.driver import Modem
from firmware.modem.facts import Facts
from firmware.modem.orders import ATTACHED, UP
from firmware.modem.steps import SIM, Board
from protocols.wire import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware.core.sim_choice import Policy
    from firmware.modem.dialect import Dialect
    from firmware.modem.driver import Socket
    from firmware.modem.steps import Procedure
    from firmware.ports.clock import Clock
    from firmware.ports.kept import Kept
    from firmware.ports.uart import Uart, Wires

ACTIVE_S = 10
"""Asked for as PSM's active time: a late answer of the fleet still finds the modem awake."""
TAU_S = 14400
"""Asked for as PSM's period unless the unit says otherwise."""
REFUSED_MS = 30000
"""A TCP connection that failed is not tried again sooner while an alarm waits: datagrams need the modem."""
_PROGRESS = ("begin", "end", "finished", "failed")
_FRAME = 0x83
"""A sealed frame is a CBOR array of three: no text message begins so (docs/wire.md)."""


def dialect(name: str) -> "Dialect":
    """The modem of this name: "bg95", "sim7080g" or "gm02s"; the others are not loaded. Raises ValueError."""
    if name == "bg95":
        from firmware.modem.bg95 import Bg95 as Kind
    elif name == "sim7080g":
        from firmware.modem.sim7080g import Sim7080g as Kind
    elif name == "gm02s":
        from firmware.modem.gm02s import Gm02s as Kind
    else:
        raise ValueError("no modem is called " + name)
    return Kind()


class Cellular:
    """`slots` is 1 or 2 cards; `random(n)` gives an integer in 0..n-1; `kept` remembers governor, ladder and cards over
    a reset; `safe` leaves out all that an alarm can do without. Attributes: `up`, `bearer` (a code of messages),
    `facts`, `conduct`, `modem`; `woken`, SMS that were no frames; `mark` for the watchdog."""

    def __init__(
        self,
        dialect: "Dialect",
        uart: "Uart",
        wires: "Wires",
        clock: "Clock",
        random: "Callable[[int], int]",
        kept: "Kept",
        access_point: str,
        slots: int,
        policy: "Policy",
        on_event: "Callable[[tuple[Any, ...]], None]",
        safe: bool = False,
    ) -> None:
        sleeps = dialect.key_on_ms > 0 or dialect.line_wakes
        self.modem = Modem(dialect, uart, wires, clock, self._feed)
        self.conduct = Conduct(slots, policy, kept.load, random, clock.now(), dialect.gnss_takes_radio, sleeps, safe)
        self.facts = Facts()
        self.woken = 0
        self.mark: "Any" = None
        self._dialect = dialect
        self._random = random
        self._clock = clock
        self._kept = kept
        self._access_point = access_point
        self._slots = slots
        self._on_event = on_event
        self._pipes: "list[Any]" = []
        self._sms: "Any" = None
        self._events: "list[tuple[Any, ...]]" = []
        self._feeding = False
        self._was_up = False
        self._order: "tuple[str, Any] | None" = None
        self._ordered = asyncio.Event()
        self._timer = asyncio.Event()
        self._path = asyncio.Event()
        self.turn = asyncio.Lock()
        self._refused_at: "int | None" = None

    # For the unit

    @property
    def up(self) -> bool:
        return self.conduct.up

    @property
    def bearer(self) -> int:
        return messages.BEARER_SIM2 if self.conduct.slot else messages.BEARER_SIM1

    def coap_pipe(
        self,
        name: str,
        host: str,
        port: int,
        client: "Any",
        on_frame: "Callable[[object, bytes], None]",
        on_change: "Callable[[object], None]",
    ) -> "Any":
        """A pipe of its own for one address: CoAP over a UDP socket of the modem."""
        from firmware.ports.udp import DatagramPipe

        datagrams = ModemDatagrams(self, host, port)
        pipe = DatagramPipe(name, datagrams, client, self._clock, self._random, on_frame, on_change)
        pipe.bearer = self.bearer
        self._pipes.append(pipe)
        return pipe

    def sms_pipe(self, name: str, number: str, on_change: "Callable[[object], None]") -> "Any":
        """The last resort; at most one."""
        from firmware.modem.sms import SmsPipe

        self._sms = SmsPipe(name, number, self._clock, lambda: self._feed(("sms_out",)), on_change)
        self._sms.bearer = messages.BEARER_SMS
        return self._sms

    async def stream(self, host: str, port: int) -> "Any":
        """A TCP connection for firmware.ports.tls. Raises OSError."""
        from firmware.modem.stream import Connection

        now = self._clock.now()
        if self._refused_at is not None and self.conduct.alarm and now - self._refused_at < REFUSED_MS:
            await asyncio.sleep_ms(REFUSED_MS - (now - self._refused_at))
        self.use()
        await self.path()
        try:
            socket = await self.open(TCP, host, port)
        except OSError:
            self._refused_at = self._clock.now()
            raise
        self._refused_at = None
        return Connection(socket)

    def tell(self, event: "tuple[Any, ...]") -> None:
        """("alarm", open): a press is not stored, or all are; ("asked",): a heartbeat is to go this way; ("receipt",):
        a verified receipt came this way, and no old one played again; ("clock", unix s): verified server time;
        ("policy", Policy); ("switch", slot); ("rest", allowed[, period in s]): PSM may be used; ("locate", want);
        ("slept", known), before `run`: the board has slept deep and the modem has kept its supply, so that it is woken
        and not started (`Facts.woken`)."""
        if event[0] == "rest":
            event = ("rest", event[1], event[2] if len(event) > 2 else TAU_S)
        if event[0] == "slept":
            self.facts.woken(event[1])
        self._feed(event)
        if event[0] == "locate" and event[1] and self.facts.place():
            self._on_event(("position", self.facts.position(None)))

    def measure(self) -> "tuple[dict[str, Any], dict[int, Any]]":
        """(fields of a heartbeat, pairs of a status), as of the last look at the network."""
        return self.facts.measure()

    # For the pipes

    def hurry(self) -> None:
        """An alarm is waiting."""
        self._feed(("hurry",))

    def use(self) -> None:
        """Something wants to be sent: a sleeping modem is woken."""
        if self.conduct.state != UP:
            self._feed(("use",))

    async def path(self) -> None:
        """Until sockets can be opened."""
        await self._path.wait()

    async def open(self, kind: int, host: str, port: int) -> "Socket":
        """A socket towards one peer. Raises OSError."""
        return await self.modem.open(kind, host, port)

    # The machine

    def _feed(self, event: "tuple[Any, ...]") -> None:
        """One event after the other, also those that come of carrying out."""
        self._events.append(event)
        if self._feeding:
            return
        self._feeding = True
        try:
            while self._events:
                now = self._clock.now()
                one = self._events.pop(0)
                if one[0] in _PROGRESS:
                    self._progress()
                for action in self.conduct.handle(one, now):
                    self._carry_out(action)
                self._show()
        finally:
            self._feeding = False
        if self.mark is not None and not self.conduct.busy:
            # With nothing to do there is no progress either.
            self.mark.pause()
        self._timer.set()

    def _progress(self) -> None:
        """The watchdog's limit counts from the last thing that was begun or ended on the channel. Whoever only asks for
        something shows no progress: else an alarm would keep a modem task alive that hangs."""
        if self.mark is not None:
            self.mark.alive(self._clock.now())

    def _carry_out(self, action: "tuple[Any, ...]") -> None:
        name = action[0]
        if name == "do":
            self._order = (action[1], action[2])
            self._ordered.set()
            self._progress()
        elif name == "abandon":
            self.modem.interrupt()
        elif name == "keep":
            # A flash that fails stops no alarm; Kept counts it.
            self._kept.save(action[1], action[2])
        elif name == "drop":
            self.modem.drop_all()
        elif name == "result":
            self._result(action[1], action[2])
        elif name == "tell":
            if action[1][0] == "bearer":
                self._rename()
            self._on_event(action[1])

    def _rename(self) -> None:
        for pipe in self._pipes:
            pipe.bearer = self.bearer
            # What was built on the other card says that it is on that card: it is built anew, not repeated.
            pipe.abandon()
        self.facts.left()

    def _show(self) -> None:
        """Tell those who wait what has become of the path."""
        if self.conduct.state == UP:
            self._path.set()
        else:
            self._path.clear()
        if self.up != self._was_up:
            self._was_up = self.up
            for pipe in self._pipes:
                pipe.changed()
        if self._sms is not None:
            self._sms.set_up(self.conduct.state in (ATTACHED, UP))
        if self.facts.changed:
            self.facts.changed = False
            self._on_event(("status",))

    def _result(self, order: str, value: "Any") -> None:
        if order == "sms_send":
            self._sms.gone(value is not None)
        elif value is None:
            if order == "gnss_fix":
                return
        elif order == "registration":
            self.facts.registration(value)
        elif order == "survey":
            self.facts.survey(value)
        elif order == "identify":
            self.facts.identity(self.conduct.slot, value)
            if value.get("time") is not None:
                self._on_event(("time", value["time"]))
        elif order == "sms_take":
            self._message(value)
        elif order == "gnss_fix":
            self._on_event(("position", self.facts.position(value)))

    def _message(self, payload: bytes) -> None:
        if payload[:1] == bytes([_FRAME]):
            self._on_event(("frame", payload))
            return
        self.woken += 1
        self._on_event(("wake",))

    def _procedure(self, order: str, argument: "Any") -> "Procedure":
        dialect = self._dialect
        if order in ("power_on", "power_cut"):
            return self._powered(order, argument)
        if order == "start":
            return self._started()
        if order == "identify":
            return self._identified()
        if order == "pdp_check":
            return dialect.pdp_active()
        if order == "pdp_up":
            return dialect.pdp_up(self._access_point)
        if order == "rest":
            self.facts.asked = argument is not None
            return dialect.save_power(argument, ACTIVE_S)
        if order == "sms_send":
            return dialect.sms_send(self._sms.number, self._sms.frame)
        if order in ("select_sim", "sms_take"):
            return getattr(dialect, order)(argument)
        return getattr(dialect, order)()

    def _powered(self, order: str, slot: int) -> "Procedure":
        # Before the modem looks at its card.
        yield Board(SIM, slot)
        yield from getattr(self._dialect, order)()

    def _started(self) -> "Procedure":
        """Settings, and which card the modem uses."""
        yield from self._dialect.start()
        if self._slots < 2:
            return None
        return (yield from self._dialect.sim_slot())

    def _identified(self) -> "Procedure":
        found = yield from self._dialect.identify()
        found["time"] = yield from self._dialect.network_time()
        return found

    async def _work(self) -> None:
        """Carry out orders, one after the other."""
        while True:
            await self._ordered.wait()
            self._ordered.clear()
            if self._order is None:
                continue
            name, argument = self._order
            self._order = None
            try:
                value = await self.modem.do(name, self._procedure(name, argument))
            except AtError as error:
                self.modem.errors += 1
                self._feed(("failed", name, error.reason))
            else:
                self._feed(("finished", name, True if name == "sms_send" else value))

    async def run(self) -> None:
        """Never returns."""
        asyncio.create_task(self.modem.run())
        asyncio.create_task(self._work())
        self._feed(("time",))
        while True:
            self._timer.clear()
            now = self._clock.now()
            due = self.conduct.next_wakeup(now)
            if due is None:
                await self._timer.wait()
                continue
            try:
                await asyncio.wait_for_ms(self._timer.wait(), max(0, due - now))
            except asyncio.TimeoutError:
                self._feed(("time",))
