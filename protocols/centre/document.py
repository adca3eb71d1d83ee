"""The normalized alarm and its reply as JSON: out, in, and as a JSON Schema that partners can build on.

One JSON object a message; every facet is there, `null` where it is not known, so that a reader needs no defaults.
Octets are lower-case hex, times ISO 8601 with their zone. Reading is strict: a name that is not in the model, a value
of another kind or a time without a zone is refused with its place in the document. Nothing here judges an alarm.
"""

from __future__ import annotations

import json
import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from protocols.centre.alarm import MODEL_VERSION, Alarm, Reply

SCHEMA_ID = f"urn:livlina:normalized-alarm:{MODEL_VERSION}"
LONGEST = 262_144
"""Octets of a document that is read."""

Json = Any
Model = TypeVar("Model")


class DocumentError(ValueError):
    """The document is no alarm (or reply) of this model; the message names the place in it and what belongs there."""


@cache
def _hints(model: type) -> dict[str, Any]:
    return get_type_hints(model)


def _optional(hint: Any) -> tuple[Any, bool]:
    """The hint without None, and whether None was in it."""
    if get_origin(hint) in (Union, types.UnionType):
        rest = [one for one in get_args(hint) if one is not type(None)]
        if len(rest) == 1:
            return rest[0], True
    return hint, False


_NOT_IN_A_LINE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def to_json(value: Any) -> Json:
    """A model (Alarm, Reply or a part of one) as what ``json.dumps`` takes."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {name: to_json(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return [to_json(part) for part in value]
    return value


def schema_text() -> str:
    """The schema as it is published in docs/, byte for byte."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def line(value: Alarm | Reply) -> str:
    """One line of JSON lines, without its newline."""
    return one_line(to_json(value), compact=True)


def one_line(value: Json, *, compact: bool = False) -> str:
    """JSON that is one line to every reader: some end a line at NEL or U+2028 too. A terminal obeys nothing in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":") if compact else None)
    return _NOT_IN_A_LINE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def read_alarm(text: str | bytes) -> Alarm:
    """The alarm in a JSON document. Facets that are left out take their defaults. Raises DocumentError."""
    if len(text) > LONGEST:
        raise DocumentError(f"the document is longer than {LONGEST} octets")
    try:
        document = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_without_repeats)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise DocumentError(f"no JSON document: {error}") from error
    alarm = from_json(document, Alarm)
    if alarm.model_version != MODEL_VERSION:
        raise DocumentError(f"model_version {alarm.model_version} is not {MODEL_VERSION}, which this release reads")
    return alarm


def _refuse_constant(name: str) -> float:
    raise DocumentError(f"{name} is no number of JSON")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise DocumentError("a name stands twice in one object")
    return found


def from_json(document: Json, model: type[Model]) -> Model:
    """A model from what ``json.loads`` gave. Raises DocumentError."""
    found: Model = _model(document, model, "")
    return found


def _model(document: Json, model: Any, place: str) -> Any:
    if not isinstance(document, dict):
        raise DocumentError(f"{place or 'the document'} must be an object")
    known = {field.name: field for field in fields(model)}
    for name in document:
        if name not in known:
            raise DocumentError(f"{_at(place, name)} is not in the model")
    given = {name: _value(document[name], _hints(model)[name], _at(place, name)) for name in known if name in document}
    for name, field in known.items():
        if name not in given and _required(field):
            raise DocumentError(f"{_at(place, name)} is missing")
    return model(**given)


def _required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _at(place: str, name: str | int) -> str:
    return f"{place}.{name}" if place else str(name)


def _value(value: Json, hint: Any, place: str) -> Any:
    hint, optional = _optional(hint)
    if value is None:
        if optional:
            return None
        raise DocumentError(f"{place} must not be null")
    origin = get_origin(hint)
    if origin is tuple:
        part = get_args(hint)[0]
        if not isinstance(value, list):
            raise DocumentError(f"{place} must be an array")
        return tuple(_value(one, part, _at(place, index)) for index, one in enumerate(value))
    if origin is Mapping:
        part = get_args(hint)[1]
        if not isinstance(value, dict):
            raise DocumentError(f"{place} must be an object")
        return {name: _value(one, part, _at(place, name)) for name, one in value.items()}
    if is_dataclass(hint):
        return _model(value, hint, place)
    return _scalar(value, hint, place)


def _scalar(value: Json, hint: Any, place: str) -> Any:
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        if value not in {one.value for one in hint}:
            raise DocumentError(f"{place} must be one of {', '.join(one.value for one in hint)}")
        return hint(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint in (bool, int, float):
        # A boolean is an integer to Python and none to anybody else.
        if type(value) is not hint:
            raise DocumentError(f"{place} must be a {hint.__name__}")
        return value
    if not isinstance(value, str):
        raise DocumentError(f"{place} must be a string")
    if hint is datetime:
        return _time(value, place)
    if hint is bytes:
        try:
            return bytes.fromhex(value)
        except ValueError as error:
            raise DocumentError(f"{place} must be octets as hex digits") from error
    return value


def _time(text: str, place: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise DocumentError(f"{place} must be an ISO 8601 time") from error
    if at.tzinfo is None:
        raise DocumentError(f"{place} must have a time zone")
    return at


def schema() -> dict[str, Json]:
    """The JSON Schema (2020-12) of the normalized alarm. Same model, same schema."""
    parts: dict[str, Json] = {}
    _schema_of(Alarm, parts)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Normalized alarm",
        **parts.pop(Alarm.__name__),
        "$defs": {name: parts[name] for name in sorted(parts)},
    }


_SCALARS: dict[Any, Json] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    datetime: {"type": "string", "format": "date-time"},
    bytes: {"type": "string", "pattern": "^([0-9a-f]{2})*$"},
}


def _schema_of(hint: Any, parts: dict[str, Json]) -> Json:
    hint, optional = _optional(hint)
    if optional:
        return {"anyOf": [_schema_of(hint, parts), {"type": "null"}]}
    origin = get_origin(hint)
    if origin is tuple:
        return {"type": "array", "items": _schema_of(get_args(hint)[0], parts)}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _schema_of(get_args(hint)[1], parts)}
    if hint in _SCALARS:
        return _SCALARS[hint]
    if issubclass(hint, StrEnum):
        parts[hint.__name__] = {"type": "string", "enum": [one.value for one in hint]}
    else:
        parts[hint.__name__] = {}
        parts[hint.__name__] = {
            "type": "object",
            "description": (hint.__doc__ or "").split("\n\n")[0].replace("\n    ", " "),
            "properties": {field.name: _schema_of(_hints(hint)[field.name], parts) for field in fields(hint)},
            "required": [field.name for field in fields(hint) if _required(field)],
            "additionalProperties": False,
        }
    return {"$ref": f"#/$defs/{hint.__name__}"}
