"""TLS towards a centre: by an authority, or by the very certificate that is pinned. It decides whom to believe."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ssl

__all__ = ["PinError", "check_pin", "client_context"]


class PinError(OSError):
    """The centre's certificate is not the pinned one: somebody else may be answering. Nothing was sent."""


def client_context(authorities: str | None = None, pin: bytes | None = None) -> ssl.SSLContext:
    """A client's context, TLS 1.2 or newer: verified by these authorities (PEM text) or the system's.

    A pinned certificate is judged by its hash alone (`check_pin`), so no authority is asked about it and its name may
    be anything. Raises ValueError for text that holds no certificate.
    """
    none = "there is no certificate in PEM form among the authorities"
    if authorities is not None and not (authorities.isascii() and authorities.strip()):
        raise ValueError(none)
    try:
        context = ssl.create_default_context(cadata=authorities)
    except (ssl.SSLError, ValueError):
        raise ValueError(none) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if pin is not None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def check_pin(writer: asyncio.StreamWriter, pin: bytes | None) -> None:
    """Before a word is said: raises PinError unless the peer shows the certificate with this SHA-256 (of its DER)."""
    if pin is None:
        return
    tls = writer.get_extra_info("ssl_object")
    certificate = tls.getpeercert(binary_form=True) if tls is not None else None
    if certificate is None or not hmac.compare_digest(hashlib.sha256(certificate).digest(), pin):
        raise PinError("the centre's certificate is not the one that is pinned; nothing was sent")
