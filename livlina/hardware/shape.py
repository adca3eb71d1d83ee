"""A small strict reader of the JSON Schema in hardware/schema: enough for board.toml, with errors that name the place.

Tests hold it against the `jsonschema` package. Keywords that it does not know are refused when the schema is loaded, so
that nothing in the schema is silently not checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_KNOWN = {
    "$schema", "title", "type", "additionalProperties", "required", "properties", "items", "minItems", "enum",
    "minimum", "maximum", "pattern", "$ref", "$defs",
}  # fmt: skip
_TYPES: dict[str, type] = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}


class ShapeError(ValueError):
    """The schema itself asks for something that this reader does not check."""


def refuse_unknown(schema: Any, names: bool = False) -> None:
    """Raises ShapeError for a keyword that `offences` would not look at. `names`: the keys are names, not keywords."""
    if not isinstance(schema, dict):
        return
    strange = set() if names else set(schema) - _KNOWN
    if strange:
        raise ShapeError(f"the schema has a keyword that nobody checks: {', '.join(sorted(strange))}")
    for key, value in schema.items():
        if key not in ("enum", "required", "additionalProperties"):
            refuse_unknown(value, not names and key in ("properties", "$defs"))


def offences(value: Any, schema: dict[str, Any], whole: dict[str, Any], place: str = "") -> Iterator[str]:
    """What of `value` does not fit, as "place: what is wrong". `whole` is the schema that `$ref` points into."""
    if "$ref" in schema:
        schema = whole["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    here = place or "the file"
    if "enum" in schema and not any(value == one and type(value) is type(one) for one in schema["enum"]):
        yield f"{here}: {value!r} is none of {', '.join(map(str, schema['enum']))}"
    if "type" in schema and not _is(value, schema["type"]):
        yield f"{here}: {value!r} is not of the type {schema['type']}"
    elif isinstance(value, dict):
        yield from _of_object(value, schema, whole, place)
    elif isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            yield f"{here}: at least {schema['minItems']} entry is wanted"
        for number, one in enumerate(value):
            yield from offences(one, schema.get("items", {}), whole, f"{place}[{number}]")
    elif isinstance(value, str):
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{here}: {value!r} is not written like {schema['pattern']}"
    elif isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{here}: {value} is not between {schema.get('minimum', '-')} and {schema.get('maximum', '-')}"


def _is(value: Any, name: str) -> bool:
    # A boolean is an int in Python, and none in JSON.
    return isinstance(value, _TYPES[name]) and not (name == "integer" and isinstance(value, bool))


def _of_object(
    value: dict[str, Any], schema: dict[str, Any], whole: dict[str, Any], place: str
) -> Iterator[str]:  # fmt: skip
    known = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in value:
            yield f"{place or 'the file'}: {name} is missing"
    for name, part in value.items():
        inside = f"{place}.{name}" if place else name
        if name in known:
            yield from offences(part, known[name], whole, inside)
        elif schema.get("additionalProperties") is False:
            yield f"{inside}: nobody reads this"
