"""`livlina centre decode` and what no given vector holds: quirks of vendors, lies, and input that is cut or joined."""

import json
import time

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from typer.testing import CliRunner

from livlina.cli import app
from protocols.centre.sia_dc09.frame import crc16

AT = "2026-01-02T10:00:00Z"
KEYS = ["000102030405060708090a0b0c0d0e0f", "00" * 24, "ff" * 32]


def run(octets, protocol, *more):
    arguments = ["centre", "decode", "--protocol", protocol, "--at", AT, *more]
    result = CliRunner().invoke(app, arguments, input=octets)
    # Whatever its reader takes for a line's end: `splitlines` takes NEL and U+2028 too.
    documents = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == any(one["kind"] == "error" for one in documents)
    return documents


def kinds(octets, protocol, *more):
    return [one["kind"] for one in run(octets, protocol, *more)]


def frame(body, *, binary=False, length=None, crc=None):
    body = body.encode() if isinstance(body, str) else body
    value = crc16(body) if crc is None else crc
    check = value.to_bytes(2, "big") if binary else b"%04X" % value
    return b"\n" + check + b"0%03X" % (len(body) if length is None else length) + body + b"\r"


PRESS = '"SIA-DCS"0001L0#0043[#0043|Nri1/QA001]'


# DC-09 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("special", [b"\n", b"\r", b'"'])
@pytest.mark.parametrize("place", [0, 1])
def test_a_binary_crc_may_hold_the_octets_that_frame_others(special, place):
    for number in range(1_000_000):
        body = f'"SIA-DCS"{number % 9999 + 1:04d}L0#{number:06X}[#1234|Nri1/QA001]'
        if crc16(body.encode()).to_bytes(2, "big")[place] == special[0]:
            break
    found = run(frame(body, binary=True) + frame(PRESS) + frame(body, binary=True), "dc09")
    assert [one["kind"] for one in found] == ["alarm"] * 3
    assert found[2]["duplicate"]
    assert bytes.fromhex(found[0]["reply_hex"])[5:6] != b'"'


@pytest.mark.parametrize("between", [b"", b"\n", b"\r\n", b"\0", b"\0\r\n\0"])
def test_what_devices_put_between_and_behind_frames_is_passed_over(between):
    assert kinds(between + frame(PRESS) + between + frame(PRESS) + between, "dc09") == ["alarm", "alarm"]


@pytest.mark.parametrize("octets", [frame(PRESS)[:20], frame(PRESS)[:-1], frame(PRESS, length=0xFFF), frame(PRESS)[1:]])
def test_a_frame_that_is_not_whole_is_one_error(octets):
    assert kinds(octets, "dc09") == ["error"]


@pytest.mark.parametrize("length", [0, 5, 37, 39, 0x40])
def test_a_length_that_lies_costs_its_own_frame(length):
    assert kinds(frame(PRESS, length=length) + frame(PRESS), "dc09") == ["error", "alarm"]


def sealed(plain, key, header='"*SIA-DCS"0007R0L0#0043['):
    encryptor = Cipher(algorithms.AES(bytes.fromhex(key)), modes.CBC(bytes(16))).encryptor()
    return frame(header + (encryptor.update(plain) + encryptor.finalize()).hex().upper())


def padded(content, least, letter=b"P"):
    return letter * (least + -(least + len(content)) % 16) + content


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("least", [0, 1, 16])
@pytest.mark.parametrize("letter", [b"P", b"\x80", b"\n"])
def test_every_pad_of_either_edition_opens(key, least, letter):
    said = padded(b"|#0043|Nri1/QA001]_10:00:00,01-02-2026", least, letter)
    (found,) = run(sealed(said, key), "dc09", "--key", key)
    assert (found["kind"], found["alarm"]["transmitter"]["id"]) == ("alarm", "0043")
    assert found["reply"]["accepted"]
    assert b'"*ACK"' in bytes.fromhex(found["reply_hex"])


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("bar", [b"", b"|"])
def test_an_encrypted_link_test_may_lack_the_bar(key, bar):
    said = padded(bar + b"]_10:00:00,01-02-2026", 1)
    assert kinds(sealed(said, key, '"*NULL"0000R0L0#0043['), "dc09", "--key", key) == ["heartbeat"]


@pytest.mark.parametrize("cipher", ["", "AB", "A" * 31, "Z" * 32, "A" * 33])
def test_ciphertext_of_a_wrong_length_is_refused(cipher):
    (found,) = run(frame(f'"*SIA-DCS"0007R0L0#0043[{cipher}'), "dc09", "--key", KEYS[0])
    assert found["error"]["reason"] == "cipher"
    assert found["reply"]["native_code"] == "DUH"


@pytest.mark.parametrize(
    ("clock", "outcome"), [("09:59:20", "OK"), ("09:59:19", "CLOCK"), ("10:00:20", "OK"), ("10:00:21", "CLOCK")]
)
def test_the_window_of_an_encrypted_message(clock, outcome):
    said = padded(f"|#0043|NQA001]_{clock},01-02-2026".encode(), 16)
    (found,) = run(sealed(said, KEYS[0]), "dc09", "--key", KEYS[0])
    assert found["reply"]["outcome"] == outcome


def test_an_encrypted_message_whose_clock_shows_no_time_is_told_ours():
    said = padded(b"|#0043|NQA001]_99:00:00,13-32-2026", 16)
    (found,) = run(sealed(said, KEYS[0]), "dc09", "--key", KEYS[0])
    assert (found["kind"], found["reply"]["outcome"]) == ("alarm", "CLOCK")


def test_an_answer_that_the_key_does_not_open_is_an_error_about_the_key():
    said = padded(b"|]_10:00:00,01-02-2026", 16)
    (found,) = run(sealed(said, KEYS[0], '"*ACK"0007R0L0#0043['), "dc09", "--key", KEYS[1])
    assert (found["kind"], found["error"]["reason"]) == ("error", "cipher")


@pytest.mark.parametrize(
    ("body", "category", "account"),
    [
        ('"SIA-DCS"0001#0043[#0043|NQA001]', "PERSONAL_HELP", "0043"),
        ('"SIA-DCS"0001L#0043[|NQA001]', "PERSONAL_HELP", "0043"),
        ('"SIA-DCS"0001RL0#0000000000000043[NQA001]', "PERSONAL_HELP", "0000000000000043"),
        ('"SIA-DCS"00A1R1L0#abcd[|OQA1]', "PERSONAL_HELP", "abcd"),
        ('"SIA-DCS"0001L0#0043[|NZQ9]', "OTHER", "0043"),
        ('"SIA-DCS"0001L0#0043[|NQA1]_25:61:00,99-99-2026', "PERSONAL_HELP", "0043"),
        ('"ADM-CID"0001L0#0043[#0043|1101 01 001]', "PERSONAL_HELP", "0043"),
        ('"ADM-CID"0001L0#0043[1101 01 001]', "PERSONAL_HELP", "0043"),
        ('"ADM-CID"0001L0#0043[#0043|110101001]', "PERSONAL_HELP", "0043"),
        ('"ADM-CID"0001L0#0043[#0043|1FED 01 001]', "OTHER", "0043"),
    ],
)
def test_forms_that_panels_write(body, category, account):
    (found,) = run(frame(body), "dc09")
    assert (found["kind"], found["alarm"]["category"]) == ("alarm", category)
    assert found["alarm"]["transmitter"]["id"] == account
    assert found["alarm"]["action"] == "NEW"


@pytest.mark.parametrize("charset", ["utf-8", "latin-1", "cp1252"])
@pytest.mark.parametrize("text", ["^Köket^", '*"Köket"NM', "*'Köket'NM", "*KöketNM"])
def test_text_in_every_charset_and_form(charset, text):
    (found,) = run(frame(f'"SIA-DCS"0001L0#0043[|Nri1/QA001{text}]'.encode(charset)), "dc09")
    assert [one["value"] for one in found["alarm"]["text"]] == ["Köket"]
    assert found["alarm"]["where"]["zone"] == "001"


@pytest.mark.parametrize("token", ["NULL", "XNM"])
def test_both_link_tests_are_acknowledged(token):
    (found,) = run(frame(f'"{token}"0000#0043[#0043|0000 00 000]'), "dc09")
    assert (found["kind"], found["reply"]["native_code"]) == ("heartbeat", "ACK")


def test_the_acknowledgement_of_a_receiver_that_writes_its_missing_number_out():
    (found,) = run(frame('"ACK"0001NoneL0#0043[]'), "dc09")
    assert (found["kind"], found["reply"]["accepted"]) == ("reply", True)
    assert kinds(frame('"SIA-DCS"0001NoneL0#0043[|NQA1]'), "dc09") == ["error"]


# SCAIP -----------------------------------------------------------------------------------------------------------

MRQ = "<mrq><ref>r1</ref><cid>0012345</cid><dty>0003</dty><stc>0010</stc></mrq>"
HEAD = [
    "MESSAGE sip:arc@192.0.2.1 SIP/2.0", "Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKa",
    "From: <sip:0012345@192.0.2.9>;tag=1", "To: <sip:arc@192.0.2.1>",
    "Call-ID: x", "CSeq: 1 MESSAGE", "Content-Type: application/scaip+xml",
]  # fmt: skip


def sip(body=MRQ, *, head=HEAD, length=True, newline="\r\n"):
    octets = body if isinstance(body, bytes) else body.encode()
    lines = [*head, f"Content-Length: {len(octets)}"] if length is True else [*head, *length]
    return (newline.join(lines) + newline * 2).encode() + octets


@pytest.mark.parametrize("between", ["", "\r\n", "\n\n", "\0"])
def test_bare_documents_one_behind_the_other_are_each_a_line(between):
    octets = (MRQ + between + '<?xml version="1.0"?>' + MRQ + between + "<mrs><ref>r2</ref><snu>0</snu></mrs>").encode()
    assert kinds(octets, "scaip") == ["alarm", "alarm", "reply"]
    assert kinds(octets + b"<mrq><ref>r3", "scaip") == ["alarm", "alarm", "reply", "error"]


@pytest.mark.parametrize("tail", ["xyz", "</mrq>"])
def test_what_follows_a_document_and_is_none_refuses_it(tail):
    assert kinds((MRQ + tail).encode(), "scaip") == ["error"]


def test_comments_behind_a_document_are_its_own():
    assert kinds(f"<!-- a -->{MRQ}<!-- b --> <!-- {MRQ} -->\n{MRQ}<!-- c -->".encode(), "scaip") == ["alarm", "alarm"]


@pytest.mark.parametrize("cut", [20, 40, len(MRQ) - 3])
def test_a_document_that_was_cut_costs_itself_where_the_next_declares_itself(cut):
    octets = (MRQ[:cut] + '<?xml version="1.0"?>' + MRQ).encode()
    assert kinds(octets, "scaip") == ["error", "alarm"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "windows-1252", "iso-8859-15"])
@pytest.mark.parametrize("declared", [True, False])
def test_documents_in_every_encoding(encoding, declared):
    name = encoding.removesuffix("-sig")
    document = MRQ.replace("</mrq>", "<lte>Köket</lte></mrq>")
    octets = (f'<?xml version="1.0" encoding="{name}"?>' * declared + document).encode(encoding)
    (found,) = run(octets, "scaip")
    assert found["alarm"]["where"]["text"] == "Köket"


@pytest.mark.parametrize("cut", range(1, len(MRQ), 7))
def test_a_truncated_document_is_one_error(cut):
    assert kinds(MRQ[:cut].encode(), "scaip") == ["error"]


@pytest.mark.parametrize(
    "content", ["<!DOCTYPE m [<!ENTITY a 'b'>]>", '<!DOCTYPE m SYSTEM "file:///etc/passwd">', "<!DOCTYPE m>"]
)
def test_no_document_type_is_ever_read(content):
    (found,) = run(f"{content}{MRQ}".encode(), "scaip")
    assert found["kind"] == "error"
    assert found["reply"]["native_code"] == "2"


COMPACT = [
    HEAD[0], "v: SIP/2.0/UDP 192.0.2.9:5060", 'f: "A <b> \\" c" <sip:0012345@192.0.2.9>;tag=1',
    "t: <sip:arc@192.0.2.1>", "i: x", "cseq: 1 MESSAGE", "c: application/scaip+xml",
]  # fmt: skip
FOLDED = [
    HEAD[0], "Via:\r\n SIP/2.0/UDP 192.0.2.9:5060\r\n\t;branch=z9hG4bKa",
    "From:\r\n <sip:%30012345@192.0.2.9>\r\n ;tag=1", *HEAD[3:6],
    "Content-Type:\r\n application/scaip+xml;\r\n charset=utf-8",
]  # fmt: skip


@pytest.mark.parametrize(
    "octets",
    [
        sip(), sip(head=COMPACT, length=[f"l: {len(MRQ)}"]), sip(head=FOLDED), sip(newline="\n"), sip(length=[]),
        sip(length=[f"Content-Length: {len(MRQ)}", f"l: {len(MRQ)}"]), b"\r\n\r\n" + sip() + b"\r\n",
    ],
)  # fmt: skip
def test_sip_in_every_form_it_may_have(octets):
    (found,) = run(octets, "scaip")
    assert (found["kind"], found["alarm"]["transmitter"]["id"]) == ("alarm", "0012345")


@pytest.mark.parametrize(
    "octets",
    [
        sip(length=["Content-Length: 20"]), sip(length=["Content-Length: 5000"]), sip(length=["Content-Length: -1"]),
        sip(length=["Content-Length: 1e3"]), sip(length=[f"Content-Length: {10**12}"]),
        sip(length=[f"Content-Length: {len(MRQ)}", "Content-Length: 3"]),
        sip(length=[f"Content-Length: {len(MRQ)}", "l: 3"]),
        sip(f"{len(MRQ):x}\r\n{MRQ}\r\n0\r\n\r\n", length=["Transfer-Encoding: chunked"]), sip()[:100], sip()[:-10],
    ],
)  # fmt: skip
def test_a_sip_message_that_lies_about_itself_is_one_error(octets):
    assert kinds(octets, "scaip") == ["error"]


@pytest.mark.parametrize(
    "broken",
    [
        sip(length=["Content-Length: 20"]), sip(length=["Content-Length: 90"]), sip(length=["Content-Length: 2000"]),
        sip(length=["Content-Length: x"]), sip()[:-10], sip()[:150],
    ],
)  # fmt: skip
@pytest.mark.parametrize("behind", [sip(), sip("", head=["SIP/2.0 503 Busy", *HEAD[1:6]])])
def test_a_sip_message_that_lies_or_was_cut_costs_itself(broken, behind):
    first, *others = kinds(broken + behind, "scaip")
    assert (first, others) == ("error", kinds(behind, "scaip"))


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "RETRY_LATER"),
        (401, "AUTH"),
        (403, "AUTH"),
        (407, "AUTH"),
        (415, "REJECT_PERMANENT"),
        (503, "RETRY_OTHER"),
    ],
)
def test_a_bare_response_says_what_the_sender_makes_of_it(status, outcome):
    octets = sip("", head=[f"SIP/2.0 {status} Said", *HEAD[1:6]])
    (found,) = run(octets, "scaip")
    assert (found["kind"], found["reply"]["outcome"], found["reply"]["accepted"]) == ("reply", outcome, False)


# SOS Access ------------------------------------------------------------------------------------------------------

DECLARED = '<?xml version="1.0" encoding="{}"?>'
SOS = (
    "<alarmrequest><reference>r1</reference><authentication>123456789012345</authentication><receiver>42</receiver>"
    "<transmittertype>SV300</transmittertype><transmittercode>00123</transmittercode><eventcode>QA</eventcode>"
    "<additionalinfo>Köket</additionalinfo></alarmrequest>"
)
PING = (
    DECLARED.format("ISO-8859-1") + "<pingrequest><authentication>123456789012345</authentication>"
    "<transmittercode>00123</transmittercode><transmittertype>SV300</transmittertype></pingrequest>"
).encode()


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "iso-8859-1", "UTF-8", "UTF-8-sig", "windows-1252"])
@pytest.mark.parametrize("between", [b"", b"\r\n", b"\0", b" \0\n"])
def test_documents_of_sos_access_in_other_encodings_and_with_what_devices_append(encoding, between):
    octets = (DECLARED.format(encoding.removesuffix("-sig")) + SOS).encode(encoding)
    found = run(octets + between + PING + between, "sosaccess")
    assert [one["kind"] for one in found] == ["alarm", "heartbeat"]
    assert found[0]["alarm"]["transmitter"]["id"] == "00123"
    assert [one["value"] for one in found[0]["alarm"]["text"]] == ["Köket"]


def test_a_closing_tag_in_a_cdata_section_closes_nothing():
    octets = (DECLARED.format("ISO-8859-1") + SOS.replace("Köket", "<![CDATA[</alarmrequest> <x>]]>")).encode("latin-1")
    found = run(octets + PING, "sosaccess")
    assert [one["kind"] for one in found] == ["alarm", "heartbeat"]
    assert found[0]["alarm"]["text"][0]["value"] == "</alarmrequest> <x>"


def test_comments_and_a_cut_document_of_sos_access_cost_nobody_else():
    whole = (DECLARED.format("ISO-8859-1") + SOS).encode("latin-1")
    assert kinds(whole + b"<!-- x -->" + PING + b"<!-- y -->\r\n", "sosaccess") == ["alarm", "heartbeat"]
    assert kinds(whole[:150] + whole + PING, "sosaccess") == ["error", "alarm", "heartbeat"]


def test_a_line_of_information_ends_at_cr_lf_and_nowhere_else():
    octets = (DECLARED.format("ISO-8859-1") + SOS).encode("latin-1")
    (found,) = run(octets.replace(b"K\xf6ket", b"Rum 3\x85 vid d\xf6rren\r\nAndra raden"), "sosaccess")
    assert [one["value"] for one in found["alarm"]["text"]] == ["Rum 3\x85 vid dörren", "Andra raden"]


@pytest.mark.parametrize("text", ["a\u2028b", "a\x85b", "a\x9b2Jb", "a\x7fb"])
def test_a_message_is_one_line_to_every_reader_and_no_command_to_a_terminal(text):
    (found,) = run(MRQ.replace("</mrq>", f"<ite>{text}</ite></mrq>").encode(), "scaip")
    assert [one["value"] for one in found["alarm"]["text"]] == [text]


def test_an_empty_root_costs_itself_only():
    assert kinds(DECLARED.format("ISO-8859-1").encode() + b"<pingrequest/>" + PING, "sosaccess") == [
        "error",
        "heartbeat",
    ]


def test_a_document_without_its_declaration_is_told_so():
    (found,) = run(SOS.encode("latin-1"), "sosaccess")
    assert found["reply"]["native_code"] == "100"


# Size ------------------------------------------------------------------------------------------------------------


NOTHING = [
    ("dc09", b"", b"\n", b""), ("dc09", b"", b'\n00000FFF"', b""), ("dc09", b"", bytes(range(256)), b""),
    ("scaip", MRQ.removesuffix("</mrq>").encode() + b"<ite>", b"x", b"</ite></mrq>"), ("scaip", b"", b"a", b""),
    ("scaip", b"", b"\r\n", b""), ("sosaccess", DECLARED.format("UTF-8").encode(), b"<!-- x -->", b""),
    ("sosaccess", b"", b"<", b""), ("sosaccess", b"", b" ", b""),
]  # fmt: skip


@pytest.mark.parametrize("size", [1_000_000, pytest.param(10_000_000, marks=pytest.mark.proof)])
@pytest.mark.parametrize(("protocol", "before", "octets", "after"), NOTHING)
def test_megabytes_of_nothing_are_refused_in_a_word_or_two(protocol, before, octets, after, size):
    assert 1 <= len(run(before + octets * (size // len(octets)) + after, protocol)) <= 2


@pytest.mark.parametrize(
    ("protocol", "octets"), [("scaip", sip()), ("scaip", MRQ.encode()), ("sosaccess", PING), ("dc09", frame(PRESS))]
)
def test_the_time_of_a_message_does_not_grow_with_what_stands_around_it(protocol, octets):
    """Processor time of one message among 600 beside that among 50."""

    def cost(count):
        began = time.process_time()
        assert len(run(octets * count, protocol)) == count
        return (time.process_time() - began) / count

    few = min(cost(50) for _ in range(3))
    assert min(cost(600) for _ in range(2)) < 8 * few
