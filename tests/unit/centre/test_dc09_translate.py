"""Alarm to frame and back: codes, references, tests that stay tests, and alarms that never fail for a detail."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.centre.alarm import (
    Action,
    Alarm,
    Category,
    Correlation,
    Device,
    Mode,
    Native,
    Source,
    Text,
    Transmitter,
    Where,
)
from protocols.centre.sia_dc09 import codes, label
from protocols.centre.sia_dc09.data import parse
from protocols.centre.sia_dc09.frame import MAX_BODY, Frame, decode, encode
from protocols.centre.sia_dc09.interpret import read_alarms
from protocols.centre.sia_dc09.translate import alarm_frame, poll, translate, unit_account

AT = datetime(2026, 1, 2, 10, 0, 4, tzinfo=UTC)
VECTORS = {vector["id"]: vector for vector in json.loads((Path(__file__).parent / "dc09.json").read_text())}


def press(**changes):
    facets = {
        "id": "0190-1",
        "received_at": AT,
        "source": Source("fleet", "mqtt"),
        "transmitter": Transmitter("0000002a", "unit"),
        "action": Action.NEW,
        "category": Category.PERSONAL_HELP,
        "occurred_at": datetime(2026, 1, 2, 10, 0, 0, tzinfo=UTC),
        "correlation": Correlation(reference="0000002a-3-17", incident_id="12"),
        "device": Device(component="0"),
        "extra": {"count": "2", "age_s": "4"},
    }
    return Alarm(**{**facets, **changes})


def read(frame):
    return read_alarms(decode(encode(frame)), new_id=lambda: "id", received_at=AT)


def sia(data, *xdata):
    return Frame("SIA-DCS", "0001", "1234", "0", "0", data, xdata)


def test_a_press_of_unit_42_as_it_stands_on_the_wire():
    frame = alarm_frame(press(), 17, unit_account(42))
    assert encode(frame) == (
        b'\nA3140072"SIA-DCS"0017R0L0#0000002A[#0000002A|Nri0/QA000][H10:00:00,01-02-2026]'
        b"[Iref 0000002a-3-17 case 12 press 2 age 4 s]\r"
    )


def test_the_centre_reads_the_press_back():
    (alarm,) = read(alarm_frame(press(), 17, unit_account(42)))
    assert alarm.transmitter.id == "0000002A"
    assert (alarm.category, alarm.action, alarm.mode) == (Category.PERSONAL_HELP, Action.NEW, Mode.LIVE)
    assert (alarm.correlation.reference, alarm.correlation.incident_id) == ("0000002a-3-17", "12")
    assert alarm.correlation.sequence == "0017"
    assert (alarm.occurred_at, alarm.time_source) == (datetime(2026, 1, 2, 10, 0, 0, tzinfo=UTC), "xdata_H")
    assert (alarm.where.area, alarm.where.zone) == ("0", "000")
    assert alarm.native == (Native("dcs", "QA", "N"),)
    assert alarm.extra == {"count": "2", "age_s": "4"}
    assert alarm.source.raw == encode(alarm_frame(press(), 17, unit_account(42)))


def test_the_minimal_form_keeps_the_reference_and_nothing_else():
    frame, lossy = translate(press(), 17, unit_account(42), minimal=True)
    assert frame.data == "#0000002A|NQA000^ref 0000002a-3-17^"
    assert frame.xdata == ()
    assert lossy == ("correlation.incident_id", "occurred_at", "extra")
    assert read(frame)[0].correlation.reference == "0000002a-3-17"


def test_the_barest_form_says_that_it_lost_the_reference():
    frame, lossy = translate(press(), 17, unit_account(42), minimal=True, keep_reference=False)
    assert frame.data == "#0000002A|NQA000"
    assert "correlation.reference" in lossy


@pytest.mark.parametrize("name", ["D02", "D03", "D04", "D09"])
def test_given_alarms_are_read(name):
    expect = VECTORS[name]["expect"]
    (alarm,) = read_alarms(decode(bytes.fromhex(VECTORS[name]["hex"])), new_id=lambda: "id", received_at=AT)
    found = {
        "code": alarm.native[0].value,
        "addr": alarm.where.zone,
        "acct": alarm.transmitter.id,
        "category": alarm.category.value,
        "modifiers": {"ri": alarm.where.area},
        "text": alarm.text[0].value if alarm.text else None,
        "block": alarm.native[0].qualifier,
    }
    compared = expect.keys() & found.keys()
    assert compared
    assert {key: found[key] for key in compared} == {key: expect[key] for key in compared}


@pytest.mark.parametrize(
    ("category", "code"),
    [
        (Category.PERSONAL_HELP, "QA"),
        (Category.PERSONAL_ATTACK, "PA"),
        (Category.PANIC, "PA"),
        (Category.DURESS, "HA"),
        (Category.FALL, "MA"),
        (Category.MEDICAL, "MA"),
        (Category.INACTIVITY, "NA"),
        (Category.SMOKE, "FA"),
        (Category.FLOOD, "WA"),
        (Category.BATTERY_LOW, "YT"),
        (Category.MAINS_FAIL, "AT"),
        (Category.TEST_MANUAL, "RX"),
        (Category.TEST_PERIODIC, "RP"),
        (Category.OTHER, "UA"),
    ],
)
def test_the_code_of_a_category(category, code):
    assert parse(alarm_frame(press(category=category), 1, "1234").data).events[0].code == code


def test_details_that_change_the_code():
    pendant = press(category=Category.BATTERY_LOW, device=Device(component="2"))
    assert "Nri2/XT002" in alarm_frame(pendant, 1, "1234").data
    assert "/HA" in alarm_frame(press(category=Category.PERSONAL_ATTACK, silent=True), 1, "1234").data
    assert "/AR" in alarm_frame(press(category=Category.MAINS_FAIL, action=Action.RESTORE), 1, "1234").data
    assert "/QH" in alarm_frame(press(action=Action.CANCEL), 1, "1234").data


def test_every_category_but_a_heartbeat_has_a_code_and_every_code_sent_is_known():
    assert set(codes.SENT) == set(Category) - {Category.HEARTBEAT}
    assert {code for row in codes.SENT.values() for code in row} - set(codes.READ) == {"UA"}
    assert set(codes.BATTERY_OF_PENDANT) <= set(codes.READ)


def test_what_a_code_cannot_say_stands_in_the_text_and_in_the_losses():
    frame, lossy = translate(press(category=Category.FALL), 1, "1234")
    assert lossy == ("category",)
    assert read(frame)[0].text == (Text("fall"),)


@pytest.mark.parametrize("mode", [Mode.TEST, Mode.EXERCISE])
@pytest.mark.parametrize("minimal", [False, True])
@pytest.mark.parametrize("category", sorted(set(Category) - {Category.HEARTBEAT}))
def test_a_test_never_becomes_live(category, minimal, mode):
    frame = alarm_frame(press(category=category, mode=mode), 1, "1234", minimal)
    (alarm,) = read(frame)
    assert (alarm.mode, alarm.action) == (Mode.TEST, Action.TEST)


def test_a_heartbeat_is_a_link_test_and_no_alarm():
    assert encode(poll("1234")) == bytes.fromhex(VECTORS["D10"]["hex"])
    with pytest.raises(ValueError, match="link test"):
        alarm_frame(press(action=Action.HEARTBEAT), 1, "1234")


@pytest.mark.parametrize("seq", [0, -1, 10_000])
def test_an_alarm_has_a_sequence_of_its_own(seq):
    with pytest.raises(ValueError, match="1 to 9999"):
        alarm_frame(press(), seq, "1234")


def test_unknown_codes_pass_through_and_back():
    (alarm,) = read(sia("#1234|NZZ7^odd^"))
    assert (alarm.category, alarm.action, alarm.native) == (Category.OTHER, Action.NEW, (Native("dcs", "ZZ", "N"),))
    assert parse(alarm_frame(alarm, 1, "1234").data).events[0].code == "ZZ"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("#1234|Nri1/QA001", [("QA", "001")]),
        ("|Nri1/CL501", [("CL", "501")]),
        ("NQA001", [("QA", "001")]),
        ("#1234|Nti10:23/ri1/FA129/QA2", [("FA", "129"), ("QA", "2")]),
        ("#1234|NQA001^a/b^/BA2^c^", [("QA", "001"), ("BA", "2")]),
        ("#1234|OFA1|NQA2", [("FA", "1"), ("QA", "2")]),
        ("#1234|NYT0*12.6VD", [("YT", "0")]),
        ("#1234|Nqa001", [("", "")]),
        ("#1234|N", [("", "")]),
        ("#1234|N???", [("", "")]),
        ("#1234|Athere is a fire", []),
        ("#1234|", []),
        ("", []),
    ],
)
def test_blocks_of_events(data, expected):
    assert [(event.code, event.address) for event in parse(data).events] == expected


def test_every_event_of_a_frame_is_an_alarm_and_a_bare_text_is_seen():
    assert [alarm.where.zone for alarm in read(sia("#1234|Nri1/QA001/FA2"))] == ["001", "2"]
    (alarm,) = read(sia("#1234|Athere is a fire"))
    assert (alarm.category, alarm.action, alarm.text) == (Category.OTHER, Action.INFO, (Text("there is a fire"),))
    assert read(sia("")) == ()


def test_extended_data_that_has_no_facet_is_kept():
    (alarm,) = read(sia("#9999|NQA1", ("M", "AB"), ("M", "CD"), ("X", "018E03.5"), ("H", "99:00"), ("L", "Hall")))
    assert alarm.extra == {
        "xdata_M": "AB",
        "xdata_M2": "CD",
        "xdata_H": "99:00",
        "data_account": "9999",
    }
    assert alarm.where.text == "Hall"
    assert alarm.where.geo.raw == "[X018E03.5]"
    assert alarm.occurred_at is None


def test_text_for_an_unknown_centre_is_ascii_and_for_a_known_one_utf8():
    alarm = press(text=(Text("Kök [2 tr] | Ærø"),))
    assert dict(alarm_frame(alarm, 1, "1234").xdata)["I"].endswith("age 4 s: Kok (2 tr) / AEro")
    assert dict(alarm_frame(alarm, 1, "1234", utf8=True).xdata)["I"].endswith("age 4 s: Kök (2 tr) / Ærø")


def test_a_unit_number_is_an_account_of_eight_digits():
    assert unit_account(42) == "0000002A"
    assert unit_account(0xFFFFFFFF) == "FFFFFFFF"
    for unit in (0, 1 << 32):
        with pytest.raises(ValueError, match="unit number"):
            unit_account(unit)


anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
names = st.text("0123456789abcdefABCDEF-._", min_size=1, max_size=64)
alarms = st.builds(
    press,
    category=st.sampled_from(sorted(set(Category) - {Category.HEARTBEAT})),
    action=st.sampled_from(sorted(set(Action) - {Action.HEARTBEAT})),
    mode=st.sampled_from(Mode),
    silent=st.booleans(),
    occurred_at=st.none() | st.datetimes() | st.datetimes(timezones=st.just(UTC)),
    correlation=st.builds(Correlation, reference=st.none() | names | anything, incident_id=st.none() | anything),
    device=st.builds(Device, component=st.none() | anything | st.integers(0, 99).map(str)),
    where=st.builds(Where, area=st.none() | anything, zone=st.none() | anything, text=st.none() | anything),
    text=st.lists(st.builds(Text, anything), max_size=3).map(tuple),
    native=st.lists(st.builds(Native, st.just("dcs"), anything), max_size=2).map(tuple),
    extra=st.dictionaries(st.sampled_from(["count", "age_s", "other"]), anything),
)


@settings(deadline=None)
@given(alarms, st.integers(1, 9999), st.booleans(), st.booleans())
def test_no_optional_field_can_stop_an_alarm(alarm, seq, minimal, utf8):
    raw = encode(alarm_frame(alarm, seq, "0000002A", minimal, utf8=utf8))
    (back,) = read_alarms(decode(raw), new_id=lambda: "id", received_at=AT)
    assert back.transmitter.id == "0000002A"
    if alarm.mode is not Mode.LIVE or alarm.action is Action.TEST:
        assert back.mode is Mode.TEST
    reference = alarm.correlation.reference
    if reference is not None and label.fits(reference):
        assert back.correlation.reference == reference


@settings(deadline=None)
@given(st.integers(0, 20))
def test_text_of_any_length_fits_one_frame(power):
    huge = press(text=(Text("å" * 2**power),), where=Where(text="€" * 2**power))
    frame, lossy = translate(huge, 1, "0000002A", utf8=True)
    assert len(encode(frame)) <= MAX_BODY + 10
    assert read(frame)[0].correlation.reference == "0000002a-3-17"
    assert ("text" in lossy) == (power > 8)


@settings(deadline=None)
@given(alarms, st.integers(1, 9999))
def test_the_same_alarm_is_the_same_octets(alarm, seq):
    assert encode(alarm_frame(alarm, seq, "1234")) == encode(alarm_frame(alarm, seq, "1234"))


numbers = st.integers(0, 999_999_999).map(str)
labels = st.builds(
    label.Label,
    reference=names,
    incident=st.none() | names,
    count=st.none() | numbers,
    age_s=st.none() | numbers,
    text=st.none() | anything,
)


@settings(deadline=None)
@given(labels)
def test_a_label_is_read_back_without_loss(written):
    assert label.read(label.write(written)) == written


@settings(deadline=None)
@given(anything)
def test_any_data_is_read_without_an_error(data):
    read_alarms(sia(data), new_id=lambda: "id", received_at=AT)
    read_alarms(sia("#1234|N" + data, ("I", data), ("H", data)), new_id=lambda: "id", received_at=AT)
