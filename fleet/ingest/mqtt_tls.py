"""TLS at the MQTT front door: nobody gets in without a certificate of our own authority, and its name is the unit."""

from __future__ import annotations

import hashlib
import logging
import re
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

log = logging.getLogger(__name__)

_NO_CHECK_TIME: Final = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL
_UNIT_ID: Final = re.compile(r"[0-9a-f]{8}")

_REASONS: Final = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "tls_no_certificate",
    "CERTIFICATE_VERIFY_FAILED": "tls_foreign_certificate",
}


class TlsFolderError(RuntimeError):
    """The folder with the server's certificate is incomplete; the message says what is missing."""


class Identity(NamedTuple):
    """Whose certificate it is: the unit's number, its text form, and the certificate's SHA-256."""

    unit: int
    name: str
    fingerprint: bytes


def server_context(folder: Path, failed: Callable[[str], None]) -> ssl.SSLContext:
    """TLS 1.2 or newer, our certificate, and clients with a certificate of ``ca.pem`` only. Raises TlsFolderError.

    ``failed`` gets a counter's name for each handshake that fails; event loops keep such failures to themselves.
    The dates of certificates are not looked at (decision D3): a unit ends by being revoked, never by a calendar.
    A new workshop's certificate that is put into ``ca.pem`` counts from the next handshake on.
    """
    missing = [name for name in ("ca.pem", "server.pem", "server.key") if not (folder / name).is_file()]
    if missing:
        raise TlsFolderError(f"{folder} lacks {', '.join(missing)}: issue the server's certificate with provisioning")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslobject_class = _reporting(failed, _Trust(context, folder / "ca.pem").renew)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= _NO_CHECK_TIME
    # Units do not resume sessions; tickets would only cost them bytes on the air.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    try:
        context.load_verify_locations(folder / "ca.pem")
        context.load_cert_chain(folder / "server.pem", folder / "server.key")
    except (ssl.SSLError, OSError) as error:
        raise TlsFolderError(f"the certificates in {folder} cannot be used: {error}") from error
    return context


def identity_of(ssl_object: Any) -> Identity | None:
    """The identity of a verified client certificate; None where its common name is no unit id."""
    der = ssl_object.getpeercert(True)
    fields = dict(pair for group in (ssl_object.getpeercert() or {}).get("subject", ()) for pair in group)
    name = fields.get("commonName", "")
    if der is None or not _UNIT_ID.fullmatch(name) or not int(name, 16):
        return None
    return Identity(int(name, 16), name, hashlib.sha256(der).digest())


class _Trust:
    """Reads the file of trusted certificates again when it has changed. What was believed once stays believed until the
    server starts anew: only additions matter while it runs, since a unit ends by its row in the registry."""

    def __init__(self, context: ssl.SSLContext, file: Path) -> None:
        self._context = context
        self._file = file
        self._seen = self._state()

    def _state(self) -> tuple[int, int] | None:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino

    def renew(self) -> None:
        """One look at the file; a file that cannot be read changes nothing."""
        state = self._state()
        if state is None or state == self._seen:
            return
        self._seen = state
        try:
            self._context.load_verify_locations(self._file)
        except (ssl.SSLError, OSError) as error:
            log.error("%s has changed and cannot be read: %s", self._file, error)


def _reporting(failed: Callable[[str], None], renew: Callable[[], None]) -> type[ssl.SSLObject]:
    class Reporting(ssl.SSLObject):
        def do_handshake(self) -> None:
            renew()
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError as error:
                failed(_REASONS.get(error.reason, "tls_handshake"))
                raise

    return Reporting
