"""Frame counters and the boot number: values that must never be used twice, whatever happens to power or flash.

Counters are reserved in blocks before use: the file always holds a number above every counter that was ever handed
out, so a cut wastes at most one block. The boot number is written before it is used. Both share one file, replaced
atomically: `{1: next counter, 2: last boot, 3: CRC-32, ? 4: kid context}`. Provisioning writes `{1: 0, 2: 0}`.

When the file is missing or damaged nobody knows what was used. Then the unit draws a random kid context, which makes
new keys under which every counter is fresh, and a random boot in 2^31..2^32-1; both are kept from then on. When flash
refuses a reservation the same way out is taken in memory: a press is sent all the same. It never hands out a counter
that the file or the context does not cover.
"""

import binascii

from protocols.wire import cbor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware.ports.flash import Flash

FILE = "counters"
BLOCK = 64
CONTEXT_LENGTH = 8

_NEXT, _BOOT, _CRC, _CONTEXT = 1, 2, 3, 4
_LOST_BOOT = 0x80000000
_LAST_BOOT = 0xFFFFFFFF


def _content(next_counter: int, boot: int, context: "bytes | None") -> bytes:
    fields = {_NEXT: next_counter, _BOOT: boot}
    if context is not None:
        fields[_CONTEXT] = context
    fields[_CRC] = binascii.crc32(cbor.encode(fields)) & 0xFFFFFFFF
    return cbor.encode(fields)


def _parse(data: "bytes | None") -> "tuple[int, int, bytes | None] | None":
    """(next counter, last boot, kid context) of a file's content, or None if it cannot be trusted."""
    if data is None:
        return None
    try:
        fields = cbor.decode(data)
    except cbor.CborError:
        return None
    if not isinstance(fields, dict):
        return None
    if fields == {_NEXT: 0, _BOOT: 0}:
        return 0, 0, None
    crc = fields.pop(_CRC, None)
    if crc != binascii.crc32(cbor.encode(fields)) & 0xFFFFFFFF:
        return None
    context = fields.get(_CONTEXT)
    if context is not None and (not isinstance(context, bytes) or len(context) != CONTEXT_LENGTH):
        return None
    if not isinstance(fields.get(_NEXT), int) or not isinstance(fields.get(_BOOT), int):
        return None
    return fields[_NEXT], fields[_BOOT], context


class Counters:
    """The counters of this boot. `urandom(n)` gives n random bytes; `flash` is a ports.flash.Flash.

    Attributes: `boot`, `context` (8 bytes or None), `lost` (the file could not be trusted), `failures` (of flash).
    """

    def __init__(self, flash: "Flash", urandom: "Callable[[int], bytes]") -> None:
        self._flash = flash
        self._urandom = urandom
        self.failures = 0
        known = _parse(flash.read(FILE))
        self.lost = known is None
        if known is None:
            self._next, self.boot, self.context = 0, self._random_boot(), urandom(CONTEXT_LENGTH)
        else:
            self._next, last, self.context = known
            self.boot = last + 1 if last < _LAST_BOOT else self._random_boot()
        self._end = self._next
        if not self._reserve():
            # Nobody will know that this boot number was used.
            self.boot = self._random_boot()

    def _random_boot(self) -> int:
        return _LOST_BOOT | int.from_bytes(self._urandom(4), "big")

    def _reserve(self) -> bool:
        """Take the next block, on flash first. On failure start over under a new context that only memory knows."""
        try:
            self._flash.replace(FILE, _content(self._end + BLOCK, self.boot, self.context))
        except OSError:
            self.failures += 1
            self.context = self._urandom(CONTEXT_LENGTH)
            self._next, self._end = 0, 0x100000000
            return False
        self._end += BLOCK
        return True

    def take(self) -> int:
        """A counter that was never used with the keys of `context`. Look at `context` after this call: it may have
        changed."""
        if self._next >= self._end:
            self._reserve()
        self._next += 1
        return self._next - 1
