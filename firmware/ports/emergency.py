"""The bytes of a press record, made without allocating anything: for the press that comes when the heap is full.

The record is that of `core.records.press` with count 1 and clock 0, so every reader knows it. Numbers are kept below
2^30, where MicroPython needs no heap for them on any board, and the CRC is computed in two halves for the same reason.
It writes nothing anywhere but into its own buffer.
"""

_PAYLOAD = 6  # behind length and CRC
_MAP_OF_7 = 0xA7
_SMALL = 1 << 30
_POLYNOMIAL_HIGH, _POLYNOMIAL_LOW = 0xEDB8, 0x8320  # of CRC-32, reflected


class Emergency:
    """Attributes: `data`, the buffer, and `size`, how much of it is the record after `fill` returned True."""

    def __init__(self) -> None:
        self.data = bytearray(40)
        self.size = 0
        self._boot = -1
        self._seq_at = 0

    def arm(self, boot: int) -> None:
        """Write what is the same for every press of this boot. This may allocate: a boot number may be large."""
        self.size = _PAYLOAD
        self._byte(_MAP_OF_7)
        self._byte(0)
        self._byte(1)
        self._byte(1)
        if boot < _SMALL:
            self._number(boot)
        else:
            self._byte(0x1A)
            for byte in boot.to_bytes(4, "big"):
                self._byte(byte)
        self._seq_at = self.size
        self._boot = boot

    def fill(self, boot: int, seq: int, kind: int, input_code: int) -> bool:
        """Make the record of a press; False if `arm` was not called for this boot or a number is too large."""
        if boot != self._boot or not 0 <= seq < _SMALL or not 0 <= kind < _SMALL or not 0 <= input_code < _SMALL:
            return False
        self.size = self._seq_at
        self._byte(2)
        self._number(seq)
        self._byte(3)
        self._number(kind)
        self._byte(4)
        self._number(input_code)
        self._byte(5)
        self._byte(1)
        self._byte(6)
        self._byte(0)
        self.data[0] = 0
        self.data[1] = self.size - _PAYLOAD
        self._seal()
        return True

    def _byte(self, value: int) -> None:
        self.data[self.size] = value
        self.size += 1

    def _number(self, value: int) -> None:
        """The shortest CBOR encoding of an unsigned integer below 2^30 (RFC 8949, 4.2.1)."""
        if value < 24:
            self._byte(value)
        elif value < 0x100:
            self._byte(0x18)
            self._byte(value)
        elif value < 0x10000:
            self._byte(0x19)
            self._byte(value >> 8)
            self._byte(value & 0xFF)
        else:
            self._byte(0x1A)
            self._byte(value >> 24)
            self._byte(value >> 16 & 0xFF)
            self._byte(value >> 8 & 0xFF)
            self._byte(value & 0xFF)

    def _seal(self) -> None:
        """Put the CRC-32 of the payload into its place."""
        high = low = 0xFFFF
        for index in range(_PAYLOAD, self.size):
            low ^= self.data[index]
            for _ in range(8):
                odd = low & 1
                low = low >> 1 | (high & 1) << 15
                high >>= 1
                if odd:
                    high ^= _POLYNOMIAL_HIGH
                    low ^= _POLYNOMIAL_LOW
        high ^= 0xFFFF
        low ^= 0xFFFF
        self.data[2] = high >> 8
        self.data[3] = high & 0xFF
        self.data[4] = low >> 8
        self.data[5] = low & 0xFF
