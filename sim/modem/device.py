"""What a modem is, apart from how it speaks: power, card, registration, path, sockets, messages, sleep, and faults.

Dialects (bg95.py, sim7080g.py, gm02s.py) say it in their words. Every timer belongs to one power cycle: what was begun
before a reset never ends after it.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable

from sim.modem.clock import Clock, Timer
from sim.modem.path import Endpoint, Path
from sim.modem.radio import DENIED, HOME, ROAMING, SEARCHING, Radio, Serving
from sim.modem.scenario import Card, Scenario, Step
from sim.modem.serial import Output

OFF, BOOTING, ON, ASLEEP = "off", "booting", "on", "asleep"
NOT_GRANTED = "11100000"
_BROWN_OUT_NOISE = b"\xfe\x00\xff\x80\x00"


class Device(ABC):
    """One modem. `write` takes its bytes. The board calls `set_power`, `press_key`, `set_mux`; the unit's bytes go to
    `receive` (Commands). Attributes for tests: `state`, `serving`, `pdp`, `boots`, `commands` (how often each came),
    `sent_sms` as (number, payload), `path`."""

    has_key = True
    boot_lines: tuple[str, ...] = ("RDY",)
    ready_lines: tuple[str, ...] = ()
    asleep_line = ""

    def __init__(self, scenario: Scenario, clock: Clock, write: Callable[[bytes], None], radio: Radio) -> None:
        self.scenario = scenario
        self.clock = clock
        self.radio = radio
        self.rng = random.Random(scenario.seed)
        self.path = Path(scenario.path, clock, self.rng)
        self.out = Output(scenario.serial, clock, write)
        self.state = OFF
        self.boots = 0
        self.commands: Counter[str] = Counter()
        self.sent_sms: list[tuple[str, bytes]] = []
        self.inbox: dict[int, str] = {}
        self._power = False
        self._mux = 0
        self._cycle = 0
        self._card_out = False
        self._fired: set[int] = set()
        self._reset_state()
        radio.listen(self._radio_changed)
        for number, step in enumerate(scenario.steps):
            if step.at_ms is not None:
                clock.call_later(step.at_ms / 1000, lambda n=number, s=step: self._fire(n, s))  # type: ignore[misc]

    def _reset_state(self) -> None:
        self.hung = False
        self.echo = True
        self.cmee = 0
        self.report = 0
        self.radio_on = True
        # Whether a modem that switches cards itself keeps its choice over a restart is unconfirmed: here it does not.
        self.slot = self._mux
        self.serving = Serving(0)
        self.pdp = False
        self.psm: tuple[str, str] | None = None
        self.announce_sms = False
        self.clock_known = False
        for endpoint in getattr(self, "sockets", {}).values():
            endpoint.close()
        self.sockets: dict[int, Endpoint] = {}
        self._sleep: Timer | None = None

    # Time and words

    def later(self, ms: float, call: Callable[[], None]) -> Timer:
        """A call in this power cycle."""
        cycle = self._cycle
        return self.clock.call_later(ms / 1000, lambda: call() if cycle == self._cycle else None)

    def say(self, *lines: str) -> None:
        """URCs, each on a line of its own."""
        if self.state != ASLEEP:
            self.out.put(b"".join(f"\r\n{line}\r\n".encode() for line in lines))

    # The board

    def set_power(self, on: bool) -> None:
        """The supply. Without it everything is gone but what is on the card."""
        if on == self._power:
            return
        self._power = on
        if not on:
            self._stop(OFF)
        elif not self.has_key:
            self._boot()

    def press_key(self) -> None:
        """The key, held long enough: on if off or asleep."""
        if self._power and self.has_key and self.state in (OFF, ASLEEP):
            self._boot(resumed=self.state == ASLEEP)

    def set_mux(self, slot: int) -> None:
        """Which card is on the contacts; the modem looks at it when its radio is switched on."""
        self._mux = slot
        self.slot = slot

    def _stop(self, state: str) -> None:
        self._cycle += 1
        self.state = state
        self.out.clear()
        self.out.mute = False
        self._reset_state()

    def _boot(self, resumed: bool = False) -> None:
        self._stop(BOOTING)
        self.boots += 1
        self.later(self.scenario.timing.resume_ms if resumed else self.scenario.timing.boot_ms, self._booted)

    def _booted(self) -> None:
        self.state = ON
        self.out.put(b"\x00")
        self.say(*self.boot_lines)
        self.later(self.scenario.timing.card_ms, self._card_ready)

    def _card_ready(self) -> None:
        if self.card() is None:
            self.say("+CPIN: NOT INSERTED")
            return
        self.say("+CPIN: READY", *self.ready_lines)
        self.search()

    # Card and registration

    def card(self) -> Card | None:
        """The card that the modem sees."""
        cards = self.scenario.cards
        if self._card_out or self.slot >= len(cards) or not cards[self.slot].present:
            return None
        return cards[self.slot]

    def switch_radio(self, on: bool) -> None:
        """+CFUN."""
        self.radio_on = on
        if not on:
            self.drop_path(quiet=True)
            self._serve(Serving(0))
        else:
            self.search()

    def search(self) -> None:
        """Look for a network; what comes of it is known after a while."""
        if self.radio_on and self.card() is not None:
            self._serve(Serving(SEARCHING))
            self.later(self.scenario.timing.register_ms, self._found)

    def _found(self) -> None:
        card = self.card()
        if self.state == ON and self.radio_on and card is not None and not self.registered():
            self._serve(self.radio.serve(card))
            if self.registered():
                self.clock_known = True
                self.rest()

    def registered(self) -> bool:
        return self.serving.stat in (HOME, ROAMING)

    def _serve(self, serving: Serving) -> None:
        changed = (serving.stat, serving.network) != (self.serving.stat, self.serving.network)
        self.serving = serving
        if changed and self.report:
            self.say(f"+CEREG: {self.registration()}")

    def registration(self) -> str:
        """The fields of +CEREG after <n>, as far as <n> asks for them (TS 27.007 clause 10.1.22)."""
        fields = [str(self.serving.stat)]
        network = self.serving.network
        if self.report >= 2 and network is not None:
            fields += [f'"{network.tac:04X}"', f'"{network.cell:08X}"', "7"]
        if self.report in (3, 5) and self.serving.stat == DENIED:
            fields += ["", "", "", "0", str(self.serving.cause)]
        if self.report >= 4 and network is not None:
            active, tau = self.granted() or (NOT_GRANTED, NOT_GRANTED)
            fields += ["", "", f'"{active}"', f'"{tau}"']
        return ",".join(fields)

    def granted(self) -> tuple[str, str] | None:
        """(active, tau) if PSM was asked for and the network grants it."""
        grant = self.scenario.grant
        return (grant.active, grant.tau) if self.psm is not None and grant.tau else None

    def _radio_changed(self) -> None:
        card = self.card()
        if self.state != ON or not self.radio_on or card is None or self.serving.stat == 0:
            return
        now = self.radio.serve(card)
        if self.registered() and (now.stat, now.network) != (self.serving.stat, self.serving.network):
            self.drop_path(quiet=True)
            self.search()
        elif not self.registered() and now.stat != self.serving.stat:
            self.later(self.scenario.timing.register_ms, self._found)

    # Path and sockets

    def drop_path(self, quiet: bool) -> None:
        """The network has taken the path away; `quiet`: and says nothing."""
        if not self.pdp:
            return
        self.pdp = False
        for endpoint in self.sockets.values():
            endpoint.close()
        self.sockets = {}
        if not quiet:
            self.say(*self.path_lost())

    @abstractmethod
    def path_lost(self) -> tuple[str, ...]:
        """What the dialect says when the network takes the path away."""

    def end_socket(self, number: int) -> None:
        """Close and forget a socket."""
        endpoint = self.sockets.pop(number, None)
        if endpoint is not None:
            endpoint.close()

    # Sleep

    def rest(self) -> None:
        """Begin the active time anew: there was traffic."""
        if self._sleep is not None:
            self._sleep.cancel()
            self._sleep = None
        granted = self.granted()
        if granted is not None and self.registered():
            self._sleep = self.later(1000 * _active_seconds(granted[0]), self._fall_asleep)

    def _fall_asleep(self) -> None:
        if self.asleep_line:
            self.say(self.asleep_line)
        self.later(50, lambda: self._stop(ASLEEP))

    # Messages

    def receive_sms(self, pdu: str) -> None:
        """The network delivers; a card has few places."""
        place = next(number for number in range(1, 256) if number not in self.inbox)
        self.inbox[place] = pdu
        if self.announce_sms and self.state == ON:
            self.say(f'+CMTI: "SM",{place}')

    # Faults

    def trigger(self, line: str) -> None:
        """A command has come: steps that wait for it happen before it is carried out."""
        name = line[2:].partition("=")[0].partition("?")[0]
        self.commands[name] += 1
        for number, step in enumerate(self.scenario.steps):
            if step.on and line.startswith(step.on) and number not in self._fired:
                if self.commands[f"step {number}"] + 1 >= step.count:
                    self._fire(number, step)
                self.commands[f"step {number}"] += 1

    def _fire(self, number: int, step: Step) -> None:
        self._fired.add(number)
        getattr(self, f"_do_{step.do}")(step)

    def _do_hang(self, step: Step) -> None:
        """Nothing is heard and nothing said: for `ms`, or until the power is cut."""
        self.hung = self.out.mute = True
        if step.ms:
            self.later(step.ms, self._recover)

    def _recover(self) -> None:
        self.hung = self.out.mute = False

    def _do_stall(self, step: Step) -> None:
        """What is said comes late."""
        self.out.hold()
        self.later(step.ms, self.out.release)

    def _do_reset(self, step: Step) -> None:
        """The modem starts anew by itself."""
        if self._power:
            self._boot()

    def _do_brown_out(self, step: Step) -> None:
        """The same, with noise on the line."""
        self.out.put(_BROWN_OUT_NOISE)
        self.clock.call_later(0.001, lambda: self._do_reset(step))

    def _do_urc(self, step: Step) -> None:
        for _ in range(step.times):
            self.say(*step.lines)

    def _do_pdp_drop(self, step: Step) -> None:
        self.drop_path(step.quiet)

    def _do_network(self, step: Step) -> None:
        self.radio.set_network(step.name, step.up)

    def _do_cause(self, step: Step) -> None:
        """The card in `slot` is refused; `cause` 0 accepts it again."""
        self.radio.set_cause(self.scenario.cards[step.slot], step.cause)
        if step.cause and self.slot == step.slot:
            self.search()

    def _do_cell_loss(self, step: Step) -> None:
        """Out of reach of everything for `ms`; the path survives, as it does on the air."""
        if self.registered():
            before = self.serving
            self._serve(Serving(SEARCHING))
            self.later(step.ms, lambda: self._serve(before))

    def _do_sms(self, step: Step) -> None:
        self.receive_sms(deliver_pdu(step.sender, bytes.fromhex(step.payload)))

    def _do_loss(self, step: Step) -> None:
        self.path.loss_up = self.path.loss_down = step.loss

    def _do_card(self, step: Step) -> None:
        """The card is taken out, or put in again."""
        self._card_out = not step.up
        if not step.up:
            self.drop_path(quiet=True)
            self._serve(Serving(0))
            self.say("+CPIN: NOT INSERTED")
        elif self.state == ON:
            self._card_ready()


def _active_seconds(bits: str) -> int:
    return {0: 2, 1: 60, 2: 360}.get(int(bits[:3], 2), 0) * int(bits[3:], 2)


def deliver_pdu(sender: str, payload: bytes) -> str:
    """An SMS-DELIVER with 8-bit data (TS 23.040 clause 9.2.2.1)."""
    digits = sender + "F" * (len(sender) % 2)
    swapped = "".join(digits[at + 1] + digits[at] for at in range(0, len(digits), 2))
    return (
        f"07916407058099F904{len(sender):02X}91{swapped}000462112132021340{len(payload):02X}{payload.hex().upper()}"
    )  # fmt: skip
