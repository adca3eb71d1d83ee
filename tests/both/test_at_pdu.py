"""SMS as PDUs: bytes there and back, and what is refused."""

from binascii import hexlify

from firmware.core import at_pdu
from firmware.core.at_syntax import AtError


def reason(function, *arguments):
    try:
        function(*arguments)
    except AtError as error:
        return error.reason
    return None


def deliver(payload, sender="0B916407214365F7", first="04", coding="04", centre="07916407058099F9"):
    """What a network would hand over: TS 23.040 clause 9.2.2.1."""
    text = hexlify(payload).decode().upper()
    return centre + first + sender + "00" + coding + "62112132021340" + "%02X" % len(payload) + text


def test_submit():
    length, pdu = at_pdu.encode("+46701234567", b"\x00\x1a\xff")
    assert pdu == "0011000B916407214365F7000400" + "03001AFF"
    assert length == len(pdu) // 2 - 1
    length, pdu = at_pdu.encode("071234", bytes(140), 167)
    assert pdu.startswith("0011000681702143" + "0004A78C") and length == len(pdu) // 2 - 1


def test_deliver():
    for payload in (b"", b"\x00", b"\x1a\r\nOK", bytes(range(140))):
        message = at_pdu.decode(deliver(payload))
        assert message.payload == payload and message.sender == "+46701234567"
    assert at_pdu.decode(deliver(b"x", centre="00")).payload == b"x"
    assert at_pdu.decode(deliver(b"x", coding="F5")).payload == b"x"
    assert at_pdu.decode(deliver(b"x", "0AD0D4F29C0E03")).sender == "d4f29c0e03"
    assert at_pdu.decode(deliver(b"x", "05811721F4")).sender == "71124"


def test_what_is_no_8_bit_data_has_no_payload():
    assert at_pdu.decode(deliver(b"E8329BFD06", coding="00")).payload is None
    assert at_pdu.decode(deliver(b"x", coding="08")).payload is None
    assert at_pdu.decode(deliver(b"x", coding="24")).payload is None
    assert at_pdu.decode(deliver(b"\x05\x00\x03\x01\x02\x01x", first="44")).payload is None


def test_refusals():
    whole = deliver(b"abc")
    for cut in range(len(whole)):
        assert reason(at_pdu.decode, whole[:cut]) == "pdu", cut
    for text in (whole + "00", "zz", deliver(b"", first="05"), "FF" + whole[2:], "00" * 300):
        assert reason(at_pdu.decode, text) == "pdu", text
    for to, payload in (("+46\r", b"x"), ("+4670123", b""), ("+4670123", bytes(141)), ("", b"x")):
        assert reason(at_pdu.encode, to, payload) == "argument", to
