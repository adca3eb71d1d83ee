"""What requests may hold and how pages of a list go on: bounds for every text and number, cursors, problem documents.

A text has no control characters and no lone surrogates, a number fits the database's: whatever else comes is answered
with 422 and never reaches a statement.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

LARGEST = 2**63 - 1
LARGEST_NUMBER = 2**31 - 1
MOST = 200

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def _plain(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("control characters are not taken")
    return text


def _in_range(at: datetime) -> datetime:
    if not 1971 <= at.year <= 2999:
        raise ValueError("a time between the years 1971 and 2999")
    return at.astimezone(UTC)


Word = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_plain)]
Sentence = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_plain)]
Moment = Annotated[AwareDatetime, AfterValidator(_in_range)]
Municipality = Annotated[int, Field(ge=1, le=LARGEST_NUMBER)]
Key = Annotated[int, Path(ge=1, le=LARGEST, description="The number of the resource.")]
SmallKey = Annotated[int, Path(ge=1, le=LARGEST_NUMBER, description="The number of the resource.")]
UnitId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}$")]
UnitPath = Annotated[str, Path(pattern=r"^[0-9a-f]{8}$", description="Eight hexadecimal digits, lower case.")]
Limit = Annotated[int, Query(ge=1, le=MOST, description="How many at most.")]
Cursor = Annotated[
    str | None, Query(max_length=400, pattern=r"^[A-Za-z0-9_-]*$", description="`next` of the page before; opaque.")
]
OfMunicipality = Annotated[int | None, Query(ge=1, le=LARGEST_NUMBER, description="Of this municipality only.")]
LIMIT = 50


class Body(BaseModel):
    """A request's body: nothing beyond what is documented, no type that is merely alike."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Empty(Body):
    """An empty object."""


class Refused(Exception):
    """An answer that is a problem document; it undoes the transaction that it is raised in."""

    def __init__(self, status: int, detail: str, **members: object) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.members = members


def not_found(what: str) -> Refused:
    """404, the same for what is not there and what is somebody else's."""
    return Refused(404, f"there is no such {what} that you may see")


def unit_number(text: str) -> int:
    """The number of a unit's id."""
    number = int(text, 16)
    if number == 0:
        raise not_found("unit")
    return number


def plain(value: Any) -> Any:
    """Rows as JSON has them: times in ISO 8601 with a Z, octets as hex."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value


def cursor_for(*values: object) -> str:
    """An opaque cursor of the last row's key."""
    text = json.dumps([plain(value) for value in values], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def cursor_values(text: str | None, *kinds: Callable[[Any], Any]) -> list[Any]:
    """The values of a cursor, or as many None. Raises Refused (422) for a cursor that is not one of ours."""
    if not text:
        return [None] * len(kinds)
    try:
        values = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if not isinstance(values, list) or len(values) != len(kinds):
            raise ValueError
        return [kind(value) for kind, value in zip(kinds, values, strict=True)]
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise Refused(422, "that is no cursor of this list: begin without one") from None


def number_of(value: Any) -> int:
    """A number of a cursor. Raises ValueError."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST:
        raise ValueError
    return value


def moment_of(value: Any) -> datetime:
    """A time of a cursor. Raises ValueError."""
    if not isinstance(value, str) or len(value) > 40:
        raise ValueError
    at = datetime.fromisoformat(value)
    if at.tzinfo is None:
        raise ValueError
    return _in_range(at)


def listed(rows: Sequence[Any], limit: int, key: Callable[[Any], Sequence[object]]) -> dict[str, Any]:
    """One page of a list out of ``limit + 1`` rows: ``items``, and ``next`` where there are more."""
    more = len(rows) > limit
    kept = rows[:limit]
    return {"items": [plain(row) for row in kept], "next": cursor_for(*key(kept[-1])) if more else None}


def etag_of(document: object) -> str:
    """A strong validator of a document as it is answered."""
    text = json.dumps(plain(document), sort_keys=True, ensure_ascii=True)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
