"""Our one line of alarm text: the reference, the case and the figures of a press, readable and readable back.

`ref 0000002a-3-17 case 12 press 2 age 4 s: personal help. Second floor`. A person reads it on any centre's screen; our
own receiver takes the reference out of it again without loss. Text that does not begin with `ref ` is only text.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_KEYED = re.compile(
    r"ref (?P<reference>[0-9A-Za-z._-]{1,64})"
    r"(?: case (?P<incident>[0-9A-Za-z._-]{1,64}))?"
    r"(?: press (?P<count>[0-9]{1,9}))?"
    r"(?: age (?P<age>[0-9]{1,9}) s)?"
    r"(?:: (?P<text>.*))?",
    re.S,
)
_NAME = re.compile(r"[0-9A-Za-z._-]{1,64}")
_NUMBER = re.compile(r"[0-9]{1,9}")
_BRACKETS = str.maketrans({"[": "(", "]": ")", "|": "/", "^": "'"})
_SPELT = str.maketrans({"Æ": "AE", "æ": "ae", "Ø": "O", "ø": "o", "ß": "ss", "’": "'", "–": "-", "—": "-", "…": "..."})


@dataclass(frozen=True, slots=True)
class Label:
    """The parts of the line; a part that is None or that has no place in the line's grammar is left out."""

    reference: str | None = None
    incident: str | None = None
    count: str | None = None
    age_s: str | None = None
    text: str | None = None


def write(label: Label) -> str:
    """The line. Without a fit reference only the text is written."""
    if label.reference is None or _NAME.fullmatch(label.reference) is None:
        return label.text or ""
    line = f"ref {label.reference}"
    if label.incident is not None and _NAME.fullmatch(label.incident):
        line += f" case {label.incident}"
    if label.count is not None and _NUMBER.fullmatch(label.count):
        line += f" press {label.count}"
    if label.age_s is not None and _NUMBER.fullmatch(label.age_s):
        line += f" age {label.age_s} s"
    return line if label.text is None else f"{line}: {label.text}"


def fits(reference: str) -> bool:
    """Whether a reference can be carried: 1 to 64 letters, digits, dots, underscores and hyphens."""
    return _NAME.fullmatch(reference) is not None


def read(line: str) -> Label:
    """The parts of a line; a line that is not ours is all text."""
    match = _KEYED.fullmatch(line)
    if match is None:
        return Label(text=line)
    return Label(match["reference"], match["incident"], match["count"], match["age"], match["text"])


def plain(text: str, *, ascii_only: bool) -> str:
    """Text that may stand in a frame: no control characters, brackets or bars; without accents if `ascii_only`.

    A widespread receiver drops octets above 127 and then finds the CRC wrong, so text for an unknown centre is ASCII.
    """
    text = "".join(" " if unicodedata.category(character) == "Cc" else character for character in text)
    text = text.translate(_BRACKETS)
    if ascii_only:
        spelt = unicodedata.normalize("NFKD", text.translate(_SPELT))
        text = "".join(character for character in spelt if not unicodedata.combining(character))
        text = text.encode("ascii", "replace").decode("ascii")
    return text


def cut(text: str, octets: int) -> str:
    """As much of the text as fits the octets in UTF-8, never half a character."""
    return text.encode()[:octets].decode("utf-8", "ignore")
