"""Certificates of our authority between their real users: MicroPython's mbedTLS and CPython's OpenSSL."""

import os
import random
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from provisioning.ca import CertificateAuthority, UnitCertificate

NAME = "fleet.example.org"
CLIENT = Path(__file__).with_name("tls_client.py")
MICROPYTHON = os.environ.get("MICROPYTHON", str(Path(sys.executable).with_name("micropython")))


class FrontDoor:
    """A TLS server that wants a client certificate of `trusted`, and echoes one line after the peer's common name."""

    def __init__(self, folder: Path, authority: CertificateAuthority, trusted: CertificateAuthority) -> None:
        certificate, key = authority.issue_server([NAME, "127.0.0.1"])
        (folder / "server.pem").write_bytes(certificate + key)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.load_cert_chain(folder / "server.pem")
        self.context.load_verify_locations(cadata=trusted.ca_der)
        self.refusals: list[str] = []
        self.seen: list[bytes] = []
        self.listener = _listen()
        self.port = self.listener.getsockname()[1]

    def serve_one(self) -> None:
        connection, _ = self.listener.accept()
        with connection:
            connection.settimeout(20)
            try:
                with self.context.wrap_socket(connection, server_side=True) as stream:
                    certificate = stream.getpeercert()
                    der = stream.getpeercert(binary_form=True)
                    assert certificate is not None and der is not None
                    self.seen.append(der)
                    line = stream.recv(100)
                    stream.sendall(certificate["subject"][0][0][1].encode() + b" " + line)
            except OSError as error:  # ssl.SSLError is one
                self.refusals.append(str(error))


@contextmanager
def serving(door: FrontDoor) -> Iterator[FrontDoor]:
    thread = threading.Thread(target=door.serve_one)
    thread.start()
    try:
        yield door
    finally:
        thread.join()
        door.listener.close()


def connect(folder: Path, door: FrontDoor, ca_der: bytes, unit: UnitCertificate | None, name: str = NAME) -> str:
    (folder / "ca.der").write_bytes(ca_der)
    files = [str(folder / "ca.der")]
    if unit is not None:
        for label, content in (("cert.der", unit.cert_der), ("key.der", unit.key_der)):
            (folder / label).write_bytes(content)
            files.append(str(folder / label))
    answer = subprocess.run(
        [MICROPYTHON, str(CLIENT), str(door.port), name, *files],
        capture_output=True,
        text=True,
        timeout=400,
        check=True,
    )
    return answer.stdout.strip()


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path / "authority")


@pytest.fixture
def stranger(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path / "stranger")


@pytest.mark.parametrize("name", [NAME, "127.0.0.1"])
def test_a_unit_and_the_front_door_accept_each_other(
    tmp_path: Path, authority: CertificateAuthority, name: str
) -> None:
    unit = authority.issue_unit(42)
    with serving(FrontDoor(tmp_path, authority, authority)) as door:
        assert connect(tmp_path, door, authority.ca_der, unit, name) == "answer 0000002a press"
    assert door.refusals == []
    assert door.seen == [unit.cert_der]


def test_a_unit_refuses_a_server_of_another_authority(
    tmp_path: Path, authority: CertificateAuthority, stranger: CertificateAuthority
) -> None:
    with serving(FrontDoor(tmp_path, stranger, authority)) as door:
        said = connect(tmp_path, door, authority.ca_der, authority.issue_unit(42))
    assert said.startswith("refused") and "not correctly signed" in said
    assert door.seen == []


def test_a_unit_refuses_a_server_of_another_name(tmp_path: Path, authority: CertificateAuthority) -> None:
    with serving(FrontDoor(tmp_path, authority, authority)) as door:
        said = connect(tmp_path, door, authority.ca_der, authority.issue_unit(42), "elsewhere.example.org")
    assert said.startswith("refused") and "Common Name" in said


def test_a_unit_refuses_another_unit_that_poses_as_the_server(tmp_path: Path, authority: CertificateAuthority) -> None:
    door = FrontDoor(tmp_path, authority, authority)
    impostor = authority.issue_unit(43)
    (tmp_path / "unit.pem").write_text(ssl.DER_cert_to_PEM_cert(impostor.cert_der) + _key_pem(impostor.key_der))
    door.context.load_cert_chain(tmp_path / "unit.pem")
    with serving(door):
        said = connect(tmp_path, door, authority.ca_der, authority.issue_unit(42))
    assert said.startswith("refused")
    assert door.seen == []


def test_the_front_door_refuses_a_unit_of_another_authority(
    tmp_path: Path, authority: CertificateAuthority, stranger: CertificateAuthority
) -> None:
    with serving(FrontDoor(tmp_path, authority, authority)) as door:
        said = connect(tmp_path, door, authority.ca_der, stranger.issue_unit(42))
    assert not said.startswith("answer 0000002a")
    assert door.seen == []
    assert "certificate verify failed" in door.refusals[0]


def test_the_front_door_refuses_a_server_certificate_as_a_client(
    tmp_path: Path, authority: CertificateAuthority
) -> None:
    certificate, key = authority.issue_server([NAME])
    posing = UnitCertificate(ssl.PEM_cert_to_DER_cert(certificate.decode()), _key_der(key), b"", 1)
    with serving(FrontDoor(tmp_path, authority, authority)) as door:
        connect(tmp_path, door, authority.ca_der, posing)
    assert door.seen == []
    assert "unsuitable certificate purpose" in door.refusals[0]


def test_the_front_door_refuses_a_unit_without_a_certificate(tmp_path: Path, authority: CertificateAuthority) -> None:
    with serving(FrontDoor(tmp_path, authority, authority)) as door:
        said = connect(tmp_path, door, authority.ca_der, None)
    assert not said.startswith("answer 0")
    assert door.seen == []
    assert "peer did not return a certificate" in door.refusals[0]


def _listen() -> socket.socket:
    """A listener on a free port below the ephemeral ones."""
    for port in random.sample(range(20000, 32768), 100):
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError as error:
            taken = error
    raise taken


def _key_pem(key_der: bytes) -> str:
    body = ssl.DER_cert_to_PEM_cert(key_der)
    return body.replace("CERTIFICATE", "PRIVATE KEY")


def _key_der(key_pem: bytes) -> bytes:
    return ssl.PEM_cert_to_DER_cert(key_pem.decode().replace("PRIVATE KEY", "CERTIFICATE"))
