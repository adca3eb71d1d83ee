"""How long a battery lasts: a model that turns a profile and a heartbeat interval into days.

Pure, integers only. Energy in microjoules, days in tenths. It decides nothing about what the unit does: it foretells
from a table of constants, each with its source. What was measured was measured by others on other boards; see
docs/energy.md for what never was. No unit loads it: what units need of this is `ledger` and `charge`.
"""

from firmware.core.ledger import STATES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.core.setup import Profile

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

DAY_S = 86400
_PSM_NEVER = 0  # of core.profiles, which is not loaded here for one number
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


WATCH_S = 310
"""A wake in which nothing is heard (core.vigil), until its modem is off."""
SEARCH_S, SEARCH_UA = 120, 100000
"""Of it, what the modem spends on two searches of a minute (boaks: a home network's search takes up to one), and at
what current (docs/energy.md). Between them it idles."""


def barren(profile: "Profile", heartbeat: int) -> int:
    """Tenths of days that a full battery lasts where there is no coverage at all, waking for each heartbeat."""
    mah, mv, chemistry, _ = profile.battery
    modem = SEARCH_S * SEARCH_UA + (WATCH_S - SEARCH_S) * STATES["modem idle"][0]
    wake = (modem + WATCH_S * STATES["cpu light sleep"][0]) * mv // 1000
    each = max(heartbeat, WATCH_S)
    spent = steady(FLOOR_UA + self_discharge(mah, chemistry), mv) + DAY_S * wake // each
    return capacity(mah, mv, chemistry) * 10 // spent


def asleep(profile: "Profile") -> bool:
    """Whether the modem is in PSM between heartbeats."""
    return profile.psm != _PSM_NEVER


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
    if not asleep(profile):
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
