"""Every breadcrumb that has a code is left by somebody: a code that nobody drops explains no restart."""

from __future__ import annotations

import re
from pathlib import Path

from firmware.ports import breadcrumbs

FIRMWARE = Path(breadcrumbs.__file__).parents[1]


def test_every_code_is_dropped_somewhere() -> None:
    numbers = {name for name, value in vars(breadcrumbs).items() if name.isupper() and isinstance(value, int)}
    codes = numbers - {"MOST", "TYPE_CHECKING"}
    sources = "".join(path.read_text(encoding="utf-8") for path in FIRMWARE.rglob("*.py"))
    dropped = set(re.findall(r"(?:drop|_leave_crumb)\([^)]*?breadcrumbs\.([A-Z_]+)", sources))
    assert codes == dropped
    assert set(breadcrumbs.RARE) <= {getattr(breadcrumbs, name) for name in codes}
