"""The grammar of AT commands and answers (ITU-T V.250, 3GPP TS 27.007): what may be written, how lines are read.

Nothing that comes from outside reaches a modem unchecked. A command is built from integers, from quoted text of
printable ASCII without quote and backslash, and from hexadecimal; CR, LF, Ctrl-Z, ESC and quotes never pass, so no
configuration and no message can smuggle a second command in.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LONGEST_COMMAND = 460
"""Characters, without the CR. The longest that we write is an access point name."""


class AtError(ValueError):
    """An argument, answer or step is not what it must be. `reason` is one of a fixed set of words."""

    def __init__(self, reason: str, detail: "Any" = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


def quoted(text: str, longest: int = 100) -> str:
    """Text as a quoted parameter. Raises AtError "argument"."""
    if len(text) > longest:
        raise AtError("argument")
    for code in text.encode():
        if not 32 <= code < 127 or code in b'"\\':
            raise AtError("argument")
    return '"' + text + '"'


def number(value: int, low: int, high: int) -> str:
    """An integer within bounds as a parameter. Raises AtError "argument"."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise AtError("argument")
    return str(value)


def host_name(host: str) -> str:
    """A host's name or address as a quoted parameter: letters, digits, dot, hyphen and colon. Raises AtError."""
    if not host:
        raise AtError("argument")
    for code in host.encode():
        # Of a letter the bit of its case alone is taken away.
        if not (48 <= code <= 57 or 97 <= code | 32 <= 122 or code in b".-:"):
            raise AtError("argument")
    return quoted(host, 100)


def telephone(text: str) -> str:
    """A telephone number: an optional plus and 3 to 20 digits. Raises AtError "argument"."""
    digits = text[1:] if text[:1] == "+" else text
    if not 3 <= len(digits) <= 20 or not is_digits(digits):
        raise AtError("argument")
    return text


def check_command(text: str) -> bytes:
    """The bytes of a whole command line without its CR. Raises AtError "argument"."""
    if not 2 <= len(text) <= LONGEST_COMMAND or text[:2] != "AT":
        raise AtError("argument")
    line = text.encode()
    for code in line:
        if not 32 <= code < 127:
            raise AtError("argument")
    return line


def is_digits(text: str) -> bool:
    """Whether text is one or more of 0-9."""
    for code in text.encode():
        if not 48 <= code <= 57:
            return False
    return text != ""


def is_hex(text: str) -> bool:
    """Whether text is one or more hexadecimal digits."""
    for code in text.encode():
        if not (48 <= code <= 57 or 97 <= code | 32 <= 102):
            return False
    return text != ""


def head(line: str) -> str:
    """What names a line: `+CEREG` of `+CEREG: 1`, and a line without a colon as it is."""
    colon = line.find(":")
    return line if colon < 0 else line[:colon]


def rest(line: str) -> str:
    """What follows the name of a line."""
    colon = line.find(":")
    return "" if colon < 0 else line[colon + 1 :].strip()


def split(text: str) -> "list[str]":
    """The comma-separated fields with their quotes; a comma within quotes separates nothing."""
    found = []
    start = 0
    at = text.find(",")
    quote = text.find('"')
    while at >= 0:
        if 0 <= quote < at:
            closing = text.find('"', quote + 1)
            if closing < 0:
                break
            quote = text.find('"', closing + 1)
            at = text.find(",", closing + 1)
            continue
        found.append(text[start:at].strip())
        start = at + 1
        at = text.find(",", start)
    found.append(text[start:].strip())
    return found


def value(field: str) -> "int | str | None":
    """One field: an integer, text without its quotes, other words as they are, None if empty."""
    if field == "":
        return None
    if len(field) >= 2 and field[0] == '"' and field[-1] == '"':
        return field[1:-1]
    digits = field[1:] if field[0] == "-" else field
    if is_digits(digits) and len(digits) <= 18:
        return int(field)
    return field


def fields(line: str) -> "list[int | str | None]":
    """The values of what follows a line's name."""
    return [value(field) for field in split(rest(line))]


def integer(values: "list[Any]", at: int, low: int = -(1 << 31), high: int = 1 << 32) -> "int | None":
    """The integer at a place, or None if it is not there, no integer or out of bounds."""
    if at >= len(values) or isinstance(values[at], str) or values[at] is None:
        return None
    found: int = values[at]
    return found if low <= found <= high else None


def hexadecimal(values: "list[Any]", at: int) -> "int | None":
    """The integer behind hexadecimal digits, quoted or not; None if there are none, or more than eight."""
    if at >= len(values) or values[at] is None:
        return None
    text = str(values[at])
    return int(text, 16) if is_hex(text) and len(text) <= 8 else None
