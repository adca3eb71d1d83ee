"""Results kept on disk for other processes that work on the same: `kept(folder, key, make)`.

For results that follow from the key alone and take long to make; the folder's name must say which tool made them. A
file appears whole, and one that is damaged all the same is noticed by its digest and made anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from provisioning.files import replace


def kept(folder: Path, key: str, make: Callable[[], object]) -> Any:
    """What was made of this key, from `folder`, or else made now and put there: as JSON gives it back. Raises OSError
    where the folder cannot be written."""
    file = folder / _digest(key)
    text = _read(file)
    if text is None:
        text = json.dumps(make())
        folder.mkdir(parents=True, exist_ok=True)
        replace(file, f"{_digest(text)}\n{text}".encode(), mode=0o644)
    return json.loads(text)


def _read(file: Path) -> str | None:
    try:
        digest, _, text = file.read_bytes().decode(errors="replace").partition("\n")
    except FileNotFoundError:
        return None
    return text if digest == _digest(text) else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
