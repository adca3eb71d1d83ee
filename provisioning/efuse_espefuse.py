"""What a bench burns into a chip for good, by espefuse. Every burn is asked for by a plan of a production board.

Burning is not repeatable, so each function first reads whether it is done: a station that was killed goes on. Raises
ToolError with espefuse's words; what was burnt stays burnt.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from provisioning import tool
from provisioning.flash_esptool import Port

DIGEST_BYTES = 32


class EfuseConflict(Exception):
    """The chip holds something else already: it is another fleet's, or was begun with another key. Scrap it."""


def summary(port: Port) -> dict[str, Any]:
    """Every field by its name, as espefuse's JSON has it."""
    with tempfile.TemporaryDirectory(prefix="efuse.") as folder:
        made = Path(folder) / "summary.json"
        _run(port, "summary", "--format", "json", "--file", made)
        found: dict[str, Any] = json.loads(made.read_bytes())
    return found


def burn_digest(port: Port, block: str, purpose: str, digest: bytes) -> bool:
    """Burn a secure boot key digest into a block; True if this call burnt it, False if it was there.

    Raises EfuseConflict if the block has another purpose or content.
    """
    if len(digest) != DIGEST_BYTES:
        raise ValueError(f"a secure boot digest is {DIGEST_BYTES} bytes, not {len(digest)}")
    fields = summary(port)
    held = bytes.fromhex(str(fields[block]["value"]).replace(" ", ""))
    named = str(fields[f"KEY_PURPOSE_{block.removeprefix('BLOCK_KEY')}"]["value"])
    if held == digest and named == purpose:
        return False
    if held.strip(b"\0") or named not in ("USER", "0"):
        raise EfuseConflict(f"{block} is in use ({named}) with another content; this board is not ours to finish")
    with tempfile.TemporaryDirectory(prefix="efuse.") as folder:
        path = Path(folder) / "digest.bin"
        path.write_bytes(digest)
        _run(port, "burn-key", block, path, purpose)
    return True


def burn_read_protected_key(port: Port, block: str, purpose: str, key: bytes) -> bool:
    """Burn a 32-byte key that software can never read back; False if the block has that purpose already.

    What is in the block cannot be compared, so the caller must know from its journal whose key it is.
    """
    fields = summary(port)
    named = str(fields[f"KEY_PURPOSE_{block.removeprefix('BLOCK_KEY')}"]["value"])
    if named == purpose:
        return False
    if named not in ("USER", "0"):
        raise EfuseConflict(f"{block} is in use for {named}; this board is not ours to finish")
    with tempfile.TemporaryDirectory(prefix="efuse.") as folder:
        path = Path(folder) / "key.bin"
        path.touch(mode=0o600)
        path.write_bytes(key)
        _run(port, "burn-key", block, path, purpose)
    return True


def _run(port: Port, *words: str | Path) -> str:
    return tool.run("espefuse", "--chip", port.chip, "--port", port.url, "--do-not-confirm", *words)
