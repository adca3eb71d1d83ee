"""Runs before main.py on the board: decides whether this boot is a cautious one.

A firmware error resets the unit, and `crashed` counts it on flash; the first verified receipt clears the count. After
`MOST` crashes in a row without one the unit starts in safe mode: the smallest part that can still send an alarm.
"""

from firmware.ports.console import say
from protocols.wire import cbor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.ports.flash import Flash

FILE = "crashes"
MOST = 3


def crashes(flash: "Flash") -> int:
    """Crashes since the last verified receipt; 0 if the file is missing or damaged."""
    data = flash.read(FILE)
    if not data:
        return 0
    try:
        count = cbor.decode(data)
    except cbor.CborError:
        return 0
    return count if isinstance(count, int) and count >= 0 else 0


def _write(flash: "Flash", count: int) -> None:
    try:
        flash.replace(FILE, cbor.encode(count))
    except OSError as error:
        # Without the count the unit just starts normally; it must start in any case.
        say("boot:", error)


def crashed(flash: "Flash") -> None:
    """The firmware has failed; the reset comes next."""
    _write(flash, min(crashes(flash) + 1, 255))


def proven(flash: "Flash") -> None:
    """A receipt was opened: this firmware works on this board."""
    if crashes(flash):
        _write(flash, 0)


def safe(flash: "Flash") -> bool:
    """Whether to start in safe mode."""
    return crashes(flash) >= MOST
