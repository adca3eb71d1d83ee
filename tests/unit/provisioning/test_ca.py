"""What the authority signs, and how it keeps its key."""

import hashlib
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from provisioning.ca import AuthorityError, CertificateAuthority


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path / "authority")


def test_the_root_says_that_it_may_sign_and_nothing_else(authority: CertificateAuthority) -> None:
    root = x509.load_der_x509_certificate(authority.ca_der)
    basic = root.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical and basic.value == x509.BasicConstraints(ca=True, path_length=1)
    usage = root.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical and usage.value.key_cert_sign and not usage.value.digital_signature
    assert isinstance(root.public_key(), ec.EllipticCurvePublicKey)
    assert root.public_key().curve.name == "secp256r1"
    root.verify_directly_issued_by(root)


def test_a_unit_certificate_names_the_unit_and_can_only_be_a_client(authority: CertificateAuthority) -> None:
    unit = authority.issue_unit(0xC0FFEE)
    certificate = x509.load_der_x509_certificate(unit.cert_der)
    assert certificate.subject.rfc4514_string() == "CN=00c0ffee"
    assert certificate.serial_number == unit.serial > 0
    assert hashlib.sha256(unit.cert_der).digest() == unit.fingerprint_sha256
    assert load_der_private_key(unit.key_der, None).public_key() == certificate.public_key()
    assert _purposes(certificate) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical and not basic.value.ca
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical and usage.value.digital_signature and not usage.value.key_cert_sign
    certificate.verify_directly_issued_by(x509.load_der_x509_certificate(authority.ca_der))


def test_a_server_certificate_passes_a_strict_verifier_for_its_names_only(authority: CertificateAuthority) -> None:
    certificate = x509.load_pem_x509_certificate(authority.issue_server(["fleet.example.org", "b.example.org"])[0])
    assert _purposes(certificate) == [ExtendedKeyUsageOID.SERVER_AUTH]
    store = Store([x509.load_der_x509_certificate(authority.ca_der)])
    policy = PolicyBuilder().store(store).time(datetime(2030, 1, 1, tzinfo=UTC))
    for name in ("fleet.example.org", "b.example.org"):
        policy.build_server_verifier(x509.DNSName(name)).verify(certificate, [])
    with pytest.raises(VerificationError):
        policy.build_server_verifier(x509.DNSName("c.example.org")).verify(certificate, [])


def test_dates_never_block_a_unit(authority: CertificateAuthority) -> None:
    for der in (authority.ca_der, authority.issue_unit(1).cert_der):
        certificate = x509.load_der_x509_certificate(der)
        assert certificate.not_valid_before_utc == datetime(1970, 1, 1, tzinfo=UTC)
        assert certificate.not_valid_after_utc == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_every_issue_has_its_own_key_and_serial(authority: CertificateAuthority) -> None:
    issued = [authority.issue_unit(7) for _ in range(20)]
    assert len({one.serial for one in issued}) == len({one.key_der for one in issued}) == 20


@pytest.mark.parametrize("unit", [0, -1, 1 << 32])
def test_a_unit_number_outside_its_range_is_refused(authority: CertificateAuthority, unit: int) -> None:
    with pytest.raises(AuthorityError, match="a unit number is 1 to 4294967295"):
        authority.issue_unit(unit)


def test_a_server_needs_names_that_are_names(authority: CertificateAuthority) -> None:
    with pytest.raises(AuthorityError, match="at least one name"):
        authority.issue_server([])
    with pytest.raises(AuthorityError, match="is not a host name"):
        authority.issue_server(["å.example.org"])


def test_a_loaded_authority_signs_for_the_same_root(tmp_path: Path) -> None:
    first = CertificateAuthority.open(tmp_path / "a")
    again = CertificateAuthority.open(tmp_path / "a")
    assert first.ca_der == again.ca_der == (tmp_path / "a/ca.der").read_bytes()
    assert first.ca_pem == (tmp_path / "a/ca.pem").read_bytes()
    root = x509.load_der_x509_certificate(first.ca_der)
    certificate = x509.load_der_x509_certificate(again.issue_unit(5).cert_der)
    certificate.verify_directly_issued_by(root)
    other = CertificateAuthority.open(tmp_path / "b")
    with pytest.raises(InvalidSignature):
        certificate.verify_directly_issued_by(x509.load_der_x509_certificate(other.ca_der))


def test_the_key_is_in_one_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        CertificateAuthority.create(tmp_path / "a")
    finally:
        os.umask(old)
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"authority.pem", "ca.pem", "ca.der"}
    assert (tmp_path / "a/authority.pem").stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE KEY" in (tmp_path / "a/authority.pem").read_bytes()
    for public in ("ca.pem", "ca.der"):
        assert b"PRIVATE KEY" not in (tmp_path / "a" / public).read_bytes()
    (tmp_path / "a/authority.pem").chmod(0o640)
    with pytest.raises(AuthorityError, match="can be read by other users"):
        CertificateAuthority.load(tmp_path / "a")


def test_create_never_replaces_a_root(tmp_path: Path) -> None:
    root = CertificateAuthority.create(tmp_path).ca_der
    with pytest.raises(AuthorityError, match="already holds an authority"):
        CertificateAuthority.create(tmp_path)
    assert CertificateAuthority.load(tmp_path).ca_der == root


def test_several_that_open_at_once_get_one_root(tmp_path: Path) -> None:
    gate = threading.Barrier(8)
    roots = []

    def opening() -> None:
        gate.wait()
        roots.append(CertificateAuthority.open(tmp_path / "a").ca_der)

    threads = [threading.Thread(target=opening) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(roots) == 8 and len(set(roots)) == 1


def test_a_root_that_another_process_finishes_between_two_looks_is_its_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, exists = tmp_path / "a", Path.exists
    others: list[bytes] = []

    def look(path: Path) -> bool:
        found = exists(path)
        if path.name == "authority.pem" and not others:
            others.append(b"")
            others[0] = CertificateAuthority.create(folder).ca_der
        return found

    monkeypatch.setattr(Path, "exists", look)
    assert CertificateAuthority.open(folder).ca_der == others[0]


def test_a_missing_or_damaged_authority_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AuthorityError, match="create one"):
        CertificateAuthority.load(tmp_path)
    CertificateAuthority.create(tmp_path / "a")
    CertificateAuthority.create(tmp_path / "b")
    path = tmp_path / "a/authority.pem"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(AuthorityError, match="damaged"):
        CertificateAuthority.load(tmp_path / "a")
    certificate_of_b = (tmp_path / "b/ca.pem").read_bytes()
    path.write_bytes(content[: content.index(b"-----BEGIN CERT")] + certificate_of_b)
    with pytest.raises(AuthorityError, match="does not belong"):
        CertificateAuthority.load(tmp_path / "a")


def test_nothing_prints_a_key(authority: CertificateAuthority) -> None:
    unit = authority.issue_unit(1)
    assert "key_der" not in repr(unit)


def _purposes(certificate: x509.Certificate) -> list[x509.ObjectIdentifier]:
    return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
