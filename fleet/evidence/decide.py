"""Digests, links and what may stand in a record. Pure: no clock, no database, no key.

digest = SHA-256(canonical JSON of the row's content)
hash   = SHA-256("livlina-evidence-1" 00 | hash before | JSON of position, source, key, municipality and times | digest)
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from fleet.evidence.model import Content, Entry

_ACTION = re.compile(r"[a-z_]+(\.[a-z_]+)+")
_IDENTIFIER = re.compile(r"[a-z_]+:[A-Za-z0-9_.:/-]{1,80}")
_WORD = re.compile(r"[A-Za-z0-9_.:/,-]{0,100}")
_DOMAIN = b"livlina-evidence-1\x00"
MOST_DETAIL = 3000
"""Characters of a record's detail, as JSON."""


class RecordError(ValueError):
    """A record that may not be written: it holds what is no identifier. The message says which part."""


def checked_detail(actor: str, action: str, subject: str, detail: Mapping[str, object]) -> dict[str, object]:
    """The detail as it is stored. Raises RecordError for what could be a name, an address or free text.

    Words are ASCII letters, digits and ``_ . : / , -`` without blanks: enough for identifiers, states and times, too
    little for a person. A reason in somebody's own words belongs in a table of its own, under retention.
    """
    if not _ACTION.fullmatch(action) or len(action) > 60:
        raise RecordError(f"{action!a} is no action: write words with dots, for example unit.activated")
    for name, text in (("actor", actor), ("subject", subject)):
        if not _IDENTIFIER.fullmatch(text):
            raise RecordError(f"the {name} {text[:40]!a} is no identifier: write kind:id, for example unit:0000002a")
    checked: dict[str, object] = {}
    for key in sorted(detail):
        if not re.fullmatch(r"[a-z0-9_]{1,40}", key):
            raise RecordError(f"{key[:40]!a} is no name of a detail: use a-z, 0-9 and _")
        checked[key] = _value(key, detail[key])
    if len(json.dumps(checked)) > MOST_DETAIL:
        raise RecordError(f"the detail is longer than {MOST_DETAIL} characters: keep identifiers only")
    return checked


def _value(key: str, value: object) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, str):
        if not _WORD.fullmatch(value):
            raise RecordError(f"the detail {key} holds more than an identifier: records never hold personal data")
        return value
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [_value(key, item) for item in items]
    if isinstance(value, Mapping):
        return {str(_value(key, str(name))): _value(key, item) for name, item in value.items()}
    raise RecordError(f"the detail {key} is a {type(value).__name__}: write numbers, words, times or lists of them")


def instant(at: datetime) -> str:
    """A time as it stands in digests and documents: UTC, microseconds, a Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def canonical(content: Content) -> bytes:
    """The octets that a digest covers: JSON with sorted keys, times as `instant`, octets as hex."""
    return json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False, default=_plain
    ).encode()


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return str(value)


def digest_of(content: Content) -> bytes:
    """SHA-256 of a row's content."""
    return hashlib.sha256(canonical(content)).digest()


def link(before: bytes, entry: Entry) -> bytes:
    """The hash of an entry, built on the one before. The entry's own ``hash`` is not read."""
    place = [
        entry.position,
        entry.source,
        entry.key,
        entry.municipality,
        instant(entry.at),
        instant(entry.chained_at),
    ]
    return hashlib.sha256(_DOMAIN + before + json.dumps(place).encode() + entry.digest).digest()


def head_octets(position: int, hash_: bytes, at: datetime) -> bytes:
    """What the signature of a head covers."""
    return f"livlina-head-1\n{position}\n{hash_.hex()}\n{instant(at)}\n".encode()


def pruning_octets(source: str, position: int, hash_: bytes, at: datetime) -> bytes:
    """What the signature of a pruning covers."""
    return f"livlina-pruning-1\n{source}\n{position}\n{hash_.hex()}\n{instant(at)}\n".encode()
