"""Why the unit started, in Memfault's vocabulary, and when a boot counts as good.

The codes are those of memfault-firmware-sdk, components/include/memfault/core/reboot_reason_types.h (commit 00ff70fb):
below 0x8000 expected, from 0x8000 on not. Unhandled exceptions are `KERNEL_PANIC`, which that file gives to a fatal
error found by the system that the code runs on. Brown-outs are `POWER_ON`: MicroPython on ESP32 tells no difference.
Pure; it reads no register and writes no flash.
"""

UNKNOWN = 0x0000
USER_SHUTDOWN = 0x0001
USER_RESET = 0x0002
FIRMWARE_UPDATE = 0x0003
LOW_POWER = 0x0004
POWER_ON = 0x0007
SOFTWARE_RESET = 0x0008
DEEP_SLEEP = 0x0009
PIN_RESET = 0x000A
UNKNOWN_ERROR = 0x8000
ASSERT = 0x8001
BROWN_OUT = 0x8003
HARDWARE_WATCHDOG = 0x8005
SOFTWARE_WATCHDOG = 0x8006
KERNEL_PANIC = 0x8008
UPDATE_ERROR = 0x8009
OUT_OF_MEMORY = 0x800A
STACK_OVERFLOW = 0x800B

_FIRST_UNEXPECTED = 0x8000

# machine.reset_cause() of MicroPython on ESP32.
_PWRON_RESET = 1  # power on and brown-out
_HARD_RESET = 2  # machine.reset(), which we never call without a note, or a panic of the SDK
_WDT_RESET = 3
_DEEPSLEEP_RESET = 4
_SOFT_RESET = 5  # the interpreter restarted on its own

HOUR_MS = 3600000
_MOST_DOUBLINGS = 4


def expected(code: int) -> bool:
    """Whether a reboot for this reason is part of the unit's life. UNKNOWN is not, as at Memfault."""
    return UNKNOWN < code < _FIRST_UNEXPECTED


def reason(cause: int, note: int) -> int:
    """Why the unit started: what the firmware noted before the reset (a code; 0 for no note), else what the board
    says."""
    if note:
        return note
    if cause == _PWRON_RESET:
        return POWER_ON
    if cause == _WDT_RESET:
        return HARDWARE_WATCHDOG
    if cause == _DEEPSLEEP_RESET:
        return DEEP_SLEEP
    return UNKNOWN_ERROR if cause in (_HARD_RESET, _SOFT_RESET) else UNKNOWN


def of_error(error: BaseException) -> int:
    """The code for an exception that nobody handled."""
    if isinstance(error, MemoryError):
        return OUT_OF_MEMORY
    if isinstance(error, AssertionError):
        return ASSERT
    # MicroPython has no RecursionError: the message is the only sign.
    if isinstance(error, RuntimeError) and "recursion" in str(error):
        return STACK_OVERFLOW
    return KERNEL_PANIC


class Proof:
    """When this boot has shown that its firmware works: a verified receipt, and an hour without a crash.

    In safe mode the hour doubles with every time that safe mode was left in vain (`stays`), up to 16 hours: a fault
    that comes back each time must not cost three crashes an hour.
    """

    def __init__(self, safe: bool, stays: int, now: int) -> None:
        self._due: "int | None" = now + (HOUR_MS << min(stays, _MOST_DOUBLINGS) if safe else HOUR_MS)
        self._heard = False

    def receipt(self) -> None:
        """A verified receipt has come."""
        self._heard = True

    def shown(self, now: int) -> bool:
        """True once: now the boot is proven."""
        if self._due is None or not self._heard or now < self._due:
            return False
        self._due = None
        return True

    def next_wakeup(self) -> "int | None":
        """When to ask `shown`; None while time alone changes nothing."""
        return self._due if self._heard else None
