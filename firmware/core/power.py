"""What the unit's states cost, an energy ledger per wake, and how long a battery lasts.

Pure, integers only. Charge is counted in nanocoulombs (1 uA for 1 ms), energy in microjoules, days in tenths. It
decides nothing about what the unit does: it adds up, and foretells from a table of constants, each with its source.
What was measured was measured by others on other boards; see docs/energy.md for what never was.

Event source: the tasks that change a state (modem, GNSS, lamp and speaker, sleep). Action sink: the status message and
the log. Events of `Ledger`: ("state", consumer, name), ("wake",) and ("sleep",); `handle` gives [("spent", ms awake,
uJ)] at the end of a wake, else nothing. It wants no wake-up of its own.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from firmware.core.profiles import Profile

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
        if isinstance(remembered, list) and len(remembered) == 4 and all([isinstance(n, int) for n in remembered]):
            self.wakes, self._before = remembered[0], remembered[1]
            self.last = (remembered[2], remembered[3])
            asleep = STATES["cpu deep sleep"][0] + STATES["modem psm"][0]
            self._before += asleep * slept * mv // 1000000
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

    def remember(self, now: int) -> "list[int]":
        """What is to survive a deep sleep; ends the wake if it has not ended."""
        self._fall(now)
        self._end(now)
        last = self.last or (0, 0)
        return [self.wakes, self.spent(now), last[0], last[1]]

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


# Energy of one whole exchange over LTE-M, in uJ (1 uWh = 3600 uJ). boaks, docu/POWERCONSUMPTION.md, nRF9160, PPK2.
UWH = 3600
EXCHANGE_SHORT = 150 * UWH  # request and response, 10 s of RRC inactivity, no active time
EXCHANGE_ACTIVE = 350 * UWH  # the same with 8 s of active time in which the server may answer late
EXCHANGE_RESTART = 60 * UWH  # modem off and on again around one exchange, warm
TAU_ONLY = 100 * UWH  # a wake from PSM for the tracking area update alone
FLOOR_UA = 14  # the board asleep, modem in PSM: boaks, nRF9160 feather
LIPO_UA = 40  # self-discharge of a small LiPo: boaks

RESENT = (108, 2517)
"""Attempts more than one, and heartbeats: boaks, 104 days hourly (100 needed a second, 2 a third, 1 failed after 4)."""

# Chemistry -> (usable in permille, self-discharge in permille of the capacity a year, source).
CHEMISTRIES = (
    ("Li-ion", 800, 0, "80 % usable: device-notes section 4; its self-discharge is LIPO_UA"),
    ("Li-MnO2", 850, 15, "1.5 % a year: Rayovac; the usable part is from memory, unconfirmed"),
)
# Chemistry -> capacity in permille at (-20, 0, 20) degrees C, between them in straight lines.
# Li-MnO2: a maker's table of rechargeable ML2032 cells (72-82 %, 88-94 %), used for want of a better one; Li-ion 10 %
# worse, as the same page says. Unconfirmed for the cells of any unit of ours.
COLD = ((690, 820, 1000), (770, 910, 1000))

# Chemistry -> (mV of one cell at rest, percent left), highest first, between them in straight lines.
CURVES = (
    # Zephyr's battery sample (Adafruit 2000 mAh LiPo under load: nearly linear to 3.55 V with 15/16 of its life, then
    # down to 3.1 V); 4.1 V for full as its boards with a divider have it.
    ((4100, 100), (3550, 6), (3100, 0)),
    # From memory, unconfirmed: flat at 2.9 V, so that a percentage says little before the end.
    ((3000, 100), (2900, 80), (2700, 30), (2500, 10), (2000, 0)),
)

DAY_S = 86400
_PSM_OFF_DUTY = 1  # of core.profiles, which is not loaded here for one number
_LIPO = 0


def capacity(mah: int, mv: int, chemistry: int, celsius: int = 20) -> int:
    """Usable energy of a battery in uJ at a temperature."""
    low, freezing, usual = COLD[chemistry]
    if celsius >= 20:
        part = usual
    elif celsius >= 0:
        part = freezing + (usual - freezing) * celsius // 20
    else:
        part = max(low + (freezing - low) * (celsius + 20) // 20, 0)
    return mah * mv * 3600 * CHEMISTRIES[chemistry][1] * part // 1000000


def percent(mv: int, chemistry: int) -> int:
    """What is left of a battery at this voltage, 0 to 100."""
    curve = CURVES[chemistry]
    if mv >= curve[0][0]:
        return 100
    for i in range(1, len(curve)):
        (above, more), (below, less) = curve[i - 1], curve[i]
        if mv >= below:
            return less + (more - less) * (mv - below) // (above - below)
    return 0


def self_discharge(mah: int, chemistry: int) -> int:
    """uA, at least 1 where the chemistry loses anything."""
    if chemistry == _LIPO:
        return LIPO_UA
    # 1 mAh a year is 1000 uA for an hour in 8760.
    return (mah * CHEMISTRIES[chemistry][2] + 8759) // 8760


def steady(ua: int, mv: int) -> int:
    """uJ a day of a current that always flows."""
    return ua * mv * DAY_S // 1000


def exchanges(heartbeat: int, each: int, resent: bool = True) -> int:
    """uJ a day of heartbeats every `heartbeat` s that cost `each` uJ; with what has to be sent again."""
    extra = RESENT[0] if resent else 0
    return DAY_S * each * (RESENT[1] + extra) // (RESENT[1] * heartbeat)


PRESS_EXCHANGES = 60
"""A press until it is taken: a query every 10 s, later every 60 s (unconfirmed)."""

# Other things a unit does: (how often in 1000 days, uJ each, what and source).
HABITS = (
    (2000, EXCHANGE_RESTART + EXCHANGE_ACTIVE, "daily exercise of the spare SIM: there and back, one exchange each"),
    (33, PRESS_EXCHANGES * EXCHANGE_ACTIVE, "a press a month (unconfirmed), until it is taken"),
)
AWAKE_MS, DOZING_MS = 2000, 20000
"""The processor in one exchange: awake, then in light sleep until the modem has gone to rest. boaks's figures are of a
board whose modem is the processor; an ESP32 comes on top (unconfirmed, no unit of ours was measured)."""
SIM_UA = 25
"""With eDRX the SIM stays powered and takes this much (boaks); in PSM it does not."""
BLE_PERMILLE = 200
"""Share of the time in which a hub listens for its pendants (unconfirmed: a scan window of 20 % of its interval)."""


def heartbeat_uj(mv: int) -> int:
    """uJ of one heartbeat: the exchange and the processor beside it, sent once."""
    processor = STATES["cpu awake"][0] * AWAKE_MS + STATES["cpu light sleep"][0] * DOZING_MS
    return EXCHANGE_ACTIVE + processor * mv // 1000000


def press_uj(mv: int) -> int:
    """uJ of one press until it is taken, lamp, motor and speaker aside."""
    return PRESS_EXCHANGES * heartbeat_uj(mv)


def asleep(profile: "Profile", heartbeat: int) -> bool:
    """Whether the modem is in PSM between heartbeats; off duty is when they come as seldom as the profile says."""
    return profile.psm > _PSM_OFF_DUTY or (profile.psm == _PSM_OFF_DUTY and heartbeat >= profile.off_duty)


def daily(profile: "Profile", heartbeat: int, tau: int = 0) -> "list[tuple[str, int]]":
    """What a day on the battery costs a unit of this profile, as (what, uJ), on a heartbeat of `heartbeat` s.

    `tau` is the granted period (s) of the tracking area update, 0 for longer than the heartbeat.
    """
    mah, mv, chemistry, _ = profile.battery
    rows = [
        ("floor", steady(FLOOR_UA, mv)),
        ("self-discharge", steady(self_discharge(mah, chemistry), mv)),
        ("heartbeats", exchanges(heartbeat, EXCHANGE_ACTIVE)),
        ("processor", exchanges(heartbeat, heartbeat_uj(mv) - EXCHANGE_ACTIVE)),
        ("spare SIM and presses", sum([often * each // 1000 for often, each, _ in HABITS])),
    ]
    if not asleep(profile, heartbeat):
        # It must hear the server at any time: between exchanges the modem listens with eDRX, the SIM powered.
        rows.append(("listening to the network", steady(STATES["modem edrx"][0] + SIM_UA, mv)))
    elif 0 < tau < heartbeat:
        rows.append(("tracking area updates", (DAY_S // tau - DAY_S // heartbeat) * TAU_ONLY))
    if profile.pendants:
        radio = STATES["ble listening"][0] * BLE_PERMILLE // 1000
        rows.append(("listening to pendants", steady(STATES["cpu light sleep"][0] + radio, mv)))
    return rows


def days(profile: "Profile", heartbeat: int, celsius: int = 20, tau: int = 0) -> int:
    """Tenths of days that a full battery of this profile lasts on a heartbeat of `heartbeat` s, without mains."""
    if heartbeat <= 0:
        raise ValueError("the heartbeat interval is in seconds and at least 1")
    mah, mv, chemistry, _ = profile.battery
    spent = sum([cost for _, cost in daily(profile, heartbeat, tau)])
    return capacity(mah, mv, chemistry, celsius) * 10 // spent
