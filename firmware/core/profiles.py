"""What kind of unit this is, as data: its inputs, when they count, how often it reports, how it sleeps, its battery.

Pure. One code base; the profile's code in the configuration chooses. `read` turns a configuration into a `Setup` and
never refuses one: what does not fit is replaced by the profile's own value and listed, because a unit with a wrong
configuration must still alarm. It decides nothing at run time.

Event source: none; `main.py` reads the configuration once. Sink: `core.contact.Inputs`, `core.pendants`, `core.power`.
Configuration (config.cbor): {1: profile code, 2: heartbeat (s), ? 6: [[input, id, key, interval (s)], ...] pendants,
? 7: [[input, hold ms, cancel ms], ...], ? 8: silent (true or false), ? 9: heartbeat off duty (s)}; 3 to 5 are pipes.
"""

from firmware.core.contact import STUCK_MS, Input
from firmware.core.setup import Profile, Setup
from protocols.wire import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SOCIAL, PERSONAL, TRACKER, CAMERA, TECHNICAL = 1, 2, 3, 4, 5

OWN = 0
"""The unit's own button; 1 and more are pendants. The codes below stand for sensors; on the wire their input is 0."""
MAN_DOWN, DURESS = 300, 301
CANCEL = 302
"""A contact that is no input: it takes back what may be taken back (core.cancel)."""

# When the modem may sleep so deep that nothing reaches the unit (power saving mode). Who is worn is on duty, or on its
# charger and has power: neither sleeps.
PSM_NEVER, PSM_ALWAYS = 0, 1
POSITION_NEVER, POSITION_AFTER_ALARM, POSITION_IN_SEARCH = 0, 1, 2
LI_ION, LI_MNO2 = 0, 1

MOST_PENDANTS = 16
LONGEST_CANCEL = 60000
LEAST_HEARTBEAT = 1  # for demonstrations; an operator's rules want 5 min or more from a unit on battery
_MANUAL = messages.KIND_MANUAL
_SILENT = messages.ALARM_SILENT


# Batteries are the two sizes that device-notes section 4 computes with; the hardware decides (unconfirmed). A hub's
# battery only bridges a loss of mains. Heartbeats: device-notes section 4, "good operating points".
PROFILES = (
    Profile(
        SOCIAL, "social", ((OWN, _MANUAL, 0, 0, 0),),
        MOST_PENDANTS, (300, 3600), 0, PSM_NEVER, POSITION_NEVER, (1350, 3900, LI_ION, True),
    ),
    # Worn by staff: held for half a second, a man who is down may take it back for 10 s (unconfirmed, ours).
    Profile(
        PERSONAL, "personal",
        ((OWN, _MANUAL, 500, 0, 0), (MAN_DOWN, messages.KIND_MAN_DOWN, 0, 10000, 0),
         (DURESS, messages.KIND_DURESS, 0, 0, _SILENT)),
        0, (300, 14400), 14400, PSM_NEVER, POSITION_AFTER_ALARM, (1350, 3900, LI_ION, False),
    ),
    Profile(
        TRACKER, "tracker", ((OWN, _MANUAL, 0, 0, 0),),
        0, (3600, 86400), 0, PSM_ALWAYS, POSITION_IN_SEARCH, (500, 3900, LI_ION, False),
    ),
    Profile(CAMERA, "camera", (), 0, (300, 3600), 0, PSM_NEVER, POSITION_NEVER, (500, 3900, LI_ION, True)),
    Profile(
        TECHNICAL, "technical", ((OWN, _MANUAL, 0, 0, 0),),
        0, (300, 86400), 0, PSM_NEVER, POSITION_NEVER, (1350, 3900, LI_ION, True),
    ),
)  # fmt: skip


def named(name: str) -> Profile:
    """The profile of this name. Raises ValueError that lists the names there are."""
    for one in PROFILES:
        if one.name == name:
            return one
    raise ValueError(name + " is no profile: " + ", ".join([one.name for one in PROFILES]))


def _whole(value: "Any", least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def read(config: "Any") -> Setup:
    """The setup that a configuration describes. Never raises for what the configuration holds."""
    config = config if isinstance(config, dict) else {}
    profile = PROFILES[0]
    found = [one for one in PROFILES if one.code == config.get(1)]
    setup = Setup(found[0] if found else profile)
    if not found:
        setup.faults.append((1, "unknown profile"))
    profile = setup.profile
    setup.heartbeat = _seconds(config, 2, profile.heartbeat[0], profile, setup)
    if profile.off_duty:
        setup.off_duty = _seconds(config, 9, profile.off_duty, profile, setup)
    silent = config.get(8, False)
    if isinstance(silent, bool) and (not silent or profile.code == PERSONAL):
        setup.silent = silent
    else:
        setup.faults.append((8, "silent mode is for the personal profile"))
    _pendants(config.get(6, []), setup)
    _inputs(_timings(config.get(7, []), setup), setup)
    return setup


def _seconds(config: "dict[int, Any]", key: int, usual: int, profile: Profile, setup: Setup) -> int:
    value = config.get(key, usual)
    if _whole(value, LEAST_HEARTBEAT, profile.heartbeat[1]):
        return int(value)
    setup.faults.append((key, "heartbeat out of range"))
    return usual


def _pendants(rows: "Any", setup: Setup) -> None:
    if rows == []:
        return
    # Only a hub that has pendants carries their machine.
    from firmware.core.pendants import Pendant

    taken: "list[int]" = []
    for row in rows if isinstance(rows, list) else [rows]:
        if len(setup.pendants) >= setup.profile.pendants:
            setup.faults.append((6, "too many pendants"))
            return
        try:
            one = Pendant(row[0], row[1], row[2], row[3])
        except (TypeError, ValueError, IndexError, KeyError):
            setup.faults.append((6, "no pendant"))
            continue
        if one.input in taken or one.number in taken:
            setup.faults.append((6, "pendant twice"))
            continue
        taken += [one.input, one.number]
        setup.pendants.append(one)


def _timings(rows: "Any", setup: Setup) -> "dict[int, tuple[int, int]]":
    """Hold and cancel times by input."""
    found = {}
    known = [row[0] for row in setup.profile.inputs] + [one.input for one in setup.pendants]
    for row in rows if isinstance(rows, list) else [rows]:
        if (
            isinstance(row, list)
            and len(row) == 3
            and row[0] in known
            and _whole(row[1], 0, STUCK_MS - 1)
            and _whole(row[2], 0, LONGEST_CANCEL)
        ):
            found[row[0]] = (row[1], row[2])
        else:
            setup.faults.append((7, "no timing of an input"))
    return found


def _inputs(timings: "dict[int, tuple[int, int]]", setup: Setup) -> None:
    rows = list(setup.profile.inputs) + [(one.input, _MANUAL, 0, 0, 0) for one in setup.pendants]
    for code, kind, usual_hold, usual_cancel, usual_flags in rows:
        hold, cancel = timings.get(code, (usual_hold, usual_cancel))
        flags = usual_flags | _SILENT if setup.silent else usual_flags
        # Nothing may show that a silent alarm is on its way.
        silent = flags & _SILENT or kind == messages.KIND_DURESS
        setup.inputs.append(Input(code, kind, hold, 0 if silent else cancel, flags))
