"""The strict subset of CBOR (RFC 8949) that travels between unit and fleet, for CPython and MicroPython alike.

Values: unsigned and negative integers of up to 64 bits, byte strings, text, arrays, maps with ascending unsigned
integer keys, false, true and null. Every value has exactly one encoding: lengths and integers are in their shortest
form (section 4.2.1), so that equal values are equal bytes and a re-encoding of what was accepted is what came in.
Tags, floats, indefinite lengths, repeated or unsorted keys, bad UTF-8, nesting deeper than `MAX_DEPTH` and bytes after
the value are refused, each with its own reason.

This module never guesses, never repairs, and never allocates for a length that the data does not hold.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_DEPTH = 4
"""Containers inside containers, the outermost counted: message, status or data, array, row."""

_UINT64 = 0xFFFFFFFFFFFFFFFF
# The least value that may use a 1, 2, 4 or 8 byte argument (section 4.2.1).
_SHORTEST = (24, 0x100, 0x10000, 0x100000000)


class CborError(ValueError):
    """The bytes, or the value to encode, are outside the subset.

    `reason` is one word: truncated, trailing, long, reserved, indefinite, tag, float, simple, depth, key, order, utf8;
    on encoding also type and range.
    """

    def __init__(self, reason: str) -> None:
        super().__init__("not in our CBOR subset: " + reason)
        self.reason = reason


def encode(value: object) -> bytes:
    """Return the one encoding of `value`; dict keys are sorted here. Raises CborError."""
    out = bytearray()
    _write(out, value, 0)
    return bytes(out)


def decode(data: "bytes | bytearray | memoryview") -> "Any":
    """Return the value that all of `data` encodes: int, bytes, str, list, dict, bool or None. Raises CborError."""
    reader = _Reader(bytes(data))
    value = reader.item(0)
    if reader.at != len(reader.data):
        raise CborError("trailing")
    return value


def _write(out: bytearray, value: object, depth: int) -> None:
    # bool first: CPython counts it as int, MicroPython does not.
    if value is None:
        out.append(0xF6)
    elif value is False:
        out.append(0xF4)
    elif value is True:
        out.append(0xF5)
    elif isinstance(value, int):
        if value >= 0:
            _write_head(out, 0x00, value)
        else:
            _write_head(out, 0x20, -1 - value)
    elif isinstance(value, (bytes, bytearray)):
        _write_head(out, 0x40, len(value))
        out.extend(value)
    elif isinstance(value, str):
        data = _utf8(value)
        _write_head(out, 0x60, len(data))
        out.extend(data)
    elif isinstance(value, (list, tuple)):
        if depth >= MAX_DEPTH:
            raise CborError("depth")
        _write_head(out, 0x80, len(value))
        for element in value:
            _write(out, element, depth + 1)
    elif isinstance(value, dict):
        if depth >= MAX_DEPTH:
            raise CborError("depth")
        for key in value:
            if not isinstance(key, int) or isinstance(key, bool) or key < 0:
                raise CborError("key")
        _write_head(out, 0xA0, len(value))
        for key in sorted(value):
            _write_head(out, 0x00, key)
            _write(out, value[key], depth + 1)
    else:
        raise CborError("type")


def _write_head(out: bytearray, major: int, argument: int) -> None:
    if argument < 24:
        out.append(major | argument)
    elif argument < 0x100:
        out.append(major | 24)
        out.append(argument)
    elif argument < 0x10000:
        out.append(major | 25)
        out.extend(argument.to_bytes(2, "big"))
    elif argument < 0x100000000:
        out.append(major | 26)
        out.extend(argument.to_bytes(4, "big"))
    elif argument <= _UINT64:
        out.append(major | 27)
        out.extend(argument.to_bytes(8, "big"))
    else:
        raise CborError("range")


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def item(self, depth: int) -> "Any":
        """Return the value that starts here, inside `depth` containers, and move behind it."""
        data = self.data
        if self.at >= len(data):
            raise CborError("truncated")
        first = data[self.at]
        self.at += 1
        major = first >> 5
        if major == 7:
            return _simple(first & 31)
        count = self._argument(first & 31)
        if major == 0:
            return count
        if major == 1:
            return -1 - count
        if major == 6:
            raise CborError("tag")
        # The claim is held against what is left before anything is taken; an element has at least one byte, a pair two.
        if count > (len(data) - self.at) >> (1 if major == 5 else 0):
            raise CborError("truncated")
        if major < 4:
            piece = data[self.at : self.at + count]
            self.at += count
            return piece if major == 2 else _text(piece)
        if depth >= MAX_DEPTH:
            raise CborError("depth")
        if major == 4:
            return [self.item(depth + 1) for _ in range(count)]
        return self._map(count, depth)

    def _argument(self, low: int) -> int:
        if low < 24:
            return low
        if low > 27:
            raise CborError("indefinite" if low == 31 else "reserved")
        end = self.at + (1 << (low - 24))
        if end > len(self.data):
            raise CborError("truncated")
        value = int.from_bytes(self.data[self.at : end], "big")
        if value < _SHORTEST[low - 24]:
            raise CborError("long")
        self.at = end
        return value

    def _map(self, count: int, depth: int) -> "dict[int, Any]":
        result: "dict[int, Any]" = {}
        last = -1
        for _ in range(count):
            if self.at >= len(self.data):
                raise CborError("truncated")
            first = self.data[self.at]
            if first >> 5:
                raise CborError("key")
            self.at += 1
            key = self._argument(first & 31)
            if key <= last:
                raise CborError("order")
            last = key
            result[key] = self.item(depth + 1)
        return result


def _simple(low: int) -> "bool | None":
    if low == 20:
        return False
    if low == 21:
        return True
    if low == 22:
        return None
    if low == 31:
        raise CborError("indefinite")
    raise CborError("float" if 25 <= low <= 27 else "simple")


def _text(data: bytes) -> str:
    if not _is_utf8(data):
        raise CborError("utf8")
    return str(data, "utf-8")


def _utf8(text: str) -> bytes:
    try:
        data = text.encode()
    except UnicodeError:
        data = b"\xff"
    if not _is_utf8(data):
        raise CborError("utf8")
    return data


def _is_utf8(data: bytes) -> bool:
    # MicroPython's own check lets overlong forms, surrogates and values above 0x10FFFF pass (RFC 3629 section 4).
    at = 0
    end = len(data)
    while at < end:
        first = data[at]
        at += 1
        if first < 0x80:
            continue
        low = 0x80
        high = 0xBF
        if 0xC2 <= first <= 0xDF:
            more = 1
        elif 0xE0 <= first <= 0xEF:
            more = 2
            if first == 0xE0:
                low = 0xA0
            elif first == 0xED:
                high = 0x9F
        elif 0xF0 <= first <= 0xF4:
            more = 3
            if first == 0xF0:
                low = 0x90
            elif first == 0xF4:
                high = 0x8F
        else:
            return False
        if end - at < more or not low <= data[at] <= high:
            return False
        for i in range(at + 1, at + more):
            if data[i] >> 6 != 2:
                return False
        at += more
    return True
