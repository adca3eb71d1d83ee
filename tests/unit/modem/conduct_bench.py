"""The firmware's conduct and engine against the emulated modem, on the emulator's stepped clock: hours in no time.

`Bench` stands for what `firmware.modem.bearer` does with asyncio: it carries out orders and hands back what came of
them. A datagram of an alarm is an operation of its own, as a socket's is.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from firmware.core.at_syntax import AtError
from firmware.core.sim_choice import Policy
from firmware.modem import orders
from firmware.modem.bg95 import Bg95
from firmware.modem.conduct import Conduct
from firmware.modem.dialect import UDP
from firmware.modem.engine import Engine
from firmware.modem.gm02s import Gm02s
from firmware.modem.sim7080g import Sim7080g
from firmware.modem.steps import LINE, LINE_SAYS, SIM, Board
from sim.modem.clock import SteppedClock
from sim.modem.radio import Radio
from sim.modem.rig import DIALECTS
from sim.modem.scenario import Scenario

FIRMWARE = {"bg95": Bg95, "sim7080g": Sim7080g, "gm02s": Gm02s}
RETRY_MS = 4000
TURNS = 200


class NoLoop:
    """Sockets that send for real and hear nothing: the bench itself says what arrives."""

    def add_reader(self, *_: Any) -> None:
        """Nothing comes."""

    add_writer = remove_reader = remove_writer = add_reader


class Bench:
    """`silent` cards take datagrams and bring none to the server; `paths` says how long a card's path takes (ms).
    Attributes: `stored_at` (ms) of the alarm, `orders` as (ms, order, argument), `told` events, `results`, `kept`,
    `abandoned` how often, `proven_at` (ms) when a heartbeat was last answered by card."""

    def __init__(
        self, scenario: Scenario, slots: int = 1, kept: dict[str, Any] | None = None, policy: Policy | None = None
    ) -> None:
        self.stepped = SteppedClock()
        self.radio = Radio(scenario)
        self.dialect = FIRMWARE[scenario.dialect]()
        self.engine = Engine(self.dialect)
        self.device = DIALECTS[scenario.dialect](scenario, self.stepped, self._heard, self.radio)
        self.device.path.loop = NoLoop()
        self.kept: dict[str, Any] = kept or {}
        self.slots = slots
        self.policy = policy or Policy()
        self.conduct = self.started()
        self.silent: set[int] = set()
        self.paths: dict[int, float] = {}
        self._pdp_ms = scenario.timing.pdp_ms
        self.orders: list[tuple[int, str, Any]] = []
        self.told: list[Any] = []
        self.results: list[tuple[str, Any]] = []
        self.abandoned = 0
        self.stored_at: int | None = None
        self._queue: list[tuple[str, Any, Any]] = []
        self._current: tuple[str, bool] | None = None
        self.proven_at: dict[int, int] = {}
        self._owed = False
        self._late: AtError | None = None
        self._socket = False
        self._next_try: int | None = None
        self._events: list[Any] = []
        self._feeding = False
        self.feed(("time",))

    def started(self) -> Conduct:
        """One as after a start of the board."""
        return Conduct(
            self.slots, self.policy, self.kept.get, lambda n: n // 2, self.now(), self.dialect.gnss_takes_radio,
            self.dialect.key_on_ms > 0 or self.dialect.line_wakes,
        )  # fmt: skip

    def now(self) -> int:
        return int(self.stepped.now() * 1000 + 0.5)

    # What the bearer does

    def feed(self, event: tuple[Any, ...]) -> None:
        self._events.append(event)
        if self._feeding:
            return
        self._feeding = True
        while self._events:
            for action in self.conduct.handle(self._events.pop(0), self.now()):
                self._do(action)
        self._feeding = False
        self._work()

    def _do(self, action: tuple[Any, ...]) -> None:
        if action[0] == "do":
            self.orders.append((self.now(), action[1], action[2]))
            self._queue.append((action[1], action[2], True))
        elif action[0] == "abandon":
            self.abandoned += 1
            self._engine(self.engine.interrupt(self.now()))
        elif action[0] == "keep":
            self.kept[action[1]] = action[2]
        elif action[0] == "drop":
            self._socket = False
        elif action[0] == "result":
            self.results.append((action[1], action[2]))
        elif action[0] == "tell":
            self.told.append(action[1])
            if action[1][0] == "heartbeat":
                self.stepped.call_later(0.1, self.heartbeat)
        elif action[0] == "up" and action[1]:
            if self.conduct.alarm:
                self._next_try = self.now()
            if self._owed:
                self.stepped.call_later(0.1, self.heartbeat)

    def _work(self) -> None:
        if self._current is not None or self._feeding:
            return
        if not self._queue and self._next_try is not None and self.now() >= self._next_try:
            self._try()
        if self._queue:
            name, argument, is_order = self._queue.pop(0)
            self._current = (name, is_order)
            pdp_ms = self.paths.get(self.device.slot, self._pdp_ms)
            timing = dataclasses.replace(self.device.scenario.timing, pdp_ms=pdp_ms)
            self.device.scenario = dataclasses.replace(self.device.scenario, timing=timing)
            self.feed(("begin", name))
            self._engine(self.engine.start(self._procedure(name, argument), self.now()))

    def _try(self) -> None:
        """The next datagram of the alarm."""
        self._next_try = self.now() + RETRY_MS
        if self.conduct.state == orders.UP:
            self._queue.append(("send" if self._socket else "open", None, False))

    def _procedure(self, name: str, argument: Any) -> Any:
        if name in {"power_on", "power_cut"}:
            return self._powered(name, argument)
        if name == "start":
            return self._started()
        if name == "pdp_check":
            return self.dialect.pdp_active()
        if name == "pdp_up":
            return self.dialect.pdp_up("iot.example")
        if name == "rest":
            return self.dialect.save_power(argument, 10)
        if name == "sms_send":
            return self.dialect.sms_send("+46700000000", b"\x83")
        if name == "open":
            return self._open()
        if name == "send":
            return self.dialect.send(0, b"alarm")
        if name in {"select_sim", "sms_take"}:
            return getattr(self.dialect, name)(argument)
        return getattr(self.dialect, name)()

    def _open(self) -> Any:
        yield from self.dialect.close(0)
        yield from self.dialect.open(0, UDP, "127.0.0.1", 9)

    def _powered(self, name: str, slot: int) -> Any:
        yield Board(SIM, slot)
        yield from getattr(self.dialect, name)()

    def _started(self) -> Any:
        yield from self.dialect.start()
        return (yield from self.dialect.sim_slot()) if self.slots > 1 else None

    # What the modem does

    def _heard(self, data: bytes) -> None:
        self._engine(self.engine.feed(data, self.now()))
        self._work()

    def _engine(self, actions: list[tuple[Any, ...]]) -> None:
        for action in actions:
            if action[0] == "write":
                self.device.receive(action[1])
            elif action[0] == "board":
                self._board(action[1], action[2])
            elif action[0] in {"finished", "failed"}:
                self._over(action[0], action[1])
            elif action[0] == "event":
                if action[1][0] not in {"data", "closed"}:
                    self.feed(action[1])
            elif action[0] != "free":
                self.feed(action)
        if self._late is not None and self.engine.at.ready:
            error, self._late = self._late, None
            self._over("failed", error)

    def _over(self, kind: str, value: Any) -> None:
        assert self._current is not None
        if kind == "failed" and value.reason == "abandoned" and not self.engine.at.ready:
            self._late = value
            return
        name, is_order = self._current
        self._current = None
        self.feed(("end",))
        if not is_order:
            self._sent(name, kind == "finished")
        elif kind == "finished":
            self.feed(("finished", name, True if name == "sms_send" else value))
        else:
            assert isinstance(value, AtError)
            self.feed(("failed", name, value.reason))

    def _sent(self, name: str, ok: bool) -> None:
        if not ok:
            self._socket = False
            self.feed(("doubt",))
        elif name == "open":
            self._socket = True
            self._queue.append(("send", None, False))
            self._work()
        elif self.conduct.slot not in self.silent and self.stored_at is None:
            self.stored_at = self.now()
            self._next_try = None
            self.feed(("receipt",))
            self.feed(("alarm", False))

    def _board(self, what: str, value: int) -> None:
        wait = 0.0
        if what == "power":
            self.device.set_power(bool(value))
        elif what == LINE:
            self.device.receive(LINE_SAYS)
        elif what == "power_key":
            wait = value / 1000
            self.stepped.call_later(wait, self.device.press_key)
        else:
            self.device.set_mux(value)
        self.stepped.call_later(wait, lambda: self._engine(self.engine.carried_out(self.now())))

    # What a test does

    def press(self) -> int:
        """An alarm; when it was."""
        self.stored_at = None
        self._next_try = self.now()
        self.feed(("alarm", True))
        return self.now()

    def sleep_deep(self, seconds: float, known: list[int]) -> None:
        """The board sleeps and starts over with what it remembers; its modem has kept its supply."""
        assert self._current is None and not self._queue
        self._next_try, self._socket = None, False
        self.stepped.advance(seconds)
        self.engine = Engine(self.dialect)
        self.conduct = self.started()
        self.feed(("slept", known))

    def heartbeat(self) -> None:
        """Send one, if there is a path; it is answered unless the card in use is silent."""
        if not self.conduct.up:
            self._owed = True
            return
        self._owed = False
        self.feed(("asked",))
        if self.conduct.slot not in self.silent:
            self.proven_at[self.conduct.slot] = self.now()
            self.feed(("receipt",))

    def run(self, seconds: float) -> None:
        """Let time pass, in the order in which things are due."""
        end = self.stepped.now() + seconds
        turns, last = 0, -1.0
        while True:
            dues = [self.stepped.next_due(), self._own_due(), end]
            at = min(due for due in dues if due is not None)
            turns = turns + 1 if at <= last else 0
            assert turns < TURNS, f"no time passes at {at}: {self.conduct.state}, {self.orders[-3:]}"
            last = max(last, at)
            self.stepped.advance(max(0.0, at - self.stepped.now()))
            now = self.now()
            self._engine(self.engine.timeout(now))
            if self.conduct.next_wakeup(now) is not None and self.conduct.next_wakeup(now) <= now:  # type: ignore[operator]
                self.feed(("time",))
            self._work()
            if self.stepped.now() >= end - 1e-9:
                return

    def _own_due(self) -> float | None:
        dues = [self.engine.next_wakeup(), self.conduct.next_wakeup(self.now())]
        if self._current is None:
            dues.append(self._next_try)
        known = [due for due in dues if due is not None]
        return max(min(known) / 1000, self.stepped.now()) if known else None

    def until(self, met: Any, seconds: float = 600) -> None:
        """Let time pass in small steps until something is so."""
        end = self.stepped.now() + seconds
        while not met():
            assert self.stepped.now() < end, (self.conduct.state, self.orders[-8:])
            self.run(0.05)

    def up(self) -> Bench:
        """Until there is a path and all is said."""
        self.until(lambda: self.conduct.state == orders.UP)
        self.run(2)
        self.heartbeat()
        return self

    def count(self, *names: str) -> int:
        """How often these were ordered."""
        return len([order for _, order, _ in self.orders if order in names])
