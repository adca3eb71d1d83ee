"""What the unit's states cost, and an energy ledger per wake.

Pure, integers only. Charge is counted in nanocoulombs (1 uA for 1 ms), energy in microjoules. It decides nothing about
what the unit does: it adds up, from a table of constants, each with its source (docs/energy.md).

Event source: the tasks that change a state (modem, GNSS, lamp and speaker, sleep). Action sink: the status message and
the log. Events of `Ledger`: ("state", consumer, name), ("wake",) and ("sleep",); `handle` gives [("spent", ms awake,
uJ)] at the end of a wake, else nothing. It wants no wake-up of its own.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# State of a consumer -> (uA at the battery, source).
STATES = {
    # The processor with everything that is always on.
    "cpu deep sleep": (5, "whole board asleep 14 uA (boaks, nRF9160 feather, PPK2) less the modem's 9"),
    "cpu awake": (40000, "ESP32-S3 at 80 MHz without radio: data sheet, from memory, unconfirmed"),
    "cpu light sleep": (2000, "ESP32-S3 between events with its clock on: from memory, unconfirmed"),
    # The modem.
    "modem off": (0, "its supply is cut"),
    "modem psm": (9, "SIM7000 data sheet"),
    "modem edrx": (1000, "SIM7000 data sheet, sleep between paging occasions"),
    # What firmware.modem tells from waking to PSM, without saying what the radio does meanwhile.
    "modem idle": (14700, "boaks, Thingy:91: 0.35 mWh in 22 s at 3.9 V, sending included; SIM7000 data sheet: 11 mA"),
    "modem connected": (100000, "RRC connected 100-360 mA: monogoto, lower end; the share of TX is counted apart"),
    "modem tx": (167000, "SIM7000 data sheet, 23 dBm"),
    # The others.
    "ble listening": (95000, "ESP32-S3 receiving: data sheet, from memory, unconfirmed"),
    "ble off": (0, "switched off"),
    "gnss on": (30000, "SIM7000 data sheet"),
    "gnss off": (0, "switched off"),
    "signal vibration": (80000, "small coin motor, from memory, unconfirmed"),
    "signal speaker": (150000, "1 W into 8 ohm at a moderate level, from memory, unconfirmed"),
    "signal off": (0, "switched off"),
}


class Ledger:
    """Adds up charge by state. `mv` is the battery's voltage, for energy; `now` in ms of a clock that never goes back.

    Every consumer ("cpu", "modem", ...) is in exactly one state. A state it does not know costs nothing and is counted
    in `unknown`, so that a wrong word shows.
    """

    def __init__(self, mv: int, now: int) -> None:
        self.mv = mv
        self.unknown = 0
        self.charge: "dict[str, int]" = {}
        """nC so far by state."""
        self._since: "dict[str, int]" = {}
        self._state: "dict[str, str]" = {}
        self._wake: "tuple[int, int] | None" = None
        self._now = now

    def handle(self, event: "tuple[Any, ...]", now: int) -> "list[tuple[Any, ...]]":
        """Take note of a change of state, or of the beginning or end of a wake."""
        if event[0] == "state":
            self._change(event[1], event[2], now)
        elif event[0] == "wake":
            self._wake = (now, self.total(now))
        elif event[0] == "sleep" and self._wake is not None:
            began, before = self._wake
            self._wake = None
            return [("spent", now - began, (self.total(now) - before) * self.mv // 1000000)]
        return []

    def next_wakeup(self, now: int) -> "int | None":
        """Never: time alone changes nothing here."""
        return None

    def total(self, now: int) -> int:
        """nC so far, up to now."""
        for consumer in list(self._state):
            self._settle(consumer, now)
        return sum(self.charge.values())

    def energy(self, now: int) -> "dict[str, int]":
        """uJ so far by state."""
        self.total(now)
        return {name: nc * self.mv // 1000000 for name, nc in self.charge.items()}

    def _change(self, consumer: str, name: str, now: int) -> None:
        self._settle(consumer, now)
        full = consumer + " " + name
        if full not in STATES:
            self.unknown += 1
        self._state[consumer] = full
        self._since[consumer] = now

    def _settle(self, consumer: str, now: int) -> None:
        name = self._state.get(consumer)
        if name is None:
            return
        spent = STATES[name][0] * (now - self._since[consumer]) if name in STATES else 0
        self.charge[name] = self.charge.get(name, 0) + spent
        self._since[consumer] = now


# Consumer in a state -> the state it falls into by itself, and after how many ms without an exchange: a modem that
# listens sleeps between paging occasions once the network has let it go (22 s: boaks, Thingy:91), and the processor
# dozes between events (AWAKE_MS of the model).
FALLS = {"modem idle": ("modem edrx", 22000), "cpu awake": ("cpu light sleep", 2000)}


class EnergyBook:
    """The ledger of one boot, with what falls by itself, and its sums over all boots.

    `mv` as in `Ledger`; `remembered` is what `remember` gave before a deep sleep of `slept` ms, or None. A wake begins
    with the boot, and whenever the modem comes out of its sleep; it ends when the modem sleeps, or where there is none
    with ("rest",). Events besides the ledger's: ("exchange",) when something is sent or received, ("rest",), ("wake",).
    Attributes: `last` (ms, uJ) of the last whole wake or None, `wakes` over all boots that remember each other.
    """

    def __init__(self, mv: int, now: int, remembered: "Any" = None, slept: int = 0) -> None:
        self.ledger = Ledger(mv, now)
        self.last: "tuple[int, int] | None" = None
        self.wakes = 0
        self._before = 0
        if isinstance(remembered, list) and len(remembered) == 5 and all([isinstance(n, int) for n in remembered]):
            self.wakes, self._before = remembered[0], remembered[1]
            self.last = (remembered[2], remembered[3])
            self._before += (STATES["cpu deep sleep"][0] + remembered[4]) * slept * mv // 1000000
        self._exchange = now
        self._open = False
        self._states: "dict[str, str]" = {}
        self._fallen: "list[str]" = []
        self.handle(("state", "cpu", "awake"), now)
        self.handle(("wake",), now)

    def handle(self, event: "tuple[Any, ...]", now: int) -> "list[tuple[Any, ...]]":
        """Take note of something; [("spent", ms, uJ)] at the end of a wake."""
        self._fall(now)
        if event[0] == "state":
            self._states[event[1]] = event[2]
            self._rise(now)
            if event[1] == "modem":
                if event[2] in ("psm", "off"):
                    return self._end(now)
                self._begin(now)
        elif event[0] == "exchange":
            self._rise(now)
        elif event[0] == "wake":
            self._rise(now)
            self._begin(now)
        elif event[0] == "rest" and "modem" not in self._states:
            return self._end(now)
        return []

    def next_wakeup(self, now: int) -> "int | None":
        """Never: what falls by itself is found when something is noted."""
        return None

    def spent(self, now: int) -> int:
        """uJ over all boots that remember each other, sleep between them included."""
        self._fall(now)
        return self._before + self.ledger.total(now) * self.ledger.mv // 1000000

    def remember(self, now: int, granted: bool = True) -> "list[int]":
        """What is to survive a deep sleep; ends the wake if it has not ended. `granted`: the network lets the modem go
        into PSM, and it will; else it sleeps as it is now."""
        self._fall(now)
        self._end(now)
        last = self.last or (0, 0)
        modem = "modem " + ("psm" if granted else self._states.get("modem", "psm"))
        modem = FALLS.get(modem, (modem, 0))[0]
        return [self.wakes, self.spent(now), last[0], last[1], STATES[modem][0]]

    def _begin(self, now: int) -> None:
        if not self._open:
            self._open = True
            self.ledger.handle(("wake",), now)

    def _end(self, now: int) -> "list[tuple[Any, ...]]":
        made = self.ledger.handle(("sleep",), now)
        for _, ms, spent in made:
            self._open = False
            self.last = (ms, spent)
            self.wakes += 1
        return made

    def _rise(self, now: int) -> None:
        """Whatever had fallen is up again."""
        self._exchange = now
        self._fallen = []
        for consumer in self._states:
            self.ledger.handle(("state", consumer, self._states[consumer]), now)

    def _fall(self, now: int) -> None:
        for consumer in self._states:
            after = FALLS.get(consumer + " " + self._states[consumer])
            if after is not None and consumer not in self._fallen and now >= self._exchange + after[1]:
                self._fallen.append(consumer)
                self.ledger.handle(("state", consumer, after[0].split(" ", 1)[1]), self._exchange + after[1])
