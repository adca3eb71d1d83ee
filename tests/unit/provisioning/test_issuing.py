"""Stations' credentials: what they sign, when they end, whom the fleet and its front door believe."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.ingest.mqtt_tls import identity_of, server_context
from fleet.settings import Settings
from livlina.installation import open_authority, open_trust, publish_trust
from provisioning.ca import AUTHORITY_FILE, AuthorityError, CertificateAuthority, UnitCertificate
from provisioning.issuing import IssuerBook, StationCredential

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data")


def credential(
    authority: CertificateAuthority, folder: Path, name: str = "bench-1", now: datetime = NOW
) -> StationCredential:
    file = folder / f"{name}.pem"
    file.touch(mode=0o600)
    file.write_bytes(authority.issue_issuer(name, NOW, NOW + 7 * DAY))
    return StationCredential(file, lambda: now)


def connects(context: ssl.SSLContext, folder: Path, unit: UnitCertificate, root: bytes) -> bool:
    """A handshake of a unit that shows its own certificate only, as MicroPython does; whether it is let in."""
    from cryptography.hazmat.primitives import serialization

    chain = x509.load_der_x509_certificate(unit.cert_der).public_bytes(serialization.Encoding.PEM)
    key = serialization.load_der_private_key(unit.key_der, None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "unit.pem").write_bytes(chain + key)
    client_context = ssl.create_default_context(cadata=root)
    client_context.load_cert_chain(folder / "unit.pem")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname="fleet.livlina")
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(6):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return False
    found = identity_of(server)
    return found is not None and found.fingerprint == unit.fingerprint_sha256


def test_a_front_door_believes_a_station_from_the_moment_it_is_accepted(here: Settings, tmp_path: Path) -> None:
    authority = open_authority(here)
    station = credential(authority, tmp_path)
    unit, roots_own = station.issue_unit(7), authority.issue_unit(8)
    context = server_context(here.tls_folder, lambda _: None)
    assert connects(context, tmp_path, roots_own, authority.ca_der)
    assert not connects(context, tmp_path, unit, authority.ca_der)
    book = IssuerBook(here.authority_folder)
    book.accept(station.certificate)
    publish_trust(here)
    assert connects(context, tmp_path, unit, authority.ca_der)
    # A station that ends takes no alarm with it: its units go on.
    book.revoke("bench-1", "stolen")
    publish_trust(here)
    assert connects(server_context(here.tls_folder, lambda _: None), tmp_path, unit, authority.ca_der)


def test_a_station_of_another_root_is_not_believed(here: Settings, tmp_path: Path) -> None:
    open_authority(here)
    stranger = CertificateAuthority.create(tmp_path / "stranger")
    station = credential(stranger, tmp_path)
    with pytest.raises(AuthorityError, match="not one of this fleet's root"):
        IssuerBook(here.authority_folder).accept(station.certificate)
    with pytest.raises(AuthorityError, match="no station that this fleet knows"):
        IssuerBook(here.authority_folder).check(station.issue_unit(7), NOW)
    with pytest.raises(AuthorityError):
        IssuerBook(here.authority_folder).check(stranger.issue_unit(7), NOW)


@pytest.mark.parametrize("after", [-DAY, 7 * DAY, 400 * DAY])
def test_a_credential_signs_in_its_time_only(here: Settings, tmp_path: Path, after: timedelta) -> None:
    authority = open_authority(here)
    station = credential(authority, tmp_path, now=NOW + after)
    with pytest.raises(AuthorityError, match="runs from"):
        station.issue_unit(7)
    # Nor does the fleet take what a station with a wrong clock has signed.
    book = IssuerBook(here.authority_folder)
    unit = credential(authority, tmp_path).issue_unit(7)
    book.accept(station.certificate)
    with pytest.raises(AuthorityError):
        book.check(unit, NOW + after)


def test_a_renewed_station_goes_on(here: Settings, tmp_path: Path) -> None:
    authority, book = open_authority(here), IssuerBook(here.authority_folder)
    units = []
    for _ in range(2):
        station = credential(authority, tmp_path)
        book.accept(station.certificate)
        units.append(station.issue_unit(7))
    for unit in units:
        book.check(unit, NOW)
    assert [one.name for one in book.issuers()] == ["bench-1", "bench-1"]
    assert len(book.revoke("bench-1", "sold")) == 2
    assert book.revoke("bench-1", "again") == []
    for unit in units:
        with pytest.raises(AuthorityError, match=r"revoked \(sold\)"):
            book.check(unit, NOW)


def test_the_root_lies_in_a_safe(here: Settings, tmp_path: Path) -> None:
    authority = open_authority(here)
    station = credential(authority, tmp_path)
    key = (here.authority_folder / AUTHORITY_FILE).read_bytes()
    (here.authority_folder / AUTHORITY_FILE).unlink()
    open_trust(here)  # A server starts without it,
    IssuerBook(here.authority_folder).accept(station.certificate)
    IssuerBook(here.authority_folder).check(station.issue_unit(7), NOW)  # stations work,
    with pytest.raises(AuthorityError, match="root's key is not in"):
        open_authority(here)  # and nothing makes another root by mistake.
    (here.tls_folder / "server.pem").unlink()
    with pytest.raises(AuthorityError, match="for one start"):
        open_trust(here)
    assert all(key not in path.read_bytes() for path in here.data.rglob("*") if path.is_file())


def test_a_credential_that_others_can_read_is_refused(here: Settings, tmp_path: Path) -> None:
    credential(open_authority(here), tmp_path)
    (tmp_path / "bench-1.pem").chmod(0o644)
    with pytest.raises(AuthorityError, match="read by other users"):
        StationCredential(tmp_path / "bench-1.pem", lambda: NOW)


def test_a_station_makes_no_stations(here: Settings, tmp_path: Path) -> None:
    station = credential(open_authority(here), tmp_path)
    constraints = station.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical and constraints.value.path_length == 0
    with pytest.raises(AuthorityError, match="no station's name"):
        open_authority(here).issue_issuer("../bench", NOW, NOW + DAY)
    with pytest.raises(AuthorityError, match="no station x"):
        IssuerBook(here.authority_folder).revoke("x", "unknown")


@settings(deadline=None, max_examples=20)
@given(st.binary(max_size=200))
def test_no_file_is_taken_for_a_credential(tmp_path_factory: pytest.TempPathFactory, noise: bytes) -> None:
    file = tmp_path_factory.mktemp("credential") / "station.pem"
    file.touch(mode=0o600)
    file.write_bytes(noise)
    with pytest.raises(AuthorityError):
        StationCredential(file, lambda: NOW)
