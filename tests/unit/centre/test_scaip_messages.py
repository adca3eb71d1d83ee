"""SCAIP's XML: vectors, what units in the field write, hostile documents, and decode(encode(x)) == x."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.centre.scaip import codes
from protocols.centre.scaip.codes import Status, meaning
from protocols.centre.scaip.messages import (
    Dialect,
    MessageError,
    Position,
    Request,
    Response,
    decode,
    encode,
    xml_text,
)
from protocols.centre.scaip.xml_reader import MAX_OCTETS

VECTORS = json.loads((Path(__file__).parent / "scaip.json").read_text(encoding="utf-8"))
BILLION = b"""<?xml version="1.0"?><!DOCTYPE mrq [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">
<!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;">]><mrq><ref>&e;</ref><cid>1</cid><dty>3</dty></mrq>"""


def request(**changes):
    return Request(**{"ref": "r1", "cid": "10149471", "dty": "3", **changes})


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_vector(vector):
    expected = vector["expect"]
    if "error" in expected:
        with pytest.raises(MessageError, match=expected["error"]) as caught:
            decode(vector["text"].encode())
        assert (caught.value.ref, str(caught.value.status)) == (expected["ref"], expected["snu"])
        return
    message = decode(vector["text"].encode())
    for name, value in expected.items():
        found = getattr(message, name)
        assert (list(found) if isinstance(found, tuple) else found) == value
    assert decode(encode(message)) == message


def test_field_values_lose_the_space_that_units_put_around_them():
    found = decode(b"\r\n <mrq>\n<ref> r1 </ref><cid> 8031372</cid>\n <dty>03</dty></mrq>\r\n\0\0")
    assert (found.ref, found.cid, found.dty) == ("r1", "8031372", "03")
    assert ("cid", " 8031372") in found.wire


def test_an_empty_element_is_an_absent_one():
    found = decode(b"<mrq><ref>r</ref><cid>1</cid><dty>3</dty><stc></stc><crd/><mty> </mty><lge><geo/></lge></mrq>")
    assert (found.stc, found.crd, found.mty, found.lge, found.kind) == (None, (), None, None, "ME")


def test_order_is_free_and_crd_may_repeat():
    found = decode(b"<mrq><dty>3</dty><crd>tel:1</crd><cid>1</cid><crd>sip:a@b</crd><ref>r</ref></mrq>")
    assert found.crd == ("tel:1", "sip:a@b")


def test_unknown_elements_and_codes_survive():
    found = decode(
        b"<mrq><ref>r</ref><cid>1</cid><dty>9876</dty><stc>999</stc><new>x</new><deep><ref>2</ref></deep></mrq>"
    )
    assert (found.dty, found.stc) == ("9876", "999")
    assert found.others == (("new", "x"), ("deep.ref", "2"))
    again = decode(encode(found))
    assert again == found
    assert again.ref == "r"


def told(text, encoding="utf-8", declared=None):
    """A request whose ite is this text, in an encoding, which the document may declare or misname."""
    head = "" if declared is None else f'<?xml version="1.0" encoding="{declared}"?>'
    return f"{head}<mrq><ref>r</ref><cid>1</cid><dty>3</dty><ite>{text}</ite></mrq>".encode(encoding)


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (told("Kök"), "Kök"),
        (told("Kök", "latin-1"), "Kök"),
        (told("Kök", "latin-1", "ISO-8859-1"), "Kök"),
        (told("Kök", "latin-1", "UTF-8"), "Kök"),
        (told("5 €", "cp1252", "windows-1252"), "5 €"),
        (told("5 €", "iso-8859-15", "ISO-8859-15"), "5 €"),
        (told("Kök", "utf-16", "UTF-16"), "Kök"),
        (b"\xef\xbb\xbf" + told("Kök"), "Kök"),
        (told("K&#246;k &amp; vind"), "Kök & vind"),
    ],
)
def test_text_in_the_encodings_of_the_field(octets, text):
    assert decode(octets).ite == text


@pytest.mark.parametrize(
    ("octets", "status", "ref"),
    [
        (BILLION, Status.INVALID_FORMAT, ""),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><mrq/>', Status.INVALID_FORMAT, ""),
        (b"<mrq><ref>r7</ref><cid>10149", Status.INVALID_FORMAT, "r7"),
        (b"<mrq><ref>r7", Status.INVALID_FORMAT, ""),
        (b"", Status.INVALID_FORMAT, ""),
        (b"<mrq><ref>r7</ref><cid>1</cid><dty>3</dty></mrq><mrq/>", Status.INVALID_FORMAT, "r7"),
        (b"<mrq>" * 5000, Status.TOO_LONG, ""),
        (b"<mrq>" * 3000, Status.INVALID_FORMAT, ""),
        (b"<mrq>" + b"<a/>" * 3000 + b"</mrq>", Status.INVALID_FORMAT, ""),
        (b"<mrq><ref>r</ref><cid>1</cid><dty>3</dty><ite>" + b"x" * MAX_OCTETS + b"</ite></mrq>", Status.TOO_LONG, ""),
        (b"<mrq><ref>r</ref><cid>1</cid><cid>2</cid><dty>3</dty></mrq>", Status.INVALID_FORMAT, "r"),
        (b"<mrq><ref>r</ref><cid>1&#10;2</cid><dty>3</dty></mrq>", Status.WRONG_CONTENT, "r"),
        (b"<mrq><ref>" + b"r" * 65 + b"</ref><cid>1</cid><dty>3</dty></mrq>", Status.WRONG_CONTENT, ""),
        (b"<mrq><ref>r</ref><cid> </cid><dty>3</dty></mrq>", Status.TAG_MISSING, "r"),
        (b"<mrq><cid>1</cid><dty>3</dty></mrq>", Status.TAG_MISSING, ""),
        (b"<mrs><ref>r</ref></mrs>", Status.TAG_MISSING, "r"),
        (b"<mrs><ref>r</ref><snu>ok</snu></mrs>", Status.WRONG_CONTENT, "r"),
        (b"<mrs><ref>r</ref><snu>0</snu><snu>5</snu></mrs>", Status.INVALID_FORMAT, "r"),
        (b"<html><ref>r</ref></html>", Status.INVALID_FORMAT, "r"),
        (b"<mrq><?php x ?><ref>r</ref></mrq>", Status.INVALID_FORMAT, ""),
        (b'<?xml version="1.0" encoding="utf-7"?><mrq/>', Status.INVALID_FORMAT, ""),
        (b"\xff\xfe<\0m\0", Status.INVALID_FORMAT, ""),
        (b"<mrq \xff", Status.INVALID_FORMAT, ""),
    ],
)
def test_what_is_refused_says_why_and_to_whom(octets, status, ref):
    with pytest.raises(MessageError) as caught:
        decode(octets)
    assert (caught.value.status, caught.value.ref) == (status, ref)


def test_entities_are_refused_because_they_are_declared_and_not_because_they_are_big():
    """The control: one harmless entity is refused as the bomb is, and the same document without it is read."""
    harmless = b'<!DOCTYPE mrq [<!ENTITY a "r1">]><mrq><ref>&a;</ref><cid>1</cid><dty>3</dty></mrq>'
    with pytest.raises(MessageError, match="document type"):
        decode(harmless)
    assert decode(harmless[harmless.index(b"<mrq>") :].replace(b"&a;", b"r1")).ref == "r1"


def test_dialect_b_is_one_root_both_ways_and_needs_no_ref():
    asked = decode(
        b"<?xml version='1.0'?><scaip><cid>+123456</cid><dty>0004</dty><did>001d940cb800</did><sco></sco></scaip>"
    )
    assert (asked.dialect, asked.ref, asked.cid, asked.did) == (Dialect.B, "", "+123456", "001d940cb800")
    said = decode(b"<scaip><ref>r1</ref><snu>0</snu><ste>OK</ste></scaip>")
    assert isinstance(said, Response)
    assert (said.dialect, said.status) == (Dialect.B, 0)
    assert encode(said) == b"<scaip><ref>r1</ref><snu>0</snu><ste>OK</ste></scaip>"


def test_codes_are_compared_as_numbers_and_kept_as_text():
    for text in ("3", "03", "0003", " 3 "):
        assert meaning("dty", text) == "personal trigger"
    assert meaning("stc", "010") == "manual alarm"
    assert meaning("dty", "42") is None
    assert meaning("ico", "1") is None
    assert meaning("dty", "-3") is None
    assert codes.number("1" * 10) is None
    assert codes.number("٣") is None


@pytest.mark.parametrize(
    ("element", "code", "words"),
    [
        ("dty", 51, "tracking device"), ("dty", 43, "access controller"), ("dco", 22, "Ethernet"),
        ("dco", 29, "module 5"),
        ("stc", 127, "unlocked"), ("stc", 106, "trespass"), ("stc", 61, "level 9"), ("lco", 52, "wing"),
        ("lco", 34, "geo position attached"), ("snu", 99, "undefined error"), ("mre", 3, "device speaker only"),
    ],
)  # fmt: skip
def test_the_tables_count_right(element, code, words):
    assert codes.TABLES[element][code] == words


def test_the_tables_have_the_holes_of_their_source():
    assert 42 not in codes.DEVICE_TYPE
    assert 49 not in codes.STATUS_CODE
    assert (max(codes.DEVICE_TYPE), max(codes.STATUS_CODE), max(codes.LOCATION_CODE)) == (51, 127, 52)


NAME = st.text(st.characters(categories=["L", "N"], max_codepoint=0x2FF), min_size=1, max_size=16)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40).map(xml_text)
VALUE = st.one_of(st.none(), TEXT.filter(bool))
POSITION = st.builds(Position, VALUE, VALUE, VALUE).map(lambda found: None if found == Position() else found)
OTHERS = st.lists(st.tuples(st.from_regex(r"x[a-z]{0,5}", fullmatch=True), TEXT), max_size=3).map(tuple)
REQUESTS = st.builds(
    Request,
    ref=NAME, cid=NAME, dty=NAME, ver=VALUE, sco=VALUE, cha=VALUE, mty=VALUE, hbo=VALUE, did=VALUE, dco=VALUE,
    dte=VALUE, crd=st.lists(TEXT.filter(bool), max_size=3).map(tuple), stc=VALUE, stt=VALUE, pri=VALUE,
    lco=VALUE, lva=VALUE, lte=VALUE, lge=POSITION, ico=VALUE, ite=VALUE, ame=VALUE, others=OTHERS,
    dialect=st.sampled_from(Dialect),
)  # fmt: skip
RESPONSES = st.builds(
    Response,
    ref=NAME, snu=st.integers(0, 99).map(str), ste=VALUE, cve=VALUE, mre=VALUE, cre=VALUE,
    tnu=st.lists(TEXT.filter(bool), max_size=3).map(tuple), hbi=VALUE, others=OTHERS, dialect=st.sampled_from(Dialect),
)  # fmt: skip


@given(st.one_of(REQUESTS, RESPONSES))
def test_what_is_written_is_read_again(message):
    assert decode(encode(message)) == message


@given(st.text(max_size=60))
def test_no_text_of_ours_breaks_the_document(text):
    written = encode(request(ite=text, dte=text, others=(("x", text),)))
    assert decode(written).ite == (xml_text(text) or None)


@given(REQUESTS, st.data())
def test_every_cut_is_refused_and_never_read_as_another_message(message, data):
    octets = encode(message)
    cut = data.draw(st.integers(0, len(octets) - 1))
    with pytest.raises(MessageError):
        decode(octets[:cut])


PIECES = st.lists(
    st.one_of(
        st.sampled_from([
            b"<mrq>", b"</mrq>", b"<ref>1</ref>", b"<cid>2</cid>", b"<dty>3</dty>", b"<mrs>", b"<snu>0</snu>",
            b"<scaip>",
            b"<!DOCTYPE x [", b'<!ENTITY a "b">', b"]>", b"&a;", b"&#0;", b"&#x110000;", b"<![CDATA[", b"]]>", b"<!--",
            b"-->", b"<?x ?>", b"\xff\xfe", b"\xef\xbb\xbf", b"\0", b"<x:y z='", b"'>",
            b"<?xml version='1.0' encoding='",
        ]),
        st.binary(max_size=12),
    ),
    max_size=30,
).map(b"".join)  # fmt: skip


@given(PIECES)
def test_no_octets_break_the_reader(octets):
    try:
        message = decode(octets)
    except MessageError:
        return
    assert decode(encode(message)) == message


def worst_documents():
    """Documents at the size limit, of the kinds that parsers are slow at."""
    yield b"<mrq>" + b"<a>" * 100_000
    yield (b"<mrq" + b" a='&lt;'" * 4000)[:MAX_OCTETS]
    yield (b"<mrq>" + b"&amp;" * 4000)[:MAX_OCTETS]
    yield (b"<mrq>" + b"<a/>" * 5000)[:MAX_OCTETS]
    yield (b"<mrq " + b"".join(b"a%d='' " % number for number in range(3000)))[:MAX_OCTETS]
    yield (b"<" + b"m" * 20_000)[:MAX_OCTETS]
    yield (b"<mrq>" + b"<!-- - -" * 4000)[:MAX_OCTETS]
    yield (b"<mrq><![CDATA[" + b"]" * 20_000)[:MAX_OCTETS]
    yield ("<mrq>" + "ö" * 9000).encode("latin-1")[:MAX_OCTETS]
    yield (b"<?xml version='1.0' " + b" " * 20_000)[:MAX_OCTETS]
    yield BILLION


def slowest_refusal(documents, rounds=5):
    """Seconds of the slowest document, each at its best of some rounds: what the parser costs and not the machine."""
    worst = 0.0
    for octets in documents:
        best = float("inf")
        for _ in range(rounds):
            started = time.perf_counter()
            with pytest.raises(MessageError):
                decode(octets)
            best = min(best, time.perf_counter() - started)
        worst = max(worst, best)
    return worst


@pytest.mark.parametrize("octets", list(worst_documents()), ids=range(11))
def test_the_worst_documents_are_refused(octets):
    with pytest.raises(MessageError):
        decode(octets)


@pytest.mark.proof
def test_every_refusal_takes_less_than_10_ms():
    worst = slowest_refusal(worst_documents(), rounds=50)
    print(f"\nslowest refusal of a SCAIP document: {worst * 1000:.2f} ms")
    assert worst < 0.010
