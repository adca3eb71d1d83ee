"""Breadcrumbs: the last things that happened before a reset, for whoever asks why.

A ring of `MOST` pairs of numbers in memory, written to flash before every reset that the firmware makes itself, and
within a minute of what is `RARE`: a board that hangs is reset by its hardware, and nobody writes anything then. RTC
memory would be quicker and is lost when a watchdog resets an ESP32 (micropython#5199). Dropping one allocates nothing.
It never decides anything, and a crumb holds no personal data.
"""

from firmware.ports.kept import Kept

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.ports.flash import Flash

NAME = "crumbs"
MOST = 24

# Codes; what the value is.
BOOT = 1  # reboot reason
SAFE_MODE = 2  # crashes
LATE = 3  # position of the task in watchdog.LIMITS
CRASH = 4  # reboot reason
EMERGENCY = 5  # sequence number of a press that was taken with a full heap
FLASH_REFUSED = 6  # refusals so far
HEAP_LOW = 7  # bytes
MODEM_RESET = 8  # power cuts of it in this boot, before this one
PIPE = 9  # 1 up, 0 down
SIM_SWITCHED = 10  # slot
COMMAND = 11  # kind
PROVEN = 12  # uptime in s

RARE = (SAFE_MODE, EMERGENCY, FLASH_REFUSED, MODEM_RESET, SIM_SWITCHED)


class Crumbs:
    """The crumbs of this boot. `previous` are those that the last boot left, oldest first, as (code, value)."""

    def __init__(self, flash: "Flash") -> None:
        self._kept = Kept(flash)
        self._codes = bytearray(MOST)
        self._values = [0] * MOST
        self._next = 0
        self._owed = False
        self.previous: "list[tuple[int, int]]" = []
        left = self._kept.load(NAME)
        if isinstance(left, list):
            for one in left:
                if isinstance(one, list) and len(one) == 2 and isinstance(one[0], int) and isinstance(one[1], int):
                    self.previous.append((one[0], one[1]))

    def drop(self, code: int, value: int = 0) -> None:
        """Something has happened. The oldest crumb makes room."""
        self._codes[self._next] = code
        self._values[self._next] = value
        self._next = (self._next + 1) % MOST
        if code in RARE:
            self._owed = True

    def keep(self) -> None:
        """Called now and then: what is rare goes on flash, once."""
        if self._owed:
            self._owed = False
            self.save()

    def trail(self) -> "list[tuple[int, int]]":
        """This boot's crumbs, oldest first."""
        order = [(self._next + index) % MOST for index in range(MOST)]
        return [(self._codes[at], self._values[at]) for at in order if self._codes[at]]

    def save(self) -> bool:
        """Put the crumbs on flash, in the place of those of the last boot. False when flash refuses."""
        return self._kept.save(NAME, [list(one) for one in self.trail()])
