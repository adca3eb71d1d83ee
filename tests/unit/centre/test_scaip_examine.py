"""What a person is told about octets of SCAIP, and what a centre would answer: vectors, captures, broken input."""

import itertools
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.centre.alarm import Category, Outcome
from protocols.centre.scaip import Call, decode, examine

AT = datetime(2026, 1, 2, tzinfo=UTC)
VECTORS = {
    one["id"]: one["text"].encode() for one in json.loads((Path(__file__).parent / "scaip.json").read_text("utf-8"))
}


def looked(octets, **more):
    numbers = itertools.count()
    return examine(octets, new_id=lambda: f"id{next(numbers)}", at=AT, **more)


def sip(body, cid="10149471", line_end=b"\r\n", length=None):
    head = [
        b"MESSAGE sip:arc@127.0.0.1 SIP/2.0", b"v: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKx",
        b"f: <sip:%s@h>;tag=a" % cid.encode(), b"t: <sip:arc@h>", b"i: c1", b"CSeq: 1 MESSAGE",
        b"c: application/scaip+xml", b"l: %d" % (len(body) if length is None else length), b"", b"",
    ]  # fmt: skip
    return line_end.join(head) + body


def test_an_alarm_and_what_is_owed_for_it():
    (found,) = looked(VECTORS["D16"])
    assert (found.kind, found.alarm.category, found.reply.outcome) == ("alarm", Category.PERSONAL_HELP, Outcome.OK)
    assert found.octets == b"<mrs><ref>1193308443</ref><snu>0</snu><mre>1</mre><cre>61</cre></mrs>"
    (found,) = looked(VECTORS["D16"], call=Call(("gsm:+46101234567",)))
    assert decode(found.octets).tnu == ("gsm:+46101234567",)
    assert decode(found.octets).cre == "62"


def test_a_heartbeat_has_no_call():
    (found,) = looked(VECTORS["D17"])
    assert (found.kind, found.octets) == ("heartbeat", b"<mrs><ref>1998218577</ref><snu>0</snu></mrs>")


def test_a_reply_says_what_it_means():
    (found,) = looked(VECTORS["D19"])
    assert (found.kind, found.reply.accepted, found.reply.voice.number) == ("reply", True, "gsm:+46101234567")
    assert found.octets == b""


def test_a_missing_tag_is_an_error_with_an_answer():
    (found,) = looked(VECTORS["D20"])
    assert (found.kind, found.reason, found.error) == ("error", "mandatory tag missing", "dty missing")
    assert found.octets == b"<mrs><ref>r1</ref><snu>7</snu></mrs>"
    assert not found.reply.accepted


def test_a_whole_sip_message_and_several_of_them():
    assert looked(sip(VECTORS["D16"]))[0].alarm.source.raw == VECTORS["D16"]
    several = looked(sip(VECTORS["D16"]) + b"\r\n" + sip(VECTORS["D17"]) + sip(VECTORS["D18"], "26317"))
    assert [one.kind for one in several] == ["alarm", "heartbeat", "alarm"]
    assert [one.kind for one in looked(sip(VECTORS["D16"], line_end=b"\n"))] == ["alarm"]


def test_a_message_that_names_another_sender_is_refused():
    (found,) = looked(sip(VECTORS["D16"], "99"))
    assert (found.kind, found.reply.native_code) == ("error", "3")
    assert looked(sip(VECTORS["D16"], "99"), from_is_cid=False)[0].kind == "alarm"


def test_a_sip_response_is_a_reply_only_with_a_body():
    head = b"SIP/2.0 200 OK\r\nv: SIP/2.0/UDP h;branch=z9hG4bKx\r\nf: <sip:a@h>\r\nt: <sip:b@h>\r\n"
    head += b"i: c\r\nCSeq: 1 MESSAGE\r\n"
    (bare,) = looked(head + b"l: 0\r\n\r\n")
    assert (bare.kind, bare.reply.accepted, bare.reply.native_code) == ("reply", False, "sip 200")
    body = b"<scaip><ref>r</ref><snu>0</snu></scaip>"
    (full,) = looked(head + b"l: %d\r\n\r\n" % len(body) + body)
    assert (full.kind, full.reply.accepted) == ("reply", True)


@pytest.mark.parametrize(
    "octets",
    [
        b"", b" \r\n", VECTORS["D16"][:60], sip(VECTORS["D16"])[:150], sip(VECTORS["D16"], length=900), sip(b""),
        sip(VECTORS["D16"]).replace(b"MESSAGE", b"INVITE"), sip(VECTORS["D16"]).replace(b"scaip+xml", b"pidf+xml"),
        b"garbage", b"\0\0", b"\xff\xfe", b"<a>" * 9000,
    ],
)  # fmt: skip
def test_incomplete_or_foreign_input_is_one_error(octets):
    (found,) = looked(octets)
    assert found.kind == "error"
    assert found.error
    assert found.reason


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 30))
def test_it_never_raises(junk, at, cut):
    for seed in (sip(VECTORS["D16"]), VECTORS["D18"]):
        for octets in (junk, seed[:at] + junk[:30] + seed[at + cut :]):
            assert looked(octets)
