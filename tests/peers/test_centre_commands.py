"""`livlina centre receive` and `send` as processes that talk to each other: every protocol, every transport."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fleet.settings import Settings
from livlina.installation import open_authority
from protocols.centre.alarm import Action, Alarm, Category, Correlation, Source, Transmitter
from protocols.centre.document import line

KEY = "000102030405060708090a0b0c0d0e0f"
SECRET = "hxp4x9nnwxjatv8"
ALARM = Alarm(
    "1", datetime(2026, 1, 2, 10, tzinfo=UTC), Source("fleet", "coap"), Transmitter("00000043"), Action.NEW,
    Category.PERSONAL_HELP, correlation=Correlation(reference="0000002a317"),
)  # fmt: skip


def livlina(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "livlina", "centre", *arguments]


@contextmanager
def receiving(protocol: str, *more: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    process = subprocess.Popen(
        livlina("receive", "--protocol", protocol, "--listen", "127.0.0.1:0", *more),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        first = process.stderr.readline()
        assert first.startswith("listening "), first + process.stderr.read()
        yield first.split()[1], process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        process.stderr.close()


@pytest.fixture
def alarm_file(tmp_path: Path) -> Path:
    file = tmp_path / "alarm.json"
    file.write_text(line(ALARM), encoding="utf-8")
    return file


@pytest.fixture
def passwords(tmp_path: Path) -> Path:
    file = tmp_path / "passwords"
    file.write_text(f"00000043 {SECRET}\n")
    return file


def sent(protocol: str, to: str, file: Path, *more: str, password: str = "") -> tuple[int, dict[str, Any]]:
    environment = {**os.environ, "LIVLINA_CENTRE_PASSWORD": password}
    command = livlina("send", "--protocol", protocol, "--to", to, "--alarm", str(file), *more)
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def told(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


@pytest.mark.parametrize(
    ("protocol", "transport", "receive", "send"),
    [
        ("dc09", "tcp", (), ()),
        ("dc09", "udp", (), ()),
        ("dc09", "tcp", ("--key", KEY), ("--key", KEY, "--form", "ADM-CID")),
        ("dc09", "udp", ("--key", KEY), ("--key", KEY)),
        ("scaip", "udp", (), ()),
        ("scaip", "tcp", (), ()),
    ],
)
def test_an_alarm_arrives_and_is_acknowledged(
    protocol: str, transport: str, receive: tuple[str, ...], send: tuple[str, ...], alarm_file: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store.jsonl"
    with receiving(protocol, "--transport", transport, "--store", str(store), *receive) as (place, process):
        status, document = sent(protocol, place, alarm_file, "--transport", transport, *send)
        assert (status, document["delivered"]) == (0, True), document
        got = told(process)
    assert got["kind"] == "alarm"
    assert got["alarm"]["category"] == "PERSONAL_HELP"
    assert got["alarm"]["transmitter"]["id"] == "00000043"
    assert got["alarm"]["correlation"]["reference"] == "0000002a317"
    assert json.loads(store.read_text()) == got


def test_sos_access_takes_who_knows_the_password(alarm_file: Path, passwords: Path) -> None:
    with receiving("sosaccess", "--passwords", str(passwords)) as (place, process):
        status, document = sent("sosaccess", place, alarm_file, password="x" * 15)
        assert (status, document["reply"]["outcome"]) == (1, "AUTH")
        assert told(process)["kind"] == "error"
        status, document = sent("sosaccess", place, alarm_file, password=SECRET)
        assert (status, document["delivered"]) == (0, True)
        got = told(process)
        assert got["alarm"]["source"]["authenticated"] == "password"
        assert sent("sosaccess", place, alarm_file, password=SECRET)[1]["reply"]["outcome"] == "DUPLICATE"
        octets = bytes.fromhex(got["alarm"]["source"]["raw"])
        assert b"<authentication></authentication>" in octets and SECRET not in json.dumps(got)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path, Path, str]:
    """Chain, key and authority as PEM files, and the certificate's hash."""
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import load_pem_x509_certificate

    authority = open_authority(Settings(data=tmp_path))
    made, secret = authority.issue_server(["localhost"])
    chain, key, root = (tmp_path / name for name in ("chain.pem", "key.pem", "root.pem"))
    chain.write_bytes(made)
    key.write_bytes(secret)
    root.write_bytes(authority.ca_pem)
    return chain, key, root, hashlib.sha256(load_pem_x509_certificate(made).public_bytes(Encoding.DER)).hexdigest()


@pytest.mark.parametrize("protocol", ["dc09", "sosaccess", "scaip"])
def test_tls_with_a_certificate_of_ours(
    protocol: str, alarm_file: Path, passwords: Path, certificate: tuple[Path, Path, Path, str]
) -> None:
    chain, key, root, _ = certificate
    more = ("--passwords", str(passwords)) if protocol == "sosaccess" else ()
    tls = ("--tls-cert", str(chain), "--tls-key", str(key))
    with receiving(protocol, *tls, *more) as (place, process):
        name = ("--tls-name", "localhost")
        status, document = sent(protocol, place, alarm_file, "--ca", str(root), *name, password=SECRET)
        assert (status, document["delivered"]) == (0, True), document
        assert told(process)["alarm"]["source"]["transport"] == "tls"
        # The negative control: without our authority nobody is believed.
        status, document = sent(protocol, place, alarm_file, "--transport", "tls", *name, password=SECRET)
        assert (status, document["delivered"]) == (1, False)


def test_a_pinned_certificate(alarm_file: Path, passwords: Path, certificate: tuple[Path, Path, Path, str]) -> None:
    chain, key, _, pin = certificate
    tls = ("--tls-cert", str(chain), "--tls-key", str(key), "--passwords", str(passwords))
    with receiving("sosaccess", *tls) as (place, _):
        assert sent("sosaccess", place, alarm_file, "--pin", pin, password=SECRET)[1]["delivered"]
        status, document = sent("sosaccess", place, alarm_file, "--pin", "00" * 32, password=SECRET)
        assert (status, document["delivered"]) == (1, False)
        assert "nothing was sent" in document["reason"]


def test_nobody_there_is_no_delivery(alarm_file: Path) -> None:
    from tests.ports import free_port

    for protocol in ("dc09", "sosaccess"):
        status, document = sent(protocol, f"127.0.0.1:{free_port()}", alarm_file, password=SECRET)
        assert (status, document["delivered"], document["reply"]) == (1, False, None)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("receive", "--protocol", "morse", "--listen", "127.0.0.1:0"), "choose one of"),
        (("receive", "--protocol", "dc09", "--listen", "nowhere"), "is no address"),
        (("receive", "--protocol", "sosaccess", "--listen", "127.0.0.1:0"), "--passwords"),
        (("receive", "--protocol", "dc09", "--listen", "127.0.0.1:0", "--transport", "tls"), "--tls-cert"),
        (("send", "--protocol", "sosaccess", "--to", "127.0.0.1:9", "--alarm", "/dev/null"), "no JSON document"),
        (("send", "--protocol", "sosaccess", "--to", "127.0.0.1:9", "--alarm", "/nowhere"), "No such file"),
    ],
)
def test_what_was_typed_wrong_is_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    done = subprocess.run(livlina(*arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
