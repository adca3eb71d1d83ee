"""What the cores are given of the world: random numbers, ciphers, and looks at the journal and the pipes."""

import hashlib
import random

import cryptolib

from firmware.core.events import FAULT_PORT
from firmware.ports import past

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware.driver import Driver
    from firmware.ports.flash import Flash
    from firmware.ports.journal import Journal

_ECB = 1


def sha256(data: bytes) -> bytes:
    """The digest of some bytes."""
    return hashlib.sha256(data).digest()


def ecb(key: bytes) -> "Any":
    """The encryption of whole blocks under a key (AES-ECB)."""
    return cryptolib.aes(key, _ECB).encrypt


def below(bound: int) -> int:
    """A random integer in 0..bound-1, for pauses; nothing secret comes from here."""
    return random.randrange(bound) if bound > 1 else 0  # noqa: S311 - see above


def bearers(pipes: "dict[str, Any]") -> "Callable[[str], int | None]":
    """Which bearer a pipe, by its name, goes over."""
    return lambda name: pipes[name].bearer


def known(flash: "Flash", journal: "Journal") -> "Callable[[tuple[int, int]], bool | None]":
    """Whether the journal has a press as one that is over; None where it cannot tell."""
    return lambda key: past.knows(flash, key, journal.unsure)


def radio_failed(driver: "Driver") -> "Callable[[], None]":
    """What to call when the pendants' radio cannot be had."""
    return lambda: driver.feed(("fault", FAULT_PORT, "pendants' radio"))
