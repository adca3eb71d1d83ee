"""Keys in a PKCS #11 token: SoftHSM holds them; the root's, a station's and secure boot's never come out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from fleet.settings import Settings
from livlina.cli import app
from livlina.installation import open_authority, open_trust
from provisioning.boot_key import open_boot_key
from provisioning.ca import AuthorityError
from provisioning.issuing import IssuerBook, StationCredential
from provisioning.token import TokenUri, make_key, open_key
from sim.board_rom.chip import CHIPS
from sim.board_rom.secure_boot import is_signed
from sim.board_rom.stand_in import APP_OFFSET, stand_in
from tests.programs import find_program

LIBRARY = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "271828"


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A token of SoftHSM's; the URI of a key in it that is not made yet. A process has one library, so one token."""
    folder = tmp_path_factory.mktemp("token")
    (folder / "tokens").mkdir()
    (folder / "softhsm.conf").write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n")
    was = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm.conf")
    words = ["--init-token", "--free", "--label", "bench 1", "--so-pin", "31415926", "--pin", PIN]
    subprocess.run([find_program("softhsm2-util"), *words], check=True, capture_output=True, timeout=400)
    pin = folder / "pin"
    pin.touch(mode=0o600)
    pin.write_text(PIN + "\n")
    yield f"pkcs11:token={quote('bench 1')};object=issuing?module-path={LIBRARY}&pin-source=file:{pin}"
    os.environ.pop("SOFTHSM2_CONF")
    if was is not None:
        os.environ["SOFTHSM2_CONF"] = was


def say(settings: Settings, *words: str) -> str:
    done = CliRunner().invoke(app, ["ca", *words], env={"LIVLINA_DATA": str(settings.data)})
    return done.output if done.exit_code == 0 else f"refused: {done.output}{done.stderr}"


def test_a_station_signs_with_a_key_that_nobody_can_have(token: str, tmp_path: Path) -> None:
    here = Settings(data=tmp_path / "data")
    open_authority(here)
    request, credential = tmp_path / "bench-1.csr", tmp_path / "bench-1.pem"
    said = say(here, "request", "bench-1", "--token", token, "--out", str(request), "--new")
    assert not said.startswith("refused"), said
    assert "already" in say(here, "request", "bench-1", "--token", token, "--out", str(request), "--new")
    said = say(here, "station", "bench-1", "--request", str(request), "--out", str(credential))
    assert not said.startswith("refused"), said
    assert b"PRIVATE KEY" not in credential.read_bytes()

    key = open_key(TokenUri.read(token))
    station = StationCredential(credential, lambda: datetime.now(UTC), key)
    unit = station.issue_unit(7)
    book = IssuerBook(here.authority_folder)
    book.check(unit, datetime.now(UTC))
    for kept in (key.private_bytes, key.private_numbers):
        with pytest.raises(AuthorityError, match="stays"):
            kept()
    # Renewal: the same key, a new certificate; what the old one signed goes on.
    renewed = tmp_path / "renewed.pem"
    assert "refused" not in say(here, "station", "bench-1", "--request", str(request), "--out", str(renewed))
    book.check(StationCredential(renewed, lambda: datetime.now(UTC), key).issue_unit(8), datetime.now(UTC))
    # Its time: the negative control is the lines above.
    late = StationCredential(credential, lambda: datetime.now(UTC) + timedelta(days=8), key)
    with pytest.raises(AuthorityError, match="runs from"):
        late.issue_unit(9)
    # Revoked: units that it makes from now on are no units of this fleet.
    assert "refused" not in say(here, "revoke", "bench-1", "--why", "stolen")
    with pytest.raises(AuthorityError, match="revoked"):
        book.check(station.issue_unit(10), datetime.now(UTC))


def test_a_request_that_was_changed_or_is_another_station_s_is_refused(token: str, tmp_path: Path) -> None:
    here = Settings(data=tmp_path / "data")
    open_authority(here)
    request, out = tmp_path / "bench-2.csr", tmp_path / "out.pem"
    uri = token.replace("object=issuing", "object=second")
    assert "refused" not in say(here, "request", "bench-2", "--token", uri, "--out", str(request), "--new")
    assert "not one of station bench-3" in say(here, "station", "bench-3", "--request", str(request), "--out", str(out))
    request.write_text("nothing")
    assert "no certificate request" in say(here, "station", "bench-2", "--request", str(request), "--out", str(out))
    assert not out.exists()
    with pytest.raises(AuthorityError, match="of another key"):
        credential = tmp_path / "other.pem"
        now = datetime.now(UTC)
        credential.write_bytes(open_authority(here).issue_issuer("x", now, now + timedelta(days=1)))
        StationCredential(credential, lambda: datetime.now(UTC), open_key(TokenUri.read(uri)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("token=bench%201", "token=none"), "knows no token none"),
        (("object=issuing", "object=none"), "holds no key none"),
        (("object=issuing", "object=issuing;serial=1"), "not known here"),
        (("pin-source=", "pin-value="), "read by others"),
        (("libsofthsm2.so", "none.so"), "cannot be used"),
        (("pkcs11:", "pkcs15:"), "names no token"),
        (("object=issuing", "object="), "lacks object"),
    ],
)
def test_a_token_that_cannot_be_used_is_told_in_a_sentence(token: str, change: tuple[str, str], reason: str) -> None:
    with pytest.raises(AuthorityError, match=reason):
        open_key(TokenUri.read(token.replace(*change)))


def test_a_pin_that_others_can_read_or_that_is_wrong_opens_nothing(token: str, tmp_path: Path) -> None:
    pin = tmp_path / "pin"
    pin.write_text("000000")
    pin.chmod(0o644)
    uri = TokenUri.read(token.partition("&")[0] + f"&pin-source={pin}")
    with pytest.raises(AuthorityError, match="read by other users"):
        open_key(uri)
    pin.chmod(0o600)
    # In a process of its own: in this one the token is open already.
    words = ["ca", "request", "bench-9", "--token", f"{token.partition('&')[0]}&pin-source={pin}", "--out", "none.csr"]
    done = subprocess.run(
        [sys.executable, "-m", "livlina", *words], capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 1 and "not that of token bench 1" in done.stderr
    assert isinstance(open_key(TokenUri.read(token)).public_key(), ec.EllipticCurvePublicKey)


def test_a_root_whose_key_nobody_can_have_makes_a_fleet(token: str, tmp_path: Path) -> None:
    here = Settings(data=tmp_path / "data")
    uri = token.replace("object=issuing", "object=root")
    assert "holds no key root" in say(here, "root", "--token", uri)
    assert not (here.authority_folder / "ca.pem").exists()
    assert "refused" not in say(here, "root", "--token", uri, "--new")
    assert "already holds" in say(here, "root", "--token", uri)
    assert all(b"PRIVATE KEY" not in path.read_bytes() for path in here.authority_folder.rglob("*") if path.is_file())

    # It does all that a root in a file does: servers, stations, units.
    authority = open_authority(here)
    (tmp_path / "ca.der").write_bytes(authority.ca_der)
    server = x509.load_pem_x509_certificate((here.tls_folder / "server.pem").read_bytes())
    server.verify_directly_issued_by(x509.load_der_x509_certificate(authority.ca_der))
    assert "refused" not in say(here, "station", "bench-4", "--out", str(tmp_path / "bench-4.pem"))
    station = StationCredential(tmp_path / "bench-4.pem", lambda: datetime.now(UTC))
    now, book = datetime.now(UTC), IssuerBook(here.authority_folder)
    assert book.check(station.issue_unit(4), now) == "bench-4" and book.check(authority.issue_unit(5), now) is None
    assert "take the token" in say(here, "take-root", str(tmp_path / "safe"))

    # Another token's key is not taken for it, and without the token a server starts and a station goes on.
    named = here.authority_folder / "authority.token"
    named.write_text(uri.replace("object=root", "object=bench-other"))
    make_key(TokenUri.read(uri.replace("object=root", "object=bench-other")))
    with pytest.raises(AuthorityError, match="right token"):
        open_authority(here)
    named.write_text(uri.replace("token=bench%201", "token=away"))
    with pytest.raises(AuthorityError, match="plugged in"):
        open_authority(here)
    open_trust(here)
    assert book.check(station.issue_unit(6), now) == "bench-4"


def test_a_secure_boot_key_in_a_token_signs_what_the_chip_starts(token: str, tmp_path: Path) -> None:
    uri = token.replace("object=issuing", "object=boot")
    here = Settings(data=tmp_path / "data")
    assert "holds no key boot" in say(here, "boot-key", "--token", uri)
    said = say(here, "boot-key", "--token", uri, "--new", "--json")
    key = open_boot_key(uri)
    assert json.loads(said)["digest"] == key.digest().hex()
    image = stand_in(CHIPS["esp32s3"], 5000)[APP_OFFSET:]
    signed = key.sign(image)
    assert key.has_signed(signed) and not key.has_signed(image)
    # As the chip judges it: our key's digest in its eFuses, any other, and one bit.
    assert is_signed(signed, len(image), [key.digest()])
    assert not is_signed(signed, len(image), [bytes(32)])
    assert not is_signed(bytes([signed[0] ^ 1]) + signed[1:], len(image), [key.digest()])
    with pytest.raises(AuthorityError, match="no RSA key"):
        make_key(TokenUri.read(uri.replace("object=boot", "object=small")))
        open_boot_key(uri.replace("object=boot", "object=small"))
    path = tmp_path / "boot.pem"
    with pytest.raises(AuthorityError, match="no secure boot key"):
        open_boot_key(str(path))
    path.write_text("anything")
    path.chmod(0o644)
    with pytest.raises(AuthorityError, match="chmod 600"):
        open_boot_key(str(path))
    path.chmod(0o600)
    assert "names no token" in say(here, "boot-key", "--token", str(path))
