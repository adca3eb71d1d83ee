"""The reasons of a reboot (core.reboot) in words. A unit needs them only when it starts; they are not kept."""

from firmware.core import reboot

NAMES = (
    (reboot.UNKNOWN, "unknown"),
    (reboot.USER_SHUTDOWN, "switched off"),
    (reboot.USER_RESET, "restart on command"),
    (reboot.FIRMWARE_UPDATE, "update"),
    (reboot.LOW_POWER, "battery empty"),
    (reboot.POWER_ON, "power on or brown-out"),
    (reboot.SOFTWARE_RESET, "restart by the firmware"),
    (reboot.DEEP_SLEEP, "deep sleep"),
    (reboot.PIN_RESET, "reset pin"),
    (reboot.UNKNOWN_ERROR, "reset without a note"),
    (reboot.ASSERT, "failed assertion"),
    (reboot.BROWN_OUT, "brown-out"),
    (reboot.HARDWARE_WATCHDOG, "hardware watchdog"),
    (reboot.SOFTWARE_WATCHDOG, "task over its limit"),
    (reboot.KERNEL_PANIC, "unhandled error"),
    (reboot.UPDATE_ERROR, "update failed"),
    (reboot.OUT_OF_MEMORY, "out of memory"),
    (reboot.STACK_OVERFLOW, "stack overflow"),
)


def name(code: int) -> str:
    """The reason in words; a code that is not in NAMES in hexadecimal."""
    for known, text in NAMES:
        if known == code:
            return text
    return "0x%04x" % code
