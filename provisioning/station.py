"""A station's folder: numbers that are taken, and what is kept of each board that is not finished.

    numbers/0000002a         the MAC that this unit number was taken for; never removed, so no number is used twice
    numbers/0000002a.closed  that number's identity was taken back
    boards/<mac>/journal     what has been done (provisioning.journal)
    boards/<mac>/identity.json  the identity, mode 0600, until the ledger has its row; then it is removed

Every file appears whole or not at all. Several processes may work in one folder.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from provisioning.ca import AuthorityError, UnitCertificate
from provisioning.files import create_private
from provisioning.identity import Identity, make_identity
from provisioning.journal import Journal, look


@dataclass(frozen=True)
class Made:
    """An identity with its certificate. Neither secret is ever shown."""

    identity: Identity
    certificate: UnitCertificate = field(repr=False)


class Signer(Protocol):
    """Who signs units: the root (provisioning.ca), or a station's credential (provisioning.issuing)."""

    @property
    def ca_der(self) -> bytes:
        """The certificate that units trust."""

    def issue_unit(self, unit: int) -> UnitCertificate:
        """A new key and certificate for a unit."""


class Station:
    """`signer` None makes no new identities. `first` is the lowest number that this station gives; stations of one
    fleet must have ranges of their own."""

    def __init__(self, folder: Path, signer: Signer | None, first: int = 1) -> None:
        self.folder = folder
        self._signer = signer
        self._first = first
        for name in ("numbers", "boards"):
            (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def ca_der(self) -> bytes:
        """The certificate that units trust."""
        return self._signing().ca_der

    def _signing(self) -> Signer:
        if self._signer is None:
            raise AuthorityError("this needs the root or a station's credential")
        return self._signer

    def journal(self, mac: str) -> Journal:
        """The journal of the board with this MAC."""
        return Journal(self._board(mac) / "journal")

    def identity(self, mac: str) -> Made:
        """The identity of an unfinished board: the one that it has, else a new one under a number never used."""
        path = self._board(mac) / "identity.json"
        if not path.exists():
            unit = self.number_of(mac) or self._take(mac)
            made, certificate = make_identity(unit), self._signing().issue_unit(unit)
            words = {
                "unit": unit,
                "generation": made.generation,
                "secret": made.secret16.hex(),
                "cert": certificate.cert_der.hex(),
                "key": certificate.key_der.hex(),
                "fingerprint": certificate.fingerprint_sha256.hex(),
                "serial": certificate.serial,
            }
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            create_private(path, json.dumps(words).encode())
        held = json.loads(path.read_bytes())
        return Made(
            Identity(held["unit"], held["generation"], bytes.fromhex(held["secret"])),
            UnitCertificate(
                bytes.fromhex(held["cert"]),
                bytes.fromhex(held["key"]),
                bytes.fromhex(held["fingerprint"]),
                held["serial"],
            ),
        )

    def number_of(self, mac: str) -> int | None:
        """The number that is taken for a board and was not taken back."""
        for path in sorted((self.folder / "numbers").iterdir()):
            open_number = not path.suffix and not path.name.startswith(".")
            if open_number and path.read_text() == mac and not path.with_suffix(".closed").exists():
                return int(path.name, 16)
        return None

    def close_number(self, unit: int) -> None:
        """No board of this number is under work any more. Once is enough; again does nothing."""
        path = self.folder / "numbers" / f"{unit:08x}.closed"
        if not path.exists():
            create_private(path, b"")

    def forget(self, mac: str) -> None:
        """Remove the secrets and the journal of a board that is finished or taken back; again does nothing."""
        for path in self._board(mac).glob(".identity.json.*"):
            path.unlink(missing_ok=True)  # Of a station that was killed while it wrote.
        for name in ("identity.json", "journal"):
            (self._board(mac) / name).unlink(missing_ok=True)

    def unfinished(self) -> list[str]:
        """MACs of the boards that have a number and no end."""
        return sorted(
            path.read_text()
            for path in (self.folder / "numbers").iterdir()
            if not path.suffix and not path.name.startswith(".") and not path.with_suffix(".closed").exists()
        )

    def begun_for(self, order: str) -> set[str]:
        """MACs of the unfinished boards of an order."""
        return {mac for mac in self.unfinished() if look(self._board(mac) / "journal", "connect").get("order") == order}

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else in this folder does what is done in here."""
        descriptor = os.open(self.folder / "numbers.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _take(self, mac: str) -> int:
        unit = self._first
        while True:
            try:
                create_private(self.folder / "numbers" / f"{unit:08x}", mac.encode())
            except FileExistsError:
                unit += 1
            else:
                return unit

    def _board(self, mac: str) -> Path:
        return self.folder / "boards" / mac.replace(":", "")
