"""Requests as alarms and back: what is kept, what is lost and said to be, and that no test comes alive."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.centre.alarm import (
    Action,
    Alarm,
    Category,
    Correlation,
    Device,
    Endpoint,
    Geo,
    Mode,
    Native,
    Outcome,
    Source,
    Supervision,
    Text,
    Transmitter,
    Voice,
    VoiceRequest,
    Where,
)
from protocols.centre.scaip.categories import SENT, read, wants_call
from protocols.centre.scaip.messages import Response, decode, encode
from protocols.centre.scaip.read_alarm import read_alarm, reply_of, wire_reference
from protocols.centre.scaip.write_alarm import WriteError, heartbeat, lost, write_alarm

AT = datetime(2026, 1, 2, 10, tzinfo=UTC)


def alarm_of(xml):
    octets = xml if isinstance(xml, bytes) else xml.encode()
    return read_alarm(decode(octets), octets, alarm_id="a1", received_at=AT)


def mrq(inner):
    return alarm_of(f"<mrq><ref>r1</ref><cid>1234</cid>{inner}</mrq>")


def press(**changes):
    facets = {
        "id": "1",
        "received_at": AT,
        "source": Source("fleet", "mqtt"),
        "transmitter": Transmitter("0000000042", "cid"),
        "action": Action.NEW,
        "category": Category.PERSONAL_HELP,
        "correlation": Correlation(reference="0000002a-3-17", incident_id="12"),
        "device": Device(id="2"),
        "text": (Text("Kök, 2 tr"),),
        "extra": {"count": "2", "age_s": "4"},
    }
    return Alarm(**{**facets, **changes})


def back(written):
    return read_alarm(decode(written.octets), written.octets, alarm_id="b", received_at=AT)


@pytest.mark.parametrize(
    ("inner", "category", "action", "mode"),
    [
        ("<dty>3</dty><stc>10</stc>", Category.PERSONAL_HELP, Action.NEW, Mode.LIVE),
        ("<dty>3</dty>", Category.PERSONAL_HELP, Action.NEW, Mode.LIVE),
        ("<dty>02</dty><stc>010</stc>", Category.PERSONAL_HELP, Action.NEW, Mode.LIVE),
        ("<dty>0005</dty><stc>0009</stc>", Category.FALL, Action.NEW, Mode.LIVE),
        ("<dty>30</dty><stc>9</stc>", Category.FALL, Action.NEW, Mode.LIVE),
        ("<dty>6</dty><stc>10</stc>", Category.PERSONAL_ATTACK, Action.NEW, Mode.LIVE),
        ("<dty>6</dty><stc>10</stc><ite>Duress. Hall</ite>", Category.DURESS, Action.NEW, Mode.LIVE),
        ("<dty>51</dty><stc>106</stc>", Category.GEOFENCE, Action.NEW, Mode.LIVE),
        ("<dty>51</dty><stc>10</stc>", Category.PERSONAL_HELP, Action.NEW, Mode.LIVE),
        ("<dty>15</dty><stc>106</stc>", Category.WANDER, Action.NEW, Mode.LIVE),
        ("<dty>23</dty><stc>9</stc>", Category.SMOKE, Action.NEW, Mode.LIVE),
        ("<dty>2</dty><stc>16</stc>", Category.BATTERY_LOW, Action.NEW, Mode.LIVE),
        ("<dty>3</dty><stc>15</stc>", Category.BATTERY_LOW, Action.RESTORE, Mode.LIVE),
        ("<dty>41</dty><stc>86</stc>", Category.MAINS_FAIL, Action.RESTORE, Mode.LIVE),
        ("<dty>32</dty><stc>27</stc>", Category.COMM_FAIL, Action.NEW, Mode.LIVE),
        ("<dty>32</dty><stc>73</stc>", Category.HEARTBEAT_MISSED, Action.NEW, Mode.LIVE),
        ("<dty>8</dty><stc>121</stc>", Category.STAFF_PRESENT, Action.NEW, Mode.LIVE),
        ("<dty>8</dty><stc>111</stc>", Category.STAFF_DONE, Action.NEW, Mode.LIVE),
        ("<dty>3</dty><stc>19</stc>", Category.PERSONAL_HELP, Action.CANCEL, Mode.LIVE),
        ("<mty>RE</mty><dty>3</dty><stc>10</stc>", Category.PERSONAL_HELP, Action.RESTORE, Mode.LIVE),
        ("<mty>RE</mty><dty>3</dty>", Category.PERSONAL_HELP, Action.RESET, Mode.LIVE),
        ("<mty>IN</mty><dty>3</dty><stc>10</stc>", Category.PERSONAL_HELP, Action.INFO, Mode.LIVE),
        ("<dty>2</dty><stc>102</stc>", Category.TEST_MANUAL, Action.TEST, Mode.TEST),
        ("<dty>2</dty><stc>0103</stc>", Category.TEST_PERIODIC, Action.TEST, Mode.TEST),
        ("<mty>pi</mty><dty>2</dty><stc>102</stc>", Category.HEARTBEAT, Action.HEARTBEAT, Mode.LIVE),
        ("<mty>PI</mty><dty>2</dty><stc>9</stc>", Category.HEARTBEAT, Action.HEARTBEAT, Mode.LIVE),
        ("<dty>99</dty><stc>10</stc>", Category.OTHER, Action.NEW, Mode.LIVE),
        ("<dty>3</dty><stc>999</stc>", Category.OTHER, Action.NEW, Mode.LIVE),
        ("<dty>device-type-a</dty><stc>alarm</stc>", Category.OTHER, Action.NEW, Mode.LIVE),
        ("<mty>ZZ</mty><dty>3</dty><stc>10</stc>", Category.PERSONAL_HELP, Action.NEW, Mode.LIVE),
    ],
)
def test_what_a_request_means(inner, category, action, mode):
    alarm = mrq(inner)
    assert (alarm.category, alarm.action, alarm.mode) == (category, action, mode)


def test_identity_is_text_from_end_to_end():
    alarm = alarm_of("<mrq><ref>00001883</ref><cid> 0026317</cid><dty>02</dty><did>00</did><dco>002</dco></mrq>")
    assert (alarm.transmitter.id, alarm.device.id, alarm.device.component) == ("0026317", "00", "002")
    assert (alarm.correlation.reference, alarm.correlation.sequence) == ("00001883", "00001883")
    assert alarm.source.wire["cid"] == (" 0026317",)
    assert alarm.native == (
        Native("scaip.dty", "02", "local unit and controller"),
        Native("scaip.dco", "002", "button 1"),
    )


def test_every_facet_of_a_full_request():
    alarm = alarm_of(
        "<mrq><ref>r1</ref><ver>01.00</ver><sco>1</sco><cha>1</cha><mty>ME</mty><hbo>001</hbo><cid>1</cid><dty>3</dty>"
        "<did>7</did><dco>2</dco><dte>Halsband</dte><crd>tel:+461</crd><crd>gsm:+</crd><stc>10</stc><stt>Knapp</stt>"
        "<pri>3</pri><lco>12</lco><lva>4</lva><lte>Sovrum</lte><lge><geo>59.3293,18.0686</geo>"
        "<tim>2026-01-02T09:59:58.00</tim></lge><ico>5</ico><ite>Andra</ite><ame>1</ame><mreq>1</mreq></mrq>"
    )
    assert alarm.voice == Voice(VoiceRequest.CALLBACK, (Endpoint("tel", "tel:+461"), Endpoint("gsm", "gsm:+")))
    assert alarm.supervision == Supervision(adjustable=True)
    assert (alarm.priority, alarm.device.text, alarm.correlation.more_follows) == (3, "Halsband", True)
    assert (alarm.where.code, alarm.where.value, alarm.where.text) == ("12", "4", "Sovrum")
    assert alarm.where.geo == Geo(
        59.3293,
        18.0686,
        fixed_at=datetime(2026, 1, 2, 9, 59, 58, tzinfo=UTC),
        raw="59.3293,18.0686",
        raw_format="wgs84",
    )
    assert alarm.text == (Text("Knapp"), Text("Andra"))
    assert (alarm.extra["ico"], alarm.extra["ite"], alarm.extra["mreq"]) == ("5", "Andra", "1")


def test_a_sentence_of_nmea_is_a_position():
    gga = "$GPGGA,095958,5919.758,N,01804.116,E,1,08,0.9,28.4,M,23.0,M,,*47"
    geo = mrq(f"<dty>51</dty><lge><gga>{gga}</gga></lge>").where.geo
    assert (round(geo.lat, 4), round(geo.lon, 4), geo.alt, geo.raw_format) == (59.3293, 18.0686, 28.4, "nmea.gga")


@pytest.mark.parametrize("text", ["95.0,18.0", "north", "59,3293 18,0686", "", "nan,nan", "1e5,2"])
def test_a_position_that_nobody_can_read_is_kept_as_it_is(text):
    alarm = mrq(f"<dty>51</dty><lge><geo>{text}</geo></lge>")
    assert alarm.where.geo is None if not text else (alarm.where.geo.lat, alarm.where.geo.raw) == (None, text)


@pytest.mark.parametrize(
    ("inner", "call"),
    [
        ("<dty>3</dty>", True),
        ("<dty>3</dty><crd>gsm:+</crd>", True),
        ("<dty>3</dty><crd>no-voice:</crd>", False),
        ("<dty>3</dty><crd>no-voice:</crd><crd>tel:1</crd>", True),
        ("<dty>3</dty><stc>19</stc><crd>tel:1</crd>", False),
        ("<dty>2</dty><stc>102</stc><crd>tel:1</crd>", False),
        ("<dty>3</dty><mty>PI</mty><crd>tel:1</crd>", False),
        ("<dty>3</dty><mty>RE</mty><stc>10</stc><crd>tel:1</crd>", False),
        ("<dty>3</dty><mreq>4</mreq>", False),
    ],
)
def test_when_a_call_goes_with_it(inner, call):
    alarm = mrq(inner)
    assert wants_call(decode(alarm.source.raw)) is call
    assert (alarm.voice.requested is not VoiceRequest.NONE) is call


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        ("<snu>0</snu>", Outcome.OK), ("<snu>00</snu>", Outcome.OK), ("<snu>4</snu>", Outcome.RETRY_OTHER),
        ("<snu>5</snu>", Outcome.RETRY_OTHER), ("<snu>6</snu>", Outcome.RETRY_OTHER),
        ("<snu>99</snu>", Outcome.RETRY_OTHER),
        ("<snu>77</snu>", Outcome.RETRY_OTHER), ("<snu>1</snu>", Outcome.REJECT_PERMANENT),
        ("<snu>2</snu>", Outcome.REJECT_PERMANENT), ("<snu>3</snu>", Outcome.REJECT_PERMANENT),
        ("<snu>7</snu>", Outcome.REJECT_PERMANENT),
    ],
)  # fmt: skip
def test_what_a_status_means_to_the_sender(response, outcome):
    reply = reply_of(decode(f"<mrs><ref>r</ref>{response}</mrs>".encode()))
    assert (reply.outcome, reply.accepted) == (outcome, outcome is Outcome.OK)


def test_a_reply_tells_what_to_call_and_when_to_beat():
    reply = reply_of(Response("r", "0", mre="1", cre="62", tnu=("tel:1", "tel:2"), hbi="3", ste="Tack"))
    assert (reply.voice.number, reply.voice.others, reply.voice.media) == ("tel:1", ("tel:2",), "1")
    assert (reply.heartbeat_interval, reply.text) == ("3", "Tack")


def test_an_unchanged_alarm_leaves_octet_for_octet():
    octets = (
        b'<?xml version="1.0" encoding="ISO-8859-1"?>\r\n<mrq> <dty>003</dty><cid> 8031372</cid><ref>r1</ref>'
        b"<new a='1'>x</new><ite>K\xf6k</ite></mrq>\r\n\0"
    )
    written = write_alarm(alarm_of(octets))
    assert (written.octets, written.lossy) == (octets, ())
    with_case = alarm_of(octets)
    with_case = replace(with_case, correlation=replace(with_case.correlation, incident_id="12"))
    assert write_alarm(with_case).octets == octets


def test_a_live_alarm_that_became_a_test_does_not_leave_as_it_came():
    alarm = mrq("<dty>3</dty><stc>10</stc>")
    for mode in (Mode.TEST, Mode.EXERCISE):
        written = write_alarm(replace(alarm, mode=mode))
        assert written.octets != alarm.source.raw
        assert back(written).mode is Mode.TEST


def test_a_changed_alarm_keeps_its_own_codes_where_they_still_fit():
    alarm = mrq("<dty>0048</dty><stc>0010</stc><ite>a</ite><new>y</new>")
    written = write_alarm(replace(alarm, text=(Text("b"),)))
    assert (written.request.dty, written.request.stc, written.request.others) == ("0048", "0010", (("new", "y"),))
    fallen = write_alarm(replace(alarm, category=Category.FALL))
    assert (fallen.request.dty, fallen.request.stc) == ("5", "9")


def test_a_press_of_the_fleet():
    written = write_alarm(press())
    assert written.lossy == ()
    assert wire_reference("0000002a-3-17") == written.request.ref
    assert written.octets.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f"<mrq><ref>{written.request.ref}</ref><cid>0000000042</cid><dty>3</dty><did>2</did><crd>no-voice:</crd>"
        "<stc>10</stc><ite>ref 0000002a-3-17 case 12 press 2 age 4 s: Kök, 2 tr</ite></mrq>"
    )
    found = back(written)
    assert (found.correlation.reference, found.correlation.incident_id) == ("0000002a-3-17", "12")
    assert found.extra["count"] == "2"


def test_a_label_of_another_message_is_only_text():
    """Anybody can write `ref ...`: it is believed only if the message's own ref follows from it."""
    alarm = mrq("<dty>3</dty><ite>ref 0000002a-3-17 case 12: x</ite>")
    assert (alarm.correlation.reference, alarm.correlation.incident_id) == ("r1", None)
    assert alarm.text == (Text("ref 0000002a-3-17 case 12: x"),)


def test_what_does_not_fit_is_named_and_stops_nothing():
    written = write_alarm(
        press(
            occurred_at=AT,
            device=Device(id="much too long for did", text="d" * 40, battery_pct=50),
            where=Where(text="w" * 40, section="3", geo=Geo(59.3, 18.1, acc=5.0)),
            text=(Text("t" * 200),),
            priority=12,
            silent=True,
            extra={"count": "1", "odd": "x"},
        )
    )
    wanted = {"occurred_at", "device.id", "device.text", "device.battery_pct", "where.text", "where.section",
              "where.geo.acc", "text", "priority", "silent", "extra.odd"}  # fmt: skip
    assert wanted <= set(written.lossy)
    assert len(written.request.ite) <= 128
    assert len(written.octets) < 700


def test_the_minimal_form():
    written = write_alarm(press(), minimal=True)
    assert written.octets.decode() == (
        f"<mrq><ref>{written.request.ref}</ref><cid>0000000042</cid><dty>3</dty><crd>no-voice:</crd><stc>10</stc></mrq>"
    )
    assert {"text", "correlation.incident_id", "device.id"} <= set(written.lossy)
    restored = write_alarm(press(action=Action.RESTORE, category=Category.FALL), minimal=True)
    assert back(restored).action is Action.RESTORE


def test_an_id_that_cannot_be_a_cid_is_our_own_fault_and_said():
    for name in ("", "a\nb", "x" * 65, " 1"):
        with pytest.raises(WriteError):
            write_alarm(press(transmitter=Transmitter(name)))
    assert write_alarm(press(transmitter=Transmitter("")), cid="42").request.cid == "42"


def test_a_heartbeat_is_one_whatever_is_read():
    request = heartbeat("0000000042", "p1", adjustable=True)
    assert encode(request) == b"<mrq><ref>p1</ref><mty>PI</mty><hbo>1</hbo><cid>0000000042</cid><dty>2</dty></mrq>"
    assert read(request).action is Action.HEARTBEAT
    assert write_alarm(press(action=Action.HEARTBEAT, category=Category.HEARTBEAT)).request.is_heartbeat


def test_the_end_of_a_small_trouble_is_never_read_as_the_end_of_a_cry_for_help():
    for category, action in itertools.product(SENT, (Action.CANCEL, Action.RESTORE, Action.RESET)):
        found = back(write_alarm(press(category=category, action=action)))
        if category is not Category.PERSONAL_HELP:
            assert found.category is not Category.PERSONAL_HELP, (category, action)


@pytest.mark.parametrize("category", sorted(SENT))
def test_every_category_comes_back(category):
    written = write_alarm(press(category=category))
    found = back(written)
    assert found.category is category
    assert found.mode is (Mode.TEST if category.startswith("TEST") else Mode.LIVE)


NAMES = st.text(st.characters(categories=["Lu", "Ll", "Nd"], max_codepoint=127), min_size=1, max_size=16)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=150)
MAYBE = st.one_of(st.none(), WORDS)
ALARMS = st.builds(
    Alarm,
    id=NAMES,
    received_at=st.just(AT),
    source=st.just(Source("fleet", "coap")),
    transmitter=st.builds(Transmitter, NAMES, st.just("unit")),
    action=st.sampled_from(Action),
    category=st.sampled_from(Category),
    occurred_at=st.one_of(st.none(), st.just(AT)),
    correlation=st.builds(Correlation, reference=MAYBE, incident_id=MAYBE, more_follows=st.booleans()),
    device=st.builds(Device, MAYBE, MAYBE, MAYBE, MAYBE, st.one_of(st.none(), st.integers(0, 100))),
    native=st.lists(
        st.builds(Native, st.sampled_from(["scaip.dty", "scaip.stc", "cid", "dcs"]), WORDS), max_size=3
    ).map(tuple),
    priority=st.one_of(st.none(), st.integers(-5, 20)),
    mode=st.sampled_from(Mode),
    silent=st.booleans(),
    where=st.builds(Where, MAYBE, MAYBE, MAYBE, MAYBE, MAYBE, geo=st.one_of(st.none(), st.builds(
        Geo, st.floats(-90, 90), st.floats(-180, 180), fixed_at=st.one_of(st.none(), st.just(AT))))),
    voice=st.builds(
        Voice, st.sampled_from(VoiceRequest), st.lists(st.builds(Endpoint, NAMES, WORDS), max_size=2).map(tuple)
    ),
    supervision=st.builds(Supervision, adjustable=st.one_of(st.none(), st.booleans()), path=MAYBE),
    text=st.lists(st.builds(Text, WORDS), max_size=3).map(tuple),
    extra=st.dictionaries(st.sampled_from(["count", "age_s", "ico", "ite", "odd", "ref", "snu"]), WORDS, max_size=4),
)  # fmt: skip


@given(ALARMS, st.booleans())
def test_no_alarm_fails_and_what_is_not_named_as_lost_comes_back(alarm, minimal):
    written = write_alarm(alarm, minimal=minimal)
    found = back(written)
    assert set(lost(alarm, found)) == set(written.lossy)
    assert found.transmitter.id == alarm.transmitter.id
    assert len(written.octets) < 4000


@given(ALARMS)
def test_a_test_never_comes_alive(alarm):
    found = back(write_alarm(alarm))
    if alarm.mode is not Mode.LIVE or alarm.action is Action.TEST:
        assert found.mode is not Mode.LIVE or found.action is Action.HEARTBEAT
    if alarm.mode is Mode.LIVE and alarm.action is Action.NEW and "TEST" not in alarm.category:
        assert found.mode is Mode.LIVE


@given(ALARMS)
def test_what_scaip_carries_goes_round_for_ever(alarm):
    """Once it was SCAIP, an alarm leaves as it came, and a second reading is the first."""
    first = write_alarm(alarm)
    found = back(first)
    second = write_alarm(found)
    assert (second.octets, second.lossy) == (first.octets, ())


@given(st.text(max_size=80))
def test_a_reference_always_fits_and_is_always_the_same(reference):
    made = wire_reference(reference)
    assert 1 <= len(made) <= 16
    assert made.isalnum()
    assert made.isascii()
    assert made == wire_reference(reference)


@given(
    st.from_regex(
        r"<mrq><ref>r</ref><cid>0?[1-9]{1,6}</cid><dty>[0-9]{1,4}</dty><stc>[0-9]{1,4}</stc></mrq>", fullmatch=True
    )
)
def test_every_code_survives(xml):
    alarm = alarm_of(xml)
    changed = write_alarm(replace(alarm, text=(Text("x"),)))
    codes = {native.scheme: native.value for native in alarm.native}
    assert {native.scheme: native.value for native in back(changed).native} == codes
