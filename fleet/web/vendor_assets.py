"""Copies third-party browser code out of node_modules: ``python -m fleet.web.vendor_assets NODE_MODULES``.

Only the files named here are shipped; one that is missing is an error, never a page that half works.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

FILES = {
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
    "htmx.org/LICENSE": "htmx.LICENSE",
    "zxing-wasm/dist/iife/reader/index.js": "zxing-reader.js",
    "zxing-wasm/dist/reader/zxing_reader.wasm": "zxing_reader.wasm",
    "zxing-wasm/LICENSE": "zxing.LICENSE",
}
TARGET = Path(__file__).parent / "static" / "vendor"


class AssetError(RuntimeError):
    """A file that the pages need is not there."""


def copy_assets(node_modules: Path, target: Path = TARGET) -> list[Path]:
    """Copies all of FILES and returns the new paths. Raises AssetError before anything is copied."""
    missing = [source for source in FILES if not (node_modules / source).is_file()]
    if missing:
        raise AssetError(f"{node_modules} has no {', '.join(missing)}: run npm ci --ignore-scripts there first")
    target.mkdir(parents=True, exist_ok=True)
    return [Path(shutil.copyfile(node_modules / source, target / name)) for source, name in FILES.items()]


def main(arguments: list[str]) -> int:
    """0 when every file is in place."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m fleet.web.vendor_assets NODE_MODULES\n")
        return 2
    try:
        copied = copy_assets(Path(arguments[0]))
    except AssetError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{len(copied)} files in {TARGET}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
