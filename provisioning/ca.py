"""The smallest certificate authority that a fleet needs: one root that signs servers and units.

Keys are P-256. Every certificate is valid from 1970 to 9999 (decision D3): a unit whose clock is wrong must still
reach its fleet, so dates never decide; a certificate ends by being revoked in the fleet's registry.

The authority is one folder:
    authority.pem   the private key and the root certificate together, mode 0600; never leaves the folder
    authority.token in its place, where the key lies in a PKCS #11 token (provisioning.token): which
    ca.pem, ca.der  the root certificate alone, public, made again from authority.pem when missing

It keeps no list of what it has issued and reads no clock. The root's key may be taken away to a safe; what signs units
then is `provisioning.issuing`.
"""

from __future__ import annotations

import ipaddress
import re
import stat
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from provisioning.files import create_private, replace

NOT_BEFORE = datetime(1970, 1, 1, tzinfo=UTC)
NOT_AFTER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)  # RFC 5280 section 4.1.2.5: no well-defined end
AUTHORITY_FILE = "authority.pem"
TOKEN_FILE = "authority.token"  # noqa: S105 - a file's name
ROOT_NAME = "Livlina root"
ISSUER_PREFIX = "Livlina station "
_ISSUER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,39}")
MAX_COMMON_NAME = 64  # RFC 5280 appendix A, ub-common-name


class AuthorityError(Exception):
    """The authority's folder cannot be used, or it was asked for a certificate that it must not sign."""


@dataclass(frozen=True)
class UnitCertificate:
    """What a unit shows to the front door. Both DER forms are what MicroPython's `load_cert_chain` takes.

    `key_der` is PKCS #8 and secret. `fingerprint_sha256` is the 32-byte SHA-256 of `cert_der`. `serial` is a positive
    integer of up to 159 bits.
    """

    cert_der: bytes
    key_der: bytes = field(repr=False)
    fingerprint_sha256: bytes
    serial: int


class CertificateAuthority:
    """Signs server and unit certificates with the root key of one folder."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate, folder: Path) -> None:
        """Use `create`, `load` or `open` instead."""
        self._key = key
        self._certificate = certificate
        self.folder = folder

    @classmethod
    def create(cls, folder: Path) -> CertificateAuthority:
        """Make a new root in `folder` (made if missing, mode 0700). Raises AuthorityError if there is one already."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _root_certificate(key)
        try:
            create_private(folder / AUTHORITY_FILE, _key_pem(key) + _pem(certificate))
        except FileExistsError:
            raise AuthorityError(f"{folder} already holds an authority; load it, or name another folder") from None
        return cls._published(key, certificate, folder)

    @classmethod
    def create_in_token(cls, folder: Path, key: ec.EllipticCurvePrivateKey, place: str) -> CertificateAuthority:
        """Make a new root in `folder` whose key is in a token; `place` is its URI. What was begun and not finished is
        finished by the same call. Raises AuthorityError if there is another root already."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (folder / AUTHORITY_FILE).exists() or (folder / TOKEN_FILE).exists():
            raise AuthorityError(f"{folder} already holds an authority; its units believe no other")
        certificate = _certificate_of(folder, key) if (folder / "ca.pem").exists() else _root_certificate(key)
        made = cls._published(key, certificate, folder)
        create_private(folder / TOKEN_FILE, place.encode() + b"\n")
        return made

    @classmethod
    def load(cls, folder: Path) -> CertificateAuthority:
        """Read the root of `folder`. Raises AuthorityError if it is missing, damaged or readable by others, or if its
        token is not there."""
        if (folder / TOKEN_FILE).exists():
            from provisioning.token import TokenUri, open_key

            held = open_key(TokenUri.read((folder / TOKEN_FILE).read_text().strip()))
            return cls._published(held, _certificate_of(folder, held), folder)
        try:
            key, (certificate, *_) = read_signer(folder / AUTHORITY_FILE)
        except FileNotFoundError:
            raise AuthorityError(f"{folder} holds no authority ({AUTHORITY_FILE} is missing); create one") from None
        return cls._published(key, certificate, folder)

    @classmethod
    def open(cls, folder: Path) -> CertificateAuthority:
        """Load the root of `folder`, or create it there if there is none. Safe when several processes do so at once."""
        # Looked at first: another process writes it after the key's file, which must then be there.
        published = (folder / "ca.pem").exists()
        if not (folder / AUTHORITY_FILE).exists() and not (folder / TOKEN_FILE).exists():
            if published:
                raise AuthorityError(
                    f"the root's key is not in {folder}, and its certificate is: bring {AUTHORITY_FILE} back for this, "
                    "or use a station's credential; another root would be one that no unit believes"
                )
            try:
                return cls.create(folder)
            except AuthorityError:
                pass  # Another process was first; its root counts.
        return cls.load(folder)

    @property
    def ca_pem(self) -> bytes:
        """The root certificate, PEM; the same as the file ca.pem."""
        return _pem(self._certificate)

    @property
    def ca_der(self) -> bytes:
        """The root certificate, DER, as a unit's `load_verify_locations` takes it; the same as the file ca.der."""
        return _der(self._certificate)

    def issue_server(self, names: list[str]) -> tuple[bytes, bytes]:
        """Sign a new key for a TLS server; returns (certificate PEM, private key PEM).

        `names` are host names (subjectAltName dNSName) or IP addresses (iPAddress), at least one. The certificate
        can serve and nothing else.
        """
        if not names:
            raise AuthorityError("a server certificate needs at least one name")
        alternative = x509.SubjectAlternativeName([_general_name(name) for name in names])
        subject = names[0] if len(names[0]) <= MAX_COMMON_NAME else "Livlina server"
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _end_entity(key, self._certificate, subject, ExtendedKeyUsageOID.SERVER_AUTH)
        certificate = builder.add_extension(alternative, critical=False).sign(self._key, hashes.SHA256())
        return _pem(certificate), _key_pem(key)

    def issue_unit(self, unit: int) -> UnitCertificate:
        """Sign a new key for a unit; CN is the unit id (8 lower-case hex digits). It can be a client and nothing else.

        Every call gives a new key and serial; which of a unit's certificates still counts is the fleet's to decide.
        """
        return unit_certificate(self._key, self._certificate, unit)

    def issue_issuer(self, name: str, begins: datetime, ends: datetime) -> bytes:
        """Sign a new key that may sign units, and nothing else, from `begins` to `ends`. Its key, its certificate and
        the root's, PEM, for one file of mode 0600. Raises AuthorityError."""
        key = ec.generate_private_key(ec.SECP256R1())
        return _key_pem(key) + self._issuer(name, key.public_key(), begins, ends)

    def issue_requested(self, name: str, request: bytes, begins: datetime, ends: datetime) -> bytes:
        """As `issue_issuer`, for a key that stays where it is: `request` is its certificate request (PKCS #10, PEM).
        The certificate and the root's, PEM; nothing of it is secret. Raises AuthorityError."""
        try:
            asked = x509.load_pem_x509_csr(request)
        except ValueError:
            raise AuthorityError("this is no certificate request: `livlina ca request` makes one") from None
        public = asked.public_key()
        if not asked.is_signature_valid or asked.subject != _name(ISSUER_PREFIX + name):
            raise AuthorityError(f"this request is not one of station {name}'s, or was changed on its way")
        if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
            raise AuthorityError("a station's key is one of P-256")
        return self._issuer(name, public, begins, ends)

    def _issuer(self, name: str, public: ec.EllipticCurvePublicKey, begins: datetime, ends: datetime) -> bytes:
        constraints = self._certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        if not constraints.path_length:
            raise AuthorityError("this root was made before there were issuing keys and may sign none: make a new one")
        check_station_name(name)
        if ends <= begins:
            raise AuthorityError("a station's credential ends after it begins")
        certificate = (
            _builder(ISSUER_PREFIX + name, public, begins, ends)
            .issuer_name(self._certificate.subject)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(_signed_by(self._certificate), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return _pem(certificate) + self.ca_pem

    @classmethod
    def _published(
        cls, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate, folder: Path
    ) -> CertificateAuthority:
        for name, content in (("ca.pem", _pem(certificate)), ("ca.der", _der(certificate))):
            path = folder / name
            if not path.exists() or path.read_bytes() != content:
                replace(path, content, mode=0o644)
        return cls(key, certificate, folder)


def _certificate_of(folder: Path, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """The root's certificate in `folder`, which must be this key's. Raises AuthorityError."""
    try:
        certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    except (FileNotFoundError, ValueError):
        raise AuthorityError(f"{folder / 'ca.pem'} is missing or damaged: restore it from your backup") from None
    if certificate.public_key() != key.public_key():
        raise AuthorityError(f"the token's key is not that of the root in {folder}: plug in the right token")
    return certificate


def check_station_name(name: str) -> None:
    """Raises AuthorityError."""
    if not _ISSUER_NAME.fullmatch(name):
        raise AuthorityError(f"{name!r} is no station's name: letters, digits and dashes, at most 40")


def station_request(name: str, key: ec.EllipticCurvePrivateKey) -> bytes:
    """A station's certificate request for its key, PEM: it goes to where the root is. Raises AuthorityError."""
    check_station_name(name)
    request = x509.CertificateSigningRequestBuilder().subject_name(_name(ISSUER_PREFIX + name))
    return request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def read_signer(path: Path) -> tuple[ec.EllipticCurvePrivateKey, list[x509.Certificate]]:
    """A key that signs and its certificates, its own first. Raises AuthorityError, FileNotFoundError."""
    mode = path.stat().st_mode
    content = path.read_bytes()
    if stat.S_IMODE(mode) & 0o077:
        raise AuthorityError(
            f"{path} can be read by other users (mode {stat.S_IMODE(mode):04o}), so its key may be known: "
            "run chmod 600 on it if you are sure that nobody has read it, else make a new authority"
        )
    try:
        key = serialization.load_pem_private_key(content, password=None)
        certificates = x509.load_pem_x509_certificates(content)
    except ValueError as error:
        raise AuthorityError(f"{path} is damaged ({error}); restore it from your backup") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificates[0].public_key():
        raise AuthorityError(f"{path} holds a key that does not belong to its certificate; restore your backup")
    return key, certificates


def unit_certificate(key: ec.EllipticCurvePrivateKey, signer: x509.Certificate, unit: int) -> UnitCertificate:
    """A new key and certificate of a unit, signed by `key`, which is `signer`'s. Raises AuthorityError."""
    if not 0 < unit < 1 << 32:
        raise AuthorityError(f"a unit number is 1 to {(1 << 32) - 1}, not {unit}")
    own = ec.generate_private_key(ec.SECP256R1())
    builder = _end_entity(own, signer, f"{unit:08x}", ExtendedKeyUsageOID.CLIENT_AUTH)
    certificate = builder.sign(key, hashes.SHA256())
    key_der = own.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    fingerprint = certificate.fingerprint(hashes.SHA256())
    return UnitCertificate(_der(certificate), key_der, fingerprint, certificate.serial_number)


def _end_entity(
    key: ec.EllipticCurvePrivateKey, signer: x509.Certificate, common_name: str, purpose: ObjectIdentifier
) -> x509.CertificateBuilder:
    return (
        _builder(common_name, key.public_key())
        .issuer_name(signer.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(_signed_by(signer), critical=False)
    )


def _signed_by(signer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
        signer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    )


def _root_certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    return (
        _builder(ROOT_NAME, key.public_key())
        .issuer_name(_name(ROOT_NAME))
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _builder(
    common_name: str,
    public_key: ec.EllipticCurvePublicKey,
    begins: datetime = NOT_BEFORE,
    ends: datetime = NOT_AFTER,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError as error:
        raise AuthorityError(f"{name!r} is not a host name: {error}") from error


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
