"""Stations' credentials: keys under the root that sign units for some days, so that the root's key can lie in a safe.

`StationCredential` is one file of mode 0600 on a station: its key, its certificate, the root's certificate. Or its key
lies in a token (provisioning.token), and the file holds the certificates.
`IssuerBook` is the fleet's public list of them, beside the root's certificate:

    issuers/<serial>.pem      a station's certificate
    issuers/<serial>.revoked  and the reason why it makes no more units

A front door believes the units of every station that was ever in the book: a unit ends by being revoked in the registry
and never because of who made it. What ends with a credential is its right to make new ones; dates decide that here,
since stations and fleets have clocks, and units have none to trust.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from provisioning.ca import ISSUER_PREFIX, AuthorityError, UnitCertificate, read_signer, unit_certificate
from provisioning.files import replace


@dataclass(frozen=True)
class Issuer:
    """A station's certificate as the fleet lists it. `revoked` is the reason, None while it counts."""

    name: str
    serial: int
    begins: datetime
    ends: datetime
    revoked: str | None
    certificate: x509.Certificate


class StationCredential:
    """Signs units as long as its time runs. Takes the place of the root at a station."""

    def __init__(
        self, path: Path, clock: Callable[[], datetime], key: ec.EllipticCurvePrivateKey | None = None
    ) -> None:
        """Read it; `key` is the station's where that lies in a token (provisioning.token), and the file then holds
        certificates only. Raises AuthorityError if it is missing, readable by others, or no credential of one root."""
        try:
            if key is None:
                self._key, certificates = read_signer(path)
            else:
                self._key, certificates = key, _certificates_of(path, key)
        except FileNotFoundError:
            raise AuthorityError(f"{path} is missing: have one made where the root is, `livlina ca station`") from None
        if len(certificates) != 2:
            raise AuthorityError(f"{path} is no station's credential: it has its own certificate and the root's")
        self.certificate, self._root = certificates
        _check_signed(self.certificate, self._root)
        self._clock = clock

    @property
    def ca_der(self) -> bytes:
        """The root's certificate, DER: what units trust."""
        return self._root.public_bytes(serialization.Encoding.DER)

    def issue_unit(self, unit: int) -> UnitCertificate:
        """See provisioning.ca.CertificateAuthority. Raises AuthorityError also when its time is over."""
        now = self._clock()
        if not self.certificate.not_valid_before_utc <= now < self.certificate.not_valid_after_utc:
            raise AuthorityError(
                f"this station's credential runs from {self.certificate.not_valid_before_utc:%Y-%m-%d %H:%M} to "
                f"{self.certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC: have a new one made, `livlina ca station`"
            )
        return unit_certificate(self._key, self.certificate, unit)


class IssuerBook:
    """The list in the folder of an authority, whose root may be elsewhere."""

    def __init__(self, folder: Path) -> None:
        self._root_file = folder / "ca.pem"
        self._folder = folder / "issuers"

    def accept(self, certificate: x509.Certificate) -> Issuer:
        """Put a station's certificate into the list; again does nothing. Raises AuthorityError if it is not ours."""
        _check_signed(certificate, self._root())
        self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        replace(self._place(certificate), certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)
        return self._issuer(certificate)

    def issuers(self) -> list[Issuer]:
        """All that were ever accepted, by name and beginning."""
        found = [self._issuer(x509.load_pem_x509_certificate(path.read_bytes())) for path in self._folder.glob("*.pem")]
        return sorted(found, key=lambda one: (one.name, one.begins, one.serial))

    def revoke(self, name: str, why: str) -> list[Issuer]:
        """No credential of this station makes a unit any more. Those that ended now. Raises AuthorityError."""
        named = [one for one in self.issuers() if one.name == name]
        if not named:
            raise AuthorityError(f"there is no station {name}: `livlina ca stations` lists them")
        for one in named:
            if one.revoked is None:
                replace(self._place(one.certificate).with_suffix(".revoked"), why.encode(), mode=0o644)
        return [one for one in named if one.revoked is None]

    def trust_pem(self) -> bytes:
        """What a front door believes: the root and every station."""
        stations = (one.certificate.public_bytes(serialization.Encoding.PEM) for one in self.issuers())
        return b"".join((self._root_file.read_bytes(), *stations))

    def check(self, unit: UnitCertificate, now: datetime) -> str | None:
        """The station that has made a unit with this certificate, None for the root. Raises AuthorityError if it may
        not be made known now."""
        certificate = x509.load_der_x509_certificate(unit.cert_der)
        root = self._root()
        if certificate.issuer == root.subject:
            _check_signed(certificate, root)
            return None
        for one in self.issuers():
            if one.certificate.subject == certificate.issuer and _is_signed(certificate, one.certificate):
                if one.revoked is not None:
                    raise AuthorityError(f"station {one.name} was revoked ({one.revoked}): it makes no more units")
                if not one.begins <= now < one.ends:
                    raise AuthorityError(f"the credential of station {one.name} has ended: have a new one made")
                return one.name
        raise AuthorityError(
            "no station that this fleet knows has signed this unit: `livlina ca accept` its certificate"
        )

    def _root(self) -> x509.Certificate:
        try:
            return x509.load_pem_x509_certificate(self._root_file.read_bytes())
        except (FileNotFoundError, ValueError):
            raise AuthorityError(f"{self._root_file} is no root's certificate: put the fleet's there") from None

    def _place(self, certificate: x509.Certificate) -> Path:
        return self._folder / f"{certificate.serial_number:040x}.pem"

    def _issuer(self, certificate: x509.Certificate) -> Issuer:
        ended = self._place(certificate).with_suffix(".revoked")
        name = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        return Issuer(
            str(name).removeprefix(ISSUER_PREFIX),
            certificate.serial_number,
            certificate.not_valid_before_utc,
            certificate.not_valid_after_utc,
            ended.read_text() if ended.exists() else None,
            certificate,
        )


def station_of(unit: UnitCertificate) -> str | None:
    """The name of the station that a unit's certificate names as its signer, unverified; None for the root."""
    signer = x509.load_der_x509_certificate(unit.cert_der).issuer
    name = str(signer.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    return name.removeprefix(ISSUER_PREFIX) if name.startswith(ISSUER_PREFIX) else None


def _certificates_of(path: Path, key: ec.EllipticCurvePrivateKey) -> list[x509.Certificate]:
    try:
        certificates = x509.load_pem_x509_certificates(path.read_bytes())
    except ValueError:
        raise AuthorityError(f"{path} holds no certificates") from None
    if certificates[0].public_key() != key.public_key():
        raise AuthorityError(f"{path} is of another key than the token's: name the key that was requested for it")
    return certificates


def _is_signed(certificate: x509.Certificate, signer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(signer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _check_signed(certificate: x509.Certificate, signer: x509.Certificate) -> None:
    if not _is_signed(certificate, signer):
        raise AuthorityError("this certificate is not one of this fleet's root")
