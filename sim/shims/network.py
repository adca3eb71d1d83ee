"""The board's Wi-Fi and Ethernet, in place of `network`, which the unix port of MicroPython lacks: what
firmware.ports.own uses of it.

The link is a wire of the simulated board: `LINK` is high while the access point takes the unit, or the cable is in, so
that a scenario pulls it like any other wire. Datagrams go by the host's loopback meanwhile, whatever the link says.
"""

from board_wires import BOARD, LINK

STA_IF = 0
PHY_LAN8720 = 1


class LAN:
    """Ethernet. `words` are the pins and the like, which nothing here has."""

    def __init__(self, **words: "object") -> None:
        self._active = False

    def active(self, on: bool) -> None:
        BOARD.connect()
        self._active = on

    def isconnected(self) -> bool:
        return self._active and BOARD.inputs.get(LINK, 1) == 1


class WLAN:
    """A station. A wrong name or password is a link that never comes."""

    def __init__(self, interface: int) -> None:
        self._active = False
        self._asked = False

    def active(self, on: bool) -> None:
        BOARD.connect()
        self._active = on
        if not on:
            self._asked = False

    def connect(self, name: str, password: str = "") -> None:
        if not self._active:
            raise OSError("Wifi Not Started")
        self._asked = True

    def disconnect(self) -> None:
        self._asked = False

    def isconnected(self) -> bool:
        return self._asked and BOARD.inputs.get(LINK, 1) == 1
