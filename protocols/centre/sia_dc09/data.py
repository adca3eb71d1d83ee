"""The SIA-DCS data of a frame (DC-03): `#acct|BLOCK|BLOCK...`, text to events and back.

A block is a letter and its content. N (new) and O (old) hold events; A is text for a person; every other block is kept
as it stands. An event is modifiers in lower case, then a two-letter code, a hex address, and `^text^`:
`Nri1/QA001^kitchen^`. Modifiers count for every event behind them in the block.

Nothing here refuses: a packet that fits no grammar becomes an event without a code, because a genuine alarm is never
refused for one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_MODIFIER = re.compile(r"([a-z]{2})([^^]*)(?:\^[^^]*\^?)?", re.S)
_EVENT = re.compile(r"([A-Z]{2})([0-9A-Fa-f:-]*)(?:\*([^^]*))?(?:\^([^^]*)\^?)?", re.S)
_NAMED = re.compile(r"""(["']?)(.*?)\1(?:NM)?""", re.S)
_PACKET = re.compile(r"(?:\^[^^]*\^?|[^/^])+", re.S)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of an N or O block. `code` is empty where the packet was none that we can read; `raw` is the packet."""

    block: str
    code: str
    address: str = ""
    modifiers: tuple[tuple[str, str], ...] = ()
    text: str | None = None
    raw: str = ""

    def modifier(self, name: str) -> str | None:
        """The last value given for a modifier, or None."""
        return dict(self.modifiers).get(name)


@dataclass(frozen=True, slots=True)
class DcsData:
    """A whole data field. `account` is None where there was no account part, "" where it was empty."""

    account: str | None
    events: tuple[Event, ...]
    texts: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def parse(data: str) -> DcsData:
    """Read a data field. Never raises; what is not understood is in `others` or in an event without a code."""
    account, blocks = None, data
    if data.startswith(("#", "|")):
        head, _, blocks = data.partition("|")
        account = head[1:]
    events: list[Event] = []
    texts: list[str] = []
    others: list[str] = []
    for block in blocks.split("|"):
        if block[:1] in {"N", "O"}:
            events += _events(block[0], block[1:])
        elif block[:1] == "A":
            texts.append(block[1:])
        elif block:
            others.append(block)
    return DcsData(account, tuple(events), tuple(texts), tuple(others))


def _events(letter: str, content: str) -> list[Event]:
    events: list[Event] = []
    modifiers: list[tuple[str, str]] = []
    for packet in _PACKET.findall(content):
        modifier = _MODIFIER.fullmatch(packet)
        if modifier is not None:
            modifiers.append((modifier[1], modifier[2]))
            continue
        event = _EVENT.fullmatch(packet)
        if event is None:
            events.append(Event(letter, "", modifiers=tuple(modifiers), raw=packet))
        else:
            said = event[4] if event[4] is not None else _named(event[3])
            events.append(Event(letter, event[1], event[2], tuple(modifiers), said, packet))
    if not events:
        events.append(Event(letter, "", modifiers=tuple(modifiers), raw=content))
    return events


def _named(text: str | None) -> str | None:
    """The name behind an asterisk (`*"kitchen"NM`), which older panels write in place of a text."""
    found = None if text is None else _NAMED.fullmatch(text)
    return None if found is None else found[2] or None


def compose(account: str, event: Event) -> str:
    """The data field of one event. The caller keeps `|`, `/`, `^` and `]` out of the text."""
    modifiers = "".join(f"{name}{value}/" for name, value in event.modifiers)
    text = "" if event.text is None else f"^{event.text}^"
    return f"#{account}|{event.block}{modifiers}{event.code}{event.address}{text}"
