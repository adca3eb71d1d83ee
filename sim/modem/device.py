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
from sim.modem.scenario import Card, Scenario
from sim.modem.serial import Output

OFF, BOOTING, ON, ASLEEP = "off", "booting", "on", "asleep"
NOT_GRANTED = "11100000"
# TS 24.008 clause 10.5.5.32, S1 mode: seconds of each cycle value.
_EDRX_S = (5.12, 10.24, 20.48, 40.96, 61.44, 81.92, 102.4, 122.88, 143.36, 163.84, 327.68, 655.36, 1310.72, 2621.44,
           5242.88, 10485.76)  # fmt: skip


class Device(ABC):
    """One modem. `write` takes its bytes. The board calls `set_power`, `press_key`, `set_mux`; the unit's bytes go to
    `receive` (Commands). Attributes for tests: `state`, `serving`, `pdp`, `boots`, `commands` (how often each came),
    `sent_sms` as (number, payload), `sms_lost` for want of room, `naps` and `awake_s` (how often it slept, and how long
    it was awake in all), `hangs` and `power_cuts` so far, `path`; `on_sms(number, payload)`."""

    has_key = True
    """Without a key the modem starts with its supply, and traffic on its line wakes it."""
    boot_lines: tuple[str, ...] = ("RDY",)
    ready_lines: tuple[str, ...] = ()
    asleep_line = ""

    def __init__(self, scenario: Scenario, clock: Clock, write: Callable[[bytes], None], radio: Radio) -> None:
        self.scenario = scenario
        self.clock = clock
        self.radio = radio
        self.rng = random.Random(scenario.seed)
        self.path = Path(scenario.path, clock, self.rng)
        self.path.paging = self.paging_delay
        self.out = Output(scenario.serial, clock, write)
        self.state = OFF
        self.boots = 0
        self.commands: Counter[str] = Counter()
        self.sent_sms: list[tuple[str, bytes]] = []
        self.inbox: dict[int, str] = {}
        self.sms_lost = 0
        self.sms_refusals = 0
        self.on_sms: Callable[[str, bytes], None] | None = None
        self.hangs = 0
        self.power_cuts = 0
        self.naps = 0
        self.awake_s = 0.0
        self.cards_out: set[int] = set()
        self.card_loss = [card.loss for card in scenario.cards]
        self.sees = scenario.gnss.sees
        self.powered = False
        self._mux = 0
        self._cycle = 0
        self._since = 0.0
        self._used = 0.0
        self._kept: tuple[int, Serving, bool, tuple[str, str] | None] | None = None
        self._reset_state()
        radio.listen(self._radio_changed)
        self._plan()

    @abstractmethod
    def _plan(self) -> None:
        """Let the scenario's steps happen at their times."""

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
        self.edrx = False
        self.gnss_since: float | None = None
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
        if on == self.powered:
            return
        self.powered = on
        if not on:
            self.power_cuts += 1
            self._stop(OFF)
        elif not self.has_key:
            self.boot()

    def press_key(self) -> None:
        """The key, held long enough: on if off or asleep, and off if on. One that starts or hangs does not notice."""
        if not self.powered or not self.has_key:
            return
        if self.state in (OFF, ASLEEP):
            self.boot(resumed=self.state == ASLEEP)
        elif self.state == ON and not self.hung:
            self._stop(OFF)

    def set_mux(self, slot: int) -> None:
        """Which card is on the contacts; the modem looks at it when its radio is switched on."""
        self._mux = slot
        self.slot = slot

    def _stop(self, state: str) -> None:
        if self.state in (BOOTING, ON) and state not in (BOOTING, ON):
            self.awake_s += self.clock.now() - self._since
        elif self.state not in (BOOTING, ON):
            self._since = self.clock.now()
        self._cycle += 1
        self.state = state
        self.out.clear()
        self.out.mute = False
        self._reset_state()

    def boot(self, resumed: bool = False) -> None:
        """Begin to start; `resumed`: out of sleep, with what the modem keeps through it."""
        kept = self._kept if resumed else None
        self._kept = None
        self._stop(BOOTING)
        self.boots += not resumed
        timing = self.scenario.timing
        self.later(timing.resume_ms if resumed else timing.boot_ms, lambda: self._booted(kept))

    def _booted(self, kept: tuple[int, Serving, bool, tuple[str, str] | None] | None) -> None:
        self.state = ON
        self.out.put(b"\x00")
        self.say(*self.boot_lines)
        if kept is not None and self.card() is not None:
            # The network has not forgotten it: it is registered and has its path, but every socket is gone.
            self.slot, serving, pdp, self.psm = kept
            self.show_loss()
            now = self.radio.serve(self.scenario.cards[self.slot])
            if _same(now, serving):
                self.serving, self.pdp, self.clock_known = now, pdp, True
                self.rest()
        self.later(self.scenario.timing.card_ms, self.card_ready)

    def card_ready(self) -> None:
        """The card can be used from now on."""
        if self.card() is None:
            self.say("+CPIN: NOT INSERTED")
            return
        self.say("+CPIN: READY", *self.ready_lines)
        self.show_loss()
        if not self.registered():
            self.search()

    # Card and registration

    def card(self) -> Card | None:
        """The card that the modem sees."""
        cards = self.scenario.cards
        if self.slot in self.cards_out or self.slot >= len(cards) or not cards[self.slot].present:
            return None
        return cards[self.slot]

    def in_use(self) -> int:
        """The slot of the card that is in use, and of one that will be after the modem's sleep."""
        return self._kept[0] if self.state == ASLEEP and self._kept is not None else self.slot

    def switch_radio(self, on: bool) -> None:
        """+CFUN."""
        self.radio_on = on
        if not on:
            self.drop_path(quiet=True)
            self.serve(Serving(0))
        else:
            self.show_loss()
            self.search()

    def show_loss(self) -> None:
        """The card in use has a path of its own."""
        loss = self.card_loss[self.slot] if self.slot < len(self.card_loss) else 0.0
        self.path.card_loss = loss

    def search(self) -> None:
        """Look for a network; what comes of it is known after a while."""
        card = self.card()
        if self.radio_on and card is not None and self._may_transmit():
            self.serve(Serving(SEARCHING))
            self.later(self._search_ms(card), self._found)

    def _search_ms(self, card: Card) -> float:
        found = self.radio.serve(card).network
        own = found.register_ms if found is not None else None
        return self.scenario.timing.register_ms if own is None else own

    def _may_transmit(self) -> bool:
        """Whether radio and receiver for positions do not stand in each other's way now."""
        return True

    def _found(self) -> None:
        card = self.card()
        if self.state == ON and self.radio_on and card is not None and not self.registered() and self._may_transmit():
            self.serve(self.radio.serve(card))
            if self.registered():
                self.clock_known = True
                self.rest()

    def registered(self) -> bool:
        return self.serving.stat in (HOME, ROAMING)

    def serve(self, serving: Serving) -> None:
        changed = _seen(serving) != _seen(self.serving)
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
        if self.registered() and not _same(now, self.serving):
            self.drop_path(quiet=True)
            self.search()
        elif self.registered():
            self.serve(now)
        elif now.stat != self.serving.stat:
            self.later(self._search_ms(card), self._found)

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
        self._used = self.clock.now()
        if self._sleep is not None:
            self._sleep.cancel()
            self._sleep = None
        granted = self.granted()
        if granted is not None and self.registered():
            self._sleep = self.later(1000 * _active_seconds(granted[0]), self._fall_asleep)

    def _fall_asleep(self) -> None:
        if self.asleep_line:
            self.say(self.asleep_line)
        self.later(50, self._sleep_now)

    def _sleep_now(self) -> None:
        self._kept = (self.slot, self.serving, self.pdp, self.psm)
        self.naps += 1
        self._stop(ASLEEP)

    def paging_delay(self) -> float:
        """Seconds until the modem listens for the network again: with eDRX and no traffic for a while, the next
        occasion of its cycle."""
        grant = self.scenario.grant
        if not (self.edrx and grant.edrx) or self.clock.now() - self._used < grant.idle_ms / 1000:
            return 0.0
        cycle = _EDRX_S[int(grant.edrx, 2)]
        return cycle - self.clock.now() % cycle

    # Position

    def gnss_sees(self) -> str:
        """What the receiver has by now: fresh, stale or nothing."""
        if self.gnss_since is None or self.clock.now() - self.gnss_since < self.scenario.gnss.first_ms / 1000:
            return "stale" if self.sees == "stale" else "nothing"
        return self.sees

    # Messages

    def receive_sms(self, pdu: str) -> None:
        """The network delivers. A card has few places; what finds none stays with the network, and expires there."""
        card = self.card()
        places = card.places if card is not None else 0
        place = next((number for number in range(1, places + 1) if number not in self.inbox), None)
        if place is None:
            self.sms_lost += 1
            return
        self.inbox[place] = pdu
        if self.announce_sms and self.state == ON:
            self.say(f'+CMTI: "SM",{place}')


def _seen(serving: Serving) -> tuple[object, ...]:
    """What +CEREG shows of it."""
    network = serving.network
    return (serving.stat, network.tac, network.cell) if network is not None else (serving.stat,)


def _same(one: Serving, other: Serving) -> bool:
    """Whether a card stays where it is."""
    names = [serving.network.name if serving.network is not None else "" for serving in (one, other)]
    return one.stat == other.stat and names[0] == names[1]


def _active_seconds(bits: str) -> int:
    return {0: 2, 1: 60, 2: 360}.get(int(bits[:3], 2), 0) * int(bits[3:], 2)
