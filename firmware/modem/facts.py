"""What the unit knows of its modem, cards and network, in the words of a heartbeat and of the status. Pure."""

import binascii

from protocols.wire import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LOWEST, _HIGHEST = -200, 0
_FIELDS = ("operator", "radio")
# What of it goes into the status: names, the key of each, and how many bits the wire has for it.
_STATUS = ("cell", "area", "cause", "active", "tau", "edrx", "supply")
# fmt: off
_KEYS = bytes((
    messages.STATUS_CELL, messages.STATUS_TAC, messages.STATUS_LAST_CAUSE, messages.STATUS_PSM_ACTIVE,
    messages.STATUS_PSM_TAU, messages.STATUS_EDRX, messages.STATUS_SUPPLY_MV,
))
# fmt: on
_BITS = bytes((32, 16, 32, 32, 32, 32, 16))
_FIX = ("latitude", "longitude", "satellites", "dilution")
"""In the order of their keys in a position, which begin at 1."""
_NEWS = ("operator", "radio", "cause", "active", "tau", "edrx")
"""A change of these is a change of the status; a cell or a level changes by itself all day."""
_REMEMBERED = ("operator", "radio", "active", "tau", "edrx")
_CELL, _TAC = 6, 7


def bcd(digits: "str | None", size: int) -> "bytes | None":
    """Digits as `size` bytes, two in each, filled up with F; None if there are none or too many."""
    if not digits or len(digits) > 2 * size:
        return None
    try:
        return binascii.unhexlify(digits + "F" * (2 * size - len(digits)))
    except ValueError:
        return None


class Facts:
    """Attribute: `changed`, that something of the status is new; who has told it sets it back."""

    def __init__(self) -> None:
        self.changed = False
        self.slept = False
        """Whether an earlier boot, which ended in deep sleep, has told the cards and the modem."""
        self.asked = False
        """Whether the network has been asked to let the modem rest; what it grants otherwise says nothing."""
        self._known: "dict[str, Any]" = {}
        self._cards: "list[bytes | None]" = [None, None]
        self._modem: "str | None" = None
        self._imei: "bytes | None" = None

    def left(self) -> None:
        """The network is left: what it granted and how it was heard is over."""
        for name in ("rsrp", "rssi", "operator", "radio", "cell", "area", "active", "tau", "edrx"):
            self._known.pop(name, None)

    def woken(self, known: "list[int]") -> None:
        """The board has slept deep and its modem has not started anew: what was known and told before, by `_REMEMBERED`
        (0 for no operator)."""
        self.slept = True
        for place, value in enumerate(known):
            if value or place > 1:
                self._known[_REMEMBERED[place]] = value

    def registration(self, told: "Any") -> None:
        """A Registration."""
        found: "dict[str, Any]" = {}
        if told.registered:
            found = {"cell": told.cell, "area": told.area}
            if self.asked or "active" not in self._known:
                found.update({"active": told.active or 0, "tau": told.tau or 0})
        if told.cause is not None:
            found["cause"] = told.cause
        self._learn(found)

    def survey(self, found: "dict[str, Any]") -> None:
        """What Dialect.survey has found."""
        known = dict([(name, found[name]) for name in sorted(found) if name != "registration"])
        if not self.asked and "edrx" in self._known:
            known.pop("edrx", None)
        self._learn(known)

    def identity(self, slot: int, found: "dict[str, Any]") -> None:
        """What Dialect.identify has found with this card."""
        before = (self._cards[slot], self._imei, self._modem)
        self._cards[slot] = bcd(found.get("iccid"), 10) or self._cards[slot]
        self._imei = bcd(found.get("imei"), 8) or self._imei
        self._modem = found.get("revision") or self._modem
        known = self.slept and before == (None, None, None)
        self.changed = self.changed or (not known and before != (self._cards[slot], self._imei, self._modem))

    def _learn(self, found: "dict[str, Any]") -> None:
        for name in sorted(found):
            if found[name] is not None:
                self.changed = self.changed or (name in _NEWS and self._known.get(name) != found[name])
                self._known[name] = found[name]

    def place(self) -> "dict[int, int]":
        """Cell and TAC as data of a position."""
        found = {}
        if "cell" in self._known:
            found[_CELL] = self._known["cell"]
        if "area" in self._known:
            found[_TAC] = self._known["area"]
        return found

    def position(self, fix: "dict[str, int] | None") -> "dict[int, int]":
        """A fix of Dialect.gnss_fix as data of a position, with the cell; None: the cell alone."""
        found = self.place()
        if fix is not None:
            for place, name in enumerate(_FIX):
                if fix.get(name) is not None:
                    found[place + 1] = fix[name]
            found[5] = 0
        return found

    def measure(self) -> "tuple[dict[str, Any], dict[int, Any]]":
        """(fields of a heartbeat, pairs of a status): what is known, and only what the wire takes."""
        fields: "dict[str, Any]" = {}
        level = self._known.get("rsrp", self._known.get("rssi"))
        if level is not None:
            fields["signal"] = max(_LOWEST, min(_HIGHEST, level))
        for name in _FIELDS:
            if name in self._known:
                fields[name] = self._known[name]
        status: "dict[int, Any]" = {}
        for place, name in enumerate(_STATUS):
            value = self._known.get(name)
            if value is not None and 0 <= value < 1 << _BITS[place]:
                status[_KEYS[place]] = value
        for key, value in (
            (messages.STATUS_ICCID1, self._cards[0]),
            (messages.STATUS_ICCID2, self._cards[1]),
            (messages.STATUS_IMEI, self._imei),
            (messages.STATUS_MODEM, self._modem),
        ):
            if value is not None:
                status[key] = value
        return fields, status
