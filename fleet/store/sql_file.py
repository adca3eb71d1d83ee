"""Named SQL statements out of a file: ``-- name: take_case`` starts one, the lines under it are its text."""

from __future__ import annotations

import re
from importlib import resources
from typing import LiteralString, cast

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


def read_statements(package: str, file: str = "queries.sql") -> dict[str, LiteralString]:
    """All named statements of ``file`` inside ``package``.

    The text is trusted, because it ships with the code; values only ever travel as parameters.
    Raises ValueError for a name given twice or text before the first name that is not a comment.
    """
    text = resources.files(package).joinpath(file).read_text(encoding="utf-8")
    parts = _NAME.split(text)
    stray = [line for line in parts[0].splitlines() if line.strip() and not line.startswith("--")]
    if stray:
        raise ValueError(f"{package}/{file}: text before the first '-- name:' line: {stray[0]!r}")
    found: dict[str, LiteralString] = {}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        if name in found:
            raise ValueError(f"{package}/{file}: the name {name!r} stands twice")
        found[name] = cast(LiteralString, body.strip())
    return found
