"""`livlina conformance` against our own receivers, and against receivers that do one thing wrong."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from protocols.centre.sia_dc09 import Frame, FrameError, decode, encode
from protocols.centre.sos_access import documents
from tests.peers.test_centre_commands import KEY, SECRET, receiving

pytestmark = pytest.mark.timeout(120)


def held_to(protocol: str, place: str, *more: str, password: str = "") -> tuple[int, dict[str, str]]:
    environment = {**os.environ, "LIVLINA_CENTRE_PASSWORD": password}
    command = [sys.executable, "-m", "livlina", "conformance", "--protocol", protocol, "--to", place, "--json", *more]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    document = json.loads(done.stdout)
    return done.returncode, {one["case"]: one["result"] for one in document["cases"]}


@pytest.mark.parametrize(
    ("protocol", "receive", "hold"),
    [
        ("dc09", (), ("--loud",)),
        ("dc09", ("--key", KEY), ("--key", KEY)),
        ("scaip", (), ("--loud",)),
        ("scaip", ("--transport", "tcp"), ("--transport", "tcp")),
    ],
)
def test_our_own_receivers_pass_every_case(protocol: str, receive: tuple[str, ...], hold: tuple[str, ...]) -> None:
    with receiving(protocol, *receive) as (place, _):
        status, results = held_to(protocol, place, *hold)
    assert status == 0
    assert set(results.values()) == {"pass"}


def test_our_own_sos_access_receiver_passes_every_case(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text(f"42 {SECRET}\n")
    with receiving("sosaccess", "--passwords", str(passwords)) as (place, _):
        status, results = held_to("sosaccess", place, "--loud", password=SECRET)
    assert status == 0
    assert set(results.values()) == {"pass"}


def test_what_could_reach_an_operator_is_only_run_when_asked_for() -> None:
    with receiving("dc09") as (place, _):
        assert "D10" not in held_to("dc09", place)[1]


def _ack(frame: Frame, **changes: str | None) -> bytes:
    fields = {"seq": frame.seq, "account": frame.account, "receiver": frame.receiver, "line": frame.line} | changes
    return encode(Frame("ACK", **fields))  # type: ignore[arg-type]


def no_stream_framing(octets: bytes) -> bytes:
    """One frame a segment, as a widespread receiver has it."""
    try:
        return _ack(decode(octets))
    except FrameError:
        return b'\n12340000"NAK"0000R0L0A0[]\r'


def acknowledges_anything(octets: bytes) -> bytes:
    """Takes a wrong CRC and a length that lies."""
    seq = octets.split(b'"')[2][:4].decode() if octets.count(b'"') >= 2 else "0000"
    return _ack(Frame("SIA-DCS", seq, "0000002A", "0", "0"))


def loses_leading_zeros(octets: bytes) -> bytes:
    frame = decode(octets)
    return _ack(frame, account=(frame.account or "").lstrip("0") + "00")


def held_by_a_faulty_one(protocol: str, behave: Callable[[bytes], bytes], password: str = "") -> dict[str, str]:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while octets := await reader.read(4096):
                writer.write(behave(octets))
        except (OSError, FrameError):
            # The faulty receiver hangs up on what it cannot read.
            return
        finally:
            writer.close()

    async def run() -> tuple[int, dict[str, str]]:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        async with server:
            place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            return await asyncio.to_thread(held_to, protocol, place, password=password)

    status, results = asyncio.run(run())
    assert status == 1
    return results


@pytest.mark.parametrize(
    ("behave", "fails"),
    [
        (no_stream_framing, {"D04", "D05", "D06"}),
        (acknowledges_anything, {"D07", "D08"}),
        (loses_leading_zeros, {"D01", "D02"}),
    ],
)
def test_a_faulty_dc09_receiver_is_found_out(behave: Callable[[bytes], bytes], fails: set[str]) -> None:
    results = held_by_a_faulty_one("dc09", behave)
    assert {name for name, result in results.items() if result == "fail"} >= fails


def _says_ok(octets: bytes) -> bytes:
    """Takes everything, whoever it comes from."""
    fields = {"status": "0", "info": "OK"}
    found = octets.split(b"<reference>")
    if len(found) == 2:
        fields["reference"] = found[1].split(b"<")[0].decode()
    return documents.write(documents.PING_REPLY if b"pingrequest" in octets else documents.ALARM_REPLY, fields)


def test_an_sos_access_receiver_that_takes_everything_is_found_out() -> None:
    results = held_by_a_faulty_one("sosaccess", _says_ok, password=SECRET)
    assert {name for name, result in results.items() if result == "fail"} >= {"S05", "S06", "S08", "S09"}
