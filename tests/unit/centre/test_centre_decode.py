"""The command `livlina centre decode`: given octets in, one JSON object a message out, and the exit status."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from livlina.cli import app
from protocols.centre.sia_dc09 import Frame, Key, decode, encode
from protocols.centre.sia_dc09.cipher import open_frame, seal_frame

VECTORS = {one["id"]: one for one in json.loads((Path(__file__).parent / "dc09.json").read_text())}
KEY = "000102030405060708090a0b0c0d0e0f"
AT = "2026-01-02T10:00:00Z"


def run(octets, *more, protocol="dc09"):
    result = CliRunner().invoke(app, ["centre", "decode", "--protocol", protocol, "--at", AT, *more], input=octets)
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()], result.stderr


def given(name):
    return bytes.fromhex(VECTORS[name]["hex"])


@pytest.mark.parametrize(
    ("name", "kind", "category", "action"),
    [
        ("D02", "alarm", "FIRE", "NEW"),
        ("D05", "alarm", "PERSONAL_HELP", "NEW"),
        ("D06", "alarm", "MAINS_FAIL", "RESTORE"),
        ("D10", "heartbeat", "HEARTBEAT", "HEARTBEAT"),
    ],
)
def test_messages_in_clear(name, kind, category, action):
    status, (document,), _ = run(given(name))
    assert status == 0
    assert (document["kind"], document["alarm"]["category"], document["alarm"]["action"]) == (kind, category, action)
    assert document["reply"]["accepted"]
    answer = decode(bytes.fromhex(document["reply_hex"]))
    assert (answer.token, answer.seq) == ("ACK", decode(given(name)).seq)


def test_an_encrypted_message_needs_its_key_and_gets_an_encrypted_answer():
    status, (document,), _ = run(given("D13"), "--key", KEY)
    assert status == 0
    assert document["alarm"]["source"]["encrypted"]
    answer = open_frame(decode(bytes.fromhex(document["reply_hex"])), Key.from_hex(KEY))
    assert (answer.token, answer.seq) == ("ACK", "0007")
    status, (document,), _ = run(given("D13"))
    assert status == 1
    assert document["error"]["reason"] == "cipher"


@pytest.mark.parametrize(
    ("name", "accepted", "outcome", "code"), [("D11", True, "OK", "ACK"), ("D12", False, "CLOCK", "NAK")]
)
def test_answers(name, accepted, outcome, code):
    status, (document,), _ = run(given(name))
    assert status == 0
    assert document["kind"] == "reply"
    reply = document["reply"]
    assert (reply["accepted"], reply["outcome"], reply["native_code"]) == (accepted, outcome, code)


def test_an_encrypted_answer_opens():
    assert run(given("D14"), "--key", KEY)[1][0]["reply"]["accepted"]
    assert run(given("D14"))[0] == 1


def test_a_stale_message_is_answered_nak():
    frame = Frame("SIA-DCS", "0001", "1234", "0", "0", "#1234|NQA001", timestamp="09:00:00,01-02-2026")
    octets = encode(seal_frame(frame, Key.from_hex(KEY), bytes))
    status, (document,), _ = run(octets, "--key", KEY)
    assert status == 0
    assert not document["fresh"]
    assert document["reply"]["outcome"] == "CLOCK"
    assert document["alarm"]["clock_offset_s"] == -3600


def test_a_broken_frame_costs_itself_only():
    status, documents, _ = run(given("D02") + b'\n12340022"junk' + given("D05") + given("D15"))
    assert status == 1
    assert [one["kind"] for one in documents] == ["alarm", "error", "alarm", "error"]
    assert documents[3]["error"]["reason"] == "crc"
    assert documents[3]["reply_hex"] == ""


@pytest.mark.parametrize("octets", [b"", b"\n", b"junk", given("D02")[:-4], b"\0" * 100])
def test_input_that_is_not_whole_gives_one_error(octets):
    status, documents, _ = run(octets)
    assert status == 1
    assert [one["kind"] for one in documents] == ["error"]


def test_several_events_in_one_message_are_all_told():
    frame = Frame("SIA-DCS", "0001", "1234", "0", "0", "#1234|NQA001/MA002")
    _, (document,), _ = run(encode(frame))
    assert [one["category"] for one in document["alarms"]] == ["PERSONAL_HELP", "MEDICAL"]


@pytest.mark.parametrize(
    ("more", "protocol", "sentence"),
    [
        (("--key", "zz"), "dc09", "hex digits"),
        (("--key", "00" * 15), "dc09", "octets"),
        (("--at", "noon"), "dc09", "ISO 8601"),
        ((), "morse", "choose one of"),
    ],
)
def test_what_was_typed_wrong_is_one_sentence(more, protocol, sentence):
    status, documents, error = run(given("D02"), *more, protocol=protocol)
    assert status == 1
    assert documents == []
    assert sentence in error
    assert "Traceback" not in error


def test_the_schema_is_printed_as_it_is_published():
    printed = CliRunner().invoke(app, ["centre", "schema"]).stdout
    assert printed == (Path(__file__).parents[3] / "docs/normalized-alarm.schema.json").read_text(encoding="utf-8")


SOS = {one["id"]: one for one in json.loads((Path(__file__).parent / "sos_access.json").read_text())}


@pytest.mark.parametrize(("name", "kind"), [("D21", "alarm"), ("D22", "reply"), ("D23", "heartbeat"), ("D24", "reply")])
def test_given_documents_of_sos_access(name, kind):
    status, (document,), _ = run(SOS[name]["text"].encode("iso-8859-1"), protocol="sosaccess")
    assert status == 0
    assert document["kind"] == kind
    expect = SOS[name]["expect"]
    if "action" in expect:
        assert document["alarm"]["action"] == expect["action"]
    if "accepted" in expect:
        assert document["reply"]["accepted"] is expect["accepted"]
    if "failover" in expect:
        assert document["failover"] is expect["failover"]


def test_documents_one_behind_the_other_are_each_a_line():
    octets = "\n".join(SOS[name]["text"] for name in ("D21", "D23", "D24")).encode("iso-8859-1")
    status, documents, _ = run(octets + b"<half", protocol="sosaccess")
    assert status == 1
    assert [one["kind"] for one in documents] == ["alarm", "heartbeat", "reply", "error"]
    assert b"<status>0</status>" in bytes.fromhex(documents[0]["reply_hex"])


def test_sos_access_has_no_key():
    assert "--key is for dc09" in run(b"<x/>", "--key", KEY, protocol="sosaccess")[2]
