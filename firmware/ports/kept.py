"""Small values that parts of the unit remember over a reset: one file per name, replaced whole.

A file `NAME.kept` is the CRC-32 (4 bytes, big endian) of its rest, and the rest the CBOR encoding of one value of our
strict subset. It decides nothing about the values, and a file that cannot be trusted is as good as not there: whoever
keeps something must be able to start without it.
"""

import binascii
import struct

from protocols.wire import cbor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from firmware.ports.flash import Flash

SUFFIX = ".kept"


def pack(value: object) -> bytes:
    """A file's content. Raises cbor.CborError for a value outside the subset: a programmer's error."""
    data = cbor.encode(value)
    return struct.pack(">I", binascii.crc32(data) & 0xFFFFFFFF) + data


def unpack(data: "bytes | None") -> "Any":
    """The value in a file's content, or None if it is missing, cut or damaged."""
    if data is None or len(data) < 5:
        return None
    if struct.unpack(">I", data[:4])[0] != binascii.crc32(data[4:]) & 0xFFFFFFFF:
        return None
    try:
        return cbor.decode(data[4:])
    except cbor.CborError:
        return None


class Kept:
    """The kept values of one flash. Attribute: `failures`, saves that flash refused."""

    def __init__(self, flash: "Flash") -> None:
        self._flash = flash
        self.failures = 0

    def load(self, name: str) -> "Any":
        """The value that was saved last under this name; None if there is none, or if it is damaged."""
        return unpack(self._flash.read(name + SUFFIX))

    def save(self, name: str, value: object) -> bool:
        """Put a value on flash; when this returns True it survives a power cut.

        False when flash refuses: the old value is still there. A value that is on flash already costs no write. Raises
        cbor.CborError for a value outside the subset.
        """
        data = pack(value)
        if self._flash.read(name + SUFFIX) == data:
            return True
        try:
            self._flash.replace(name + SUFFIX, data)
        except OSError:
            self.failures += 1
            return False
        return True
