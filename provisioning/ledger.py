"""What has been done to every board, for ever: one signed line a deed, each bound to the one before.

A line is JSON: `n` from 1, `at` (ISO 8601, UTC, the station's clock), `kind`, `unit`, `mac`, `facts`, `before`
(SHA-256 of the line before, hex, empty in the first) and `signature` (Ed25519 by the station's key over the line
without it, keys sorted). Nothing is ever changed; a later line says what is so now. No secret goes in. A last line
without its end was never acknowledged and is cut off by the next `append`.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from provisioning.files import create_private, replace

KINDS = ("provisioned", "abandoned", "repaired", "closed", "returned", "scrapped")
ENDS = ("abandoned", "scrapped", "returned")
"""After these a board does not pass until it is provisioned anew."""


class LedgerError(Exception):
    """The ledger is not what was written: which line, and what is wrong with it."""


@dataclass(frozen=True)
class Row:
    """One line, verified."""

    n: int
    at: str
    kind: str
    unit: int
    mac: str
    facts: Mapping[str, Any]


class Ledger:
    """The ledger of one station: a folder with ledger.jsonl, ledger.key (0600) and ledger.pub."""

    def __init__(self, folder: Path) -> None:
        """Open, or begin it there. Two stations have two ledgers."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / "ledger.jsonl"
        key_path = folder / "ledger.key"
        if not key_path.exists():
            if self._path.exists():
                raise LedgerError(f"{key_path} is missing beside a ledger: restore it from your backup")
            made = Ed25519PrivateKey.generate()
            # Where another process was first, its key counts.
            with suppress(FileExistsError):
                create_private(key_path, made.private_bytes_raw())
        self._key = Ed25519PrivateKey.from_private_bytes(key_path.read_bytes())
        public = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        if not (folder / "ledger.pub").exists():
            replace(folder / "ledger.pub", public, mode=0o644)

    @property
    def public_key(self) -> Ed25519PublicKey:
        """What a reader elsewhere must know, by another way than the ledger."""
        return self._key.public_key()

    def rows(self) -> list[Row]:
        """Every line, verified. Raises LedgerError at the first that is wrong."""
        return verified(self._whole(), self.public_key)

    def append(self, kind: str, unit: int, mac: str, facts: Mapping[str, Any], at: datetime) -> Row:
        """Write one line; durable when this returns. Raises LedgerError if what is there is not right."""
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is no deed: one of {', '.join(KINDS)}")
        with self._alone():
            whole = self._whole()
            rows = verified(whole, self.public_key)
            line = self._line(len(rows) + 1, kind, unit, mac, facts, at, whole)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                os.ftruncate(descriptor, len(whole))
                os.pwrite(descriptor, line, len(whole))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        return Row(len(rows) + 1, at.isoformat(), kind, unit, mac, dict(facts))

    def last_of_board(self, mac: str) -> Row | None:
        """What was last done to the board with this MAC."""
        return next((row for row in reversed(self.rows()) if row.mac == mac), None)

    def of_unit(self, unit: int) -> list[Row]:
        """Everything about a unit number."""
        return [row for row in self.rows() if row.unit == unit]

    def export(self) -> bytes:
        """The ledger as it goes to somebody else; `verified` reads it with the public key."""
        self.rows()
        return self._whole()

    def _line(
        self, n: int, kind: str, unit: int, mac: str, facts: Mapping[str, Any], at: datetime, whole: bytes
    ) -> bytes:
        before = hashlib.sha256(whole.splitlines(keepends=True)[-1]).hexdigest() if whole else ""
        body = {"n": n, "at": at.isoformat(), "kind": kind, "unit": unit, "mac": mac, "facts": facts, "before": before}
        signature = base64.b64encode(self._key.sign(_signed(body))).decode()
        return json.dumps({**body, "signature": signature}, sort_keys=True).encode() + b"\n"

    def _whole(self) -> bytes:
        """All lines that were acknowledged."""
        content = self._path.read_bytes() if self._path.exists() else b""
        return content[: content.rfind(b"\n") + 1]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        descriptor = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def read_public_key(pem: bytes) -> Ed25519PublicKey:
    """A station's public key as ledger.pub has it. Raises LedgerError."""
    try:
        key = serialization.load_pem_public_key(pem)
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise LedgerError("this is no station's public key: its ledger.pub is")
    return key


def verified(content: bytes, key: Ed25519PublicKey) -> list[Row]:
    """The rows of a ledger or of an export. Raises LedgerError for a line that is cut, changed, missing or moved.

    Lines that were taken off the end cannot be noticed from the file alone: compare `n` with what is known elsewhere.
    """
    rows: list[Row] = []
    before = ""
    for number, line in enumerate(content.splitlines(keepends=True), 1):
        try:
            body = json.loads(line)
            signature = base64.b64decode(body.pop("signature"), validate=True)
            key.verify(signature, _signed(body))
            row = Row(body["n"], body["at"], body["kind"], body["unit"], body["mac"], body["facts"])
        except (ValueError, KeyError, TypeError, AttributeError, InvalidSignature):
            raise LedgerError(f"line {number} of the ledger is damaged or was not written by this station") from None
        if not line.endswith(b"\n") or row.n != number or body["before"] != before:
            raise LedgerError(f"line {number} of the ledger does not follow line {number - 1}")
        before = hashlib.sha256(line).hexdigest()
        rows.append(row)
    return rows


def _signed(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
