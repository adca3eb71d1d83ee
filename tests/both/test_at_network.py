"""Registration, timers, signal, time and identities, in the shapes that modems give them."""

from firmware.core import at_network
from firmware.core.at_syntax import AtError


def reason(function, *arguments):
    try:
        function(*arguments)
    except AtError as error:
        return error.reason
    return None


READS = (
    "5,1",
    "0,2",
    '5,1,"E485","093F9E11",7',
    "2,90",
    "4,3,,,,0,15",
    '5,5,"1A2B","00C0FFEE",9,,,"00000001","00000001"',
)
URCS = ("1", "2", '1,"E485","093F9E11",7', "3,,,,0,15", "1,1A2B,C0FFEE,7", "1,1234,5678,7", "")


def test_reads_and_urcs_are_told_apart():
    for text in READS:
        assert at_network.is_registration_read(text), text
    for text in URCS:
        assert not at_network.is_registration_read(text), text


def fields(line):
    found = at_network.registration(line)
    return (
        found.stat, found.area, found.cell, found.act, found.cause_type, found.cause, found.active, found.tau,
        found.registered,
    )  # fmt: skip


def test_registration():
    assert fields('+CEREG: 1,"E485","093F9E11",7,,,"11100000","11100000"') == (
        1, 0xE485, 0x093F9E11, 7, None, None, None, None, True,
    )  # fmt: skip
    assert fields('+CEREG: 5,5,"E485","093F9E11",9,,,"00000011","00100010"') == (
        5, 0xE485, 0x093F9E11, 9, None, None, 6, 7200, True,
    )  # fmt: skip
    assert fields("+CEREG: 3,,,,0,15") == (3, None, None, None, 0, 15, None, None, False)
    assert fields("+CEREG: 5,3,,,,0,8") == (3, None, None, None, 0, 8, None, None, False)
    assert fields("+CEREG: 90") == (90, None, None, None, None, None, None, None, False)
    assert fields("+CEREG: 5,1,1A2B,C0FFEE,7")[:4] == (1, 0x1A2B, 0xC0FFEE, 7)


def test_registration_without_a_status_is_refused():
    for line in ("+CEREG:", "+CEREG: x", '+CEREG: "1"', "+CEREG: 999"):
        assert reason(at_network.registration, line) == "answer", line


# TS 24.008 tables 10.5.163a and 10.5.172
TAUS = ((320 * 3600, "11000001"), (7200, "00001100"), (62, "10000011"), (190 * 60, "00010011"))


def test_timers():
    for seconds, bits in TAUS:
        encoded = at_network.encode_tau(seconds)
        assert at_network.timer(encoded) >= seconds, (seconds, encoded)
        assert at_network.timer(bits) >= seconds, bits
    assert at_network.timer("01100011") == 6
    assert at_network.timer("11000001") == 320 * 3600
    assert at_network.timer("11100000") is None
    for bits in ("", "1", "2" * 8, "111000001"):
        assert at_network.timer(bits) is None
    assert at_network.encode_active(6) == "00000011"
    assert at_network.encode_active(60) in ("00011110", "00100001")
    assert at_network.encode_active(0) == "00000000"
    for wrong in (-1, 31 * 360 + 1):
        assert reason(at_network.encode_active, wrong) == "argument", wrong


def test_signal():
    assert at_network.signal("+CSQ: 17,99") == {"rssi": -79}
    assert at_network.signal("+CSQ: 99,99") == {}
    assert at_network.signal("+CESQ: 99,99,255,255,20,40") == {"rsrp": -101, "rsrq": -100}
    assert at_network.signal("+CESQ: 99,99,255,255,255,255") == {}
    assert at_network.signal("+CESQ: 1") == {}


TIMES = (
    ("26/11/21,23:20:31+04", 1795299631),
    ("26/11/21,22:20:31+00", 1795299631),
    ("26/11/21,21:20:31-04", 1795299631),
    ("28/02/29,00:00:00+00", 1835395200),
    ("80/01/06,00:00:10+00", None),
    ("70/01/01,00:00:10+00", None),
    ("00/01/01,00:00:10+00", None),
    ("26/13/21,23:20:31+04", None),
    ("26/11/21,23:20:31", None),
    ("26/11/21 23:20:31+04", None),
    ("2x/11/21,23:20:31+04", None),
    ("", None),
)


def test_network_time():
    for text, unix in TIMES:
        assert at_network.network_time(text) == unix, (text, at_network.network_time(text))


ICCIDS = (
    ("89460012012345678901", "89460012012345678901"),
    ("8946001201234567890", "8946001201234567890"),
    ('"89460012012345678901"', "89460012012345678901"),
    ("8946001201234567890F", "8946001201234567890"),
    ("98640021103254769810", "89460012012345678901"),
    ("986400211032547698F0", "8946001201234567890"),
    ("8946001201ABCD567890", "8946001201ABCD567890"),
    ("8944", None),
    ("11112222333344445555", None),
    ("ERROR", None),
    ("", None),
)


def test_iccid():
    for text, expected in ICCIDS:
        assert at_network.iccid(text) == expected, text


def test_digits():
    assert at_network.digits("860123456789012", 15, 15) == "860123456789012"
    assert at_network.digits('"860123456789012"', 15, 15) == "860123456789012"
    assert at_network.digits("86012345678901", 15, 15) is None
    assert at_network.digits("86012345678901x", 15, 15) is None
