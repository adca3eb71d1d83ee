"""Contact ID in DC-09: given frames, both ways, and that a test stays a test."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
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
    Transmitter,
    Where,
)
from protocols.centre.sia_dc09 import Frame, alarm_frame, cid, decode, encode, envelope, read_alarms, translate

VECTORS = {one["id"]: one for one in json.loads((Path(__file__).parent / "dc09.json").read_text())}
AT = datetime(2026, 1, 2, 10, 0, 0, tzinfo=UTC)


def press(**facets):
    alarm = Alarm(
        id="1",
        received_at=AT,
        source=Source("fleet", "coap"),
        transmitter=Transmitter("0000002a"),
        action=Action.NEW,
        category=Category.PERSONAL_HELP,
        correlation=Correlation(reference="0000002a-3-17"),
    )
    return replace(alarm, **facets)


def read(frame):
    (alarm,) = read_alarms(decode(encode(frame)), new_id=lambda: "id", received_at=AT)
    return alarm


def sent(alarm, **options):
    return alarm_frame(alarm, 17, "0000002A", token="ADM-CID", **options)


@pytest.mark.parametrize("name", ["D05", "D06", "D07", "D08"])
def test_given_messages_are_read(name):
    expect = VECTORS[name]["expect"]
    octets = bytes.fromhex(VECTORS[name]["hex"])
    (alarm,) = read_alarms(decode(octets), new_id=lambda: "id", received_at=AT)
    if "category" in expect:
        assert alarm.category.value == expect["category"]
    if "action" in expect:
        assert alarm.action.value == expect["action"]
    if "cid" in expect:
        assert alarm.native[0].value == expect["cid"]["code"]
        assert alarm.native[0].qualifier == str(expect["cid"]["q"])
    if "user" in expect:
        assert (alarm.where.user, alarm.where.zone) == (expect["user"], None)
    assert encode(envelope(alarm)) == octets


@pytest.mark.parametrize(
    ("category", "event"),
    [
        (Category.PERSONAL_HELP, "101"),
        (Category.MEDICAL, "100"),
        (Category.FALL, "103"),
        (Category.DURESS, "121"),
        (Category.MAINS_FAIL, "301"),
        (Category.TEST_PERIODIC, "602"),
    ],
)
def test_the_event_of_a_category(category, event):
    frame = sent(press(category=category))
    assert frame.data.startswith(f"#0000002A|1{event} ")
    assert read(frame).category is category


def test_reference_and_count_travel_as_text():
    alarm = read(sent(press(extra={"count": "2"}, device=Device(component="3"))))
    assert alarm.correlation.reference == "0000002a-3-17"
    assert alarm.extra["count"] == "2"
    assert (alarm.where.area, alarm.where.zone) == ("03", "003")


def test_the_minimal_form_names_what_it_lost():
    frame, lossy = translate(press(), 1, "1234", minimal=True, token="ADM-CID")
    assert frame.xdata == ()
    assert "correlation.reference" in lossy


def test_addresses_outside_the_digits_are_named_as_lost():
    frame, lossy = translate(press(where=Where(zone="kitchen", area="123")), 1, "1234", token="ADM-CID")
    assert frame.data == "#1234|1101 00 000"
    assert set(lossy) >= {"where.zone", "where.area"}


@given(
    st.sampled_from(sorted(set(Category) - {Category.HEARTBEAT})),
    st.sampled_from([Mode.TEST, Mode.EXERCISE]),
    st.sampled_from([Action.NEW, Action.TEST, Action.RESTORE]),
    st.booleans(),
)
def test_a_test_never_arrives_as_live(category, mode, action, minimal):
    alarm = read(sent(press(category=category, mode=mode, action=action), minimal=minimal))
    assert alarm.mode is Mode.TEST
    assert alarm.action is Action.TEST


def test_restore_and_cancel_differ_by_the_first_digit():
    assert "|3301 " in sent(press(category=Category.MAINS_FAIL, action=Action.RESTORE)).data
    assert "|6301 " in sent(press(category=Category.MAINS_FAIL, action=Action.STATUS)).data
    assert read(sent(press(category=Category.MAINS_FAIL, action=Action.RESTORE))).action is Action.RESTORE


def test_an_unknown_event_passes_and_comes_back():
    alarm = read(Frame("ADM-CID", "0001", "1234", "0", "0", "#1234|1B7F 01 002"))
    assert (alarm.category, alarm.native) == (Category.OTHER, (Native("cid", "B7F", "1"),))
    assert "|1B7F " in sent(alarm).data


@pytest.mark.parametrize("text", ["#1234|junk", "0000 00 000", "#1234|1101", "rubbish"])
def test_what_is_no_contact_id_still_reaches_a_person(text):
    alarm = read(Frame("ADM-CID", "0001", "1234", "0", "0", text))
    assert alarm.category is Category.OTHER
    assert alarm.mode is Mode.LIVE


def test_every_category_has_an_event_and_every_event_sent_is_known():
    assert set(cid.SENT) == set(Category) - {Category.HEARTBEAT}
    assert set(cid.SENT.values()) - set(cid.READ) == {"140"}


@given(st.text(max_size=60))
def test_any_data_is_read_or_is_none(text):
    found = cid.parse(text)
    assert found is None or len(found.event) == 3


def test_a_form_that_is_neither_is_refused():
    with pytest.raises(ValueError, match="SIA-DCS or ADM-CID"):
        alarm_frame(press(), 1, "1234", token="SIA-PUD")
