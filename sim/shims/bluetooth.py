"""The short-range radio, in place of `bluetooth`: hears what the sim's pendants advertise while it scans.

Names, arguments and the data of an interrupt are those of MicroPython's BLE, as far as the firmware uses them. What is
heard in the interrupt is a view that is only good until the handler returns: it is wiped then, as the real radio's
buffer is written over.
"""

from board_wires import BOARD

_IRQ_SCAN_RESULT = 5
_IRQ_SCAN_DONE = 6
_ADV_NONCONN_IND = 3
_RANDOM_ADDRESS = 1
_ADDRESS = b"\xc0\x00\x00\x00\x00\x01"
_RSSI = -60
_LONGEST = 31


class BLE:
    """The one radio. `scanning` is (duration ms, interval us, window us) or None."""

    _one = None

    def __new__(cls):
        if cls._one is None:
            cls._one = object.__new__(cls)
            cls._one._active = False
            cls._one._handler = None
            cls._one._buffer = bytearray(_LONGEST)
            cls._one.scanning = None
            BOARD.radio = cls._one.heard
        return cls._one

    def active(self, on: "bool | None" = None) -> bool:
        if on is not None:
            self._active = bool(on)
            self.scanning = self.scanning if on else None
        return self._active

    def config(self, *names, **values):
        if not self._active and names:
            raise OSError(19)

    def irq(self, handler) -> None:
        self._handler = handler

    def gap_scan(
        self, duration_ms: "int | None", interval_us: int = 1280000, window_us: int = 11250, active: bool = False
    ) -> None:
        if not self._active:
            raise OSError(19)
        was = self.scanning
        self.scanning = None if duration_ms is None else (duration_ms, interval_us, window_us)
        if was is not None and duration_ms is None and self._handler is not None:
            self._handler(_IRQ_SCAN_DONE, ())

    def heard(self, data: bytes) -> None:
        """An advertisement is in the air; nobody hears it unless the radio scans."""
        if self.scanning is None or self._handler is None or len(data) > _LONGEST:
            return
        self._buffer[: len(data)] = data
        view = memoryview(self._buffer)[: len(data)]
        self._handler(_IRQ_SCAN_RESULT, (_RANDOM_ADDRESS, memoryview(_ADDRESS), _ADV_NONCONN_IND, _RSSI, view))
        for i in range(_LONGEST):
            self._buffer[i] = 0
