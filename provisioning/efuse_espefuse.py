"""What a bench burns into a chip for good, by espefuse. Every burn is asked for by a plan of a production board.

Burning is not repeatable, so each function first reads whether it is done: a station that was killed goes on. Raises
ToolError with espefuse's words; what was burnt stays burnt.
"""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from provisioning import tool
from provisioning.flash_esptool import Port
from provisioning.off_disk import handed

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


SECURE_BOOT_BLOCK, SECURE_BOOT_PURPOSE = "BLOCK_KEY0", "SECURE_BOOT_DIGEST0"
UNIT_KEY_BLOCK, UNIT_KEY_PURPOSE = "BLOCK_KEY1", "HMAC_UP"
_LAST_BITS = ("SECURE_BOOT_KEY_REVOKE1", "SECURE_BOOT_KEY_REVOKE2", "DIS_PAD_JTAG", "DIS_USB_JTAG", "SECURE_BOOT_EN")
"""Nobody adds a key of his own; no debugger; and, last of all, only signed images from now on."""


def make_production(port: Port, digest: bytes) -> None:
    """All that makes a chip a production one, as far as it is not burnt yet: the secure boot digest, a key of its own
    that no software can read and nobody has kept, no more read protection, and secure boot on.

    What lies in the flash must be signed by then. Raises EfuseConflict, ToolError.
    """
    if len(digest) != DIGEST_BYTES:
        raise ValueError(f"a secure boot digest is {DIGEST_BYTES} bytes, not {len(digest)}")
    fields = summary(port)
    keys = {}
    if not _holds(fields, SECURE_BOOT_BLOCK, SECURE_BOOT_PURPOSE, digest):
        keys[SECURE_BOOT_BLOCK, SECURE_BOOT_PURPOSE] = digest
    if not _holds(fields, UNIT_KEY_BLOCK, UNIT_KEY_PURPOSE, None):
        # For builds that can use it (NVS encryption by HMAC); stock MicroPython does not.
        keys[UNIT_KEY_BLOCK, UNIT_KEY_PURPOSE] = secrets.token_bytes(DIGEST_BYTES)
    if keys:
        _burn_keys(port, keys)
    if fields["RD_DIS"]["writeable"]:
        # Else somebody could hide the digest, and the chip would compare with zeros.
        _run(port, "write-protect-efuse", "RD_DIS")
    missing = [name for name in _LAST_BITS if not fields[name]["value"]]
    if missing:
        _run(port, "burn-efuse", *(word for name in missing for word in (name, "1")))


def production_faults(port: Port, digest: bytes) -> list[str]:
    """What of `make_production` does not hold, as sentences."""
    fields = summary(port)
    faults = []
    if str(fields[SECURE_BOOT_BLOCK]["value"]).replace(" ", "") != digest.hex():
        faults.append("the secure boot digest in the chip is not ours")
    key = fields[UNIT_KEY_BLOCK]
    if str(fields["KEY_PURPOSE_1"]["value"]) != UNIT_KEY_PURPOSE or key["readable"] or key["writeable"]:
        faults.append("the chip's own key is missing, or can be read or written")
    if fields["RD_DIS"]["writeable"]:
        faults.append("the chip's secure boot digest can still be hidden")
    faults += [f"{name} is not burnt" for name in _LAST_BITS if not fields[name]["value"]]
    return faults


def close_download_mode(port: Port) -> None:
    """The last thing that a cable says to this chip: it goes into download mode no more. Raises ToolError."""
    _run(port, "burn-efuse", "DIS_DOWNLOAD_MODE", "1")


def secure_boot_digest(port: Port) -> bytes | None:
    """Whose images the chip starts, as the digest of that key; None while it starts any. Of several the first."""
    fields = summary(port)
    if not fields["SECURE_BOOT_EN"]["value"]:
        return None
    return bytes.fromhex(str(fields[SECURE_BOOT_BLOCK]["value"]).replace(" ", ""))


def _holds(fields: Mapping[str, Any], block: str, purpose: str, content: bytes | None) -> bool:
    """Whether a block has this purpose and content already; None: any, which nobody can read. Raises EfuseConflict
    where it is somebody else's."""
    named = str(fields[f"KEY_PURPOSE_{block.removeprefix('BLOCK_KEY')}"]["value"])
    held = str(fields[block]["value"]).replace(" ", "")
    if named == purpose and (content is None or held == content.hex()):
        return True
    if named not in ("USER", "0") or held.strip("0"):
        raise EfuseConflict(f"{block} is in use ({named}) with another content: scrap this board")
    return False


def _burn_keys(port: Port, keys: Mapping[tuple[str, str], bytes]) -> None:
    """Each becomes protected from writing, and from reading where its purpose allows, in the same command."""
    with handed(list(keys.values())) as files:
        blocks = [(block, path, purpose) for (block, purpose), path in zip(keys, files.paths, strict=True)]
        _run(port, "burn-key", *(word for words in blocks for word in words), inherits=files.descriptors)


def _run(port: Port, *words: str | Path, inherits: Sequence[int] = ()) -> str:
    command = ("--chip", port.chip, "--port", port.url, "--do-not-confirm", *words)
    return tool.run("espefuse", *command, inherits=inherits)
