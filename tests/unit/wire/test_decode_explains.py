"""`livlina decode`'s explanation: every golden vector, bare and wrapped, with and without its secret."""

import json
from typing import Any

import golden
import pytest
from primitives import vectors

from livlina.decode import explain
from protocols.wire import coap, mqtt, seal

CASES = [(name, case) for name, cases in golden.MESSAGES.items() for case in cases]


def fields(name: str, case: str) -> dict[str, Any]:
    return dict(vectors(name))[case]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_frame_is_named_and_opened_only_with_the_secret(name: str, case: str) -> None:
    v = fields(name, case)
    closed = explain(v["sealed"])
    assert (closed["what"], closed["opened"], closed["size"]) == ("frame", None, len(v["sealed"]))
    assert closed["plaintext_size"] == len(v["plain"])
    if golden.is_down(name):
        assert closed["direction"].startswith("down") and closed["iv"] == v["iv"].hex()
        assert explain(v["sealed"], golden.SECRET)["opened"] is None
    else:
        assert (closed["unit"], closed["generation"]) == ("0000002a", 1)
        assert closed["counter"] == golden.counter(name, case)
    opened = explain(v["sealed"], golden.SECRET, v["kid"])
    assert opened["opened"] is True
    assert opened["message"] == explain(v["plain"])["message"]
    assert opened["message"]["type"] == name
    json.dumps(opened)
    wrong = explain(v["sealed"], bytes(16), v["kid"])
    assert (wrong["opened"], wrong["refused"]) == (False, "tag")
    assert golden.SECRET.hex() not in json.dumps(opened) and v["key"].hex() not in json.dumps(opened)


def test_every_field_and_code_is_named() -> None:
    alarm = explain(fields("alarm", "silent_duress_with_the_clock_of_1970")["plain"])
    assert alarm["message"] == {
        "type": "alarm", "boot": 18, "seq": 0, "kind": 2, "count": 3, "age": 40, "attempt": 2, "flags": 4, "clock": 12,
    }  # fmt: skip
    assert alarm["meaning"] == {"kind": "duress", "flags": "silent"}
    unknown = explain(fields("alarm", "unknown_keys")["plain"])
    assert unknown["unknown_keys"] == {"13": True, "24": [1, "x"], "300": {"0": "79"}}
    status = explain(fields("heartbeat", "full_status")["plain"])["message"]["status"]
    assert len(status) == 20 and status["imei"] == "356938035643809f" and status["temperature"] == -401
    assert explain(fields("receipt", "eight")["plain"])["meaning"]["stages"].startswith("stored, accepted, taken")
    assert explain(dict(vectors("dropped"))["battery_101"]["plain"])["dropped_keys"] == [9]


def test_what_carries_a_frame_is_unwrapped() -> None:
    frame = fields("alarm", "manual")["sealed"]
    datagram = coap.encode(coap.CON, coap.POST, 7, b"\1\2", coap.path_options("u"), frame)
    found = explain(datagram, golden.SECRET)
    assert (found["what"], found["type"], found["code"], found["path"]) == ("coap", "CON", "0.02", "/u")
    assert found["payload"]["message"]["boot"] == 17
    packet = mqtt.publish("u/0000002a/up", frame, 1, 9)
    found = explain(packet)
    assert (found["what"], found["type"], found["topic"]) == ("mqtt", "PUBLISH", "u/0000002a/up")
    assert found["payload"]["what"] == "frame"
    assert explain(mqtt.ack(mqtt.PUBACK, 9))["type"] == "PUBACK"
    for behind in (b"\0", b"\xc0\0"):
        assert explain(packet + behind)["what"] == "unknown"


@pytest.mark.parametrize("case", [case for case, _ in vectors("malformed_frames")])
def test_a_malformed_frame_gets_its_reason(case: str) -> None:
    v = dict(vectors("malformed_frames"))[case]
    found = explain(v["frame"], golden.SECRET)
    assert found["what"] == "message" or found["tried"]["frame"] == v["reason"]


def test_a_secret_of_another_length_is_the_callers_fault() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        explain(fields("alarm", "least")["sealed"], b"short")
    assert explain(b"")["what"] == "unknown"
    assert seal.MAX_FRAME == 512
