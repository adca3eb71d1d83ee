"""SOS Access v4: given documents, both ways, what is delivered, passwords, and what never costs an alarm."""

import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.centre.alarm import (
    Action,
    Alarm,
    Category,
    Correlation,
    Geo,
    Mode,
    Native,
    Outcome,
    Source,
    Text,
    Transmitter,
    Where,
)
from protocols.centre.sos_access import documents, position, status, times
from protocols.centre.sos_access.documents import DocumentError, read, write
from protocols.centre.sos_access.receiver import AlarmReceived, Bad, NewAuthentication, Ping, PingLimit, Receiver, Seen
from protocols.centre.sos_access.sender import Answered, Exchange, NoAnswer, Password, reply_of
from protocols.centre.sos_access.stream import Collector
from protocols.centre.sos_access.translate import Account, alarm_request, read_alarm, translate

VECTORS = {one["id"]: one for one in json.loads((Path(__file__).parent / "sos_access.json").read_text())}
AT = datetime(2026, 1, 2, 10, 0, 0, tzinfo=UTC)
SECRET = "hxp4x9nnwxjatv8"
ACCOUNT = Account("0043", "LIVL1", "42", SECRET)
ALARM = Alarm(
    "1", AT, Source("fleet", "coap"), Transmitter("0000002a"), Action.NEW, Category.PERSONAL_HELP,
    correlation=Correlation(reference="0000002a-3-17", incident_id="12"),
)  # fmt: skip


def octets(name):
    return VECTORS[name]["text"].encode("iso-8859-1")


def receiver(seen=None, authorised=lambda code, kind, secret: secret == SECRET, **options):
    numbers = count(1)
    table = Seen() if seen is None else seen
    return Receiver(table, lambda: str(next(numbers)), authorised, pings=PingLimit(180), **options)


def back(alarm, **options):
    return read_alarm(read(alarm_request(alarm, ACCOUNT, **options)), new_id=lambda: "id", received_at=AT)


def test_a_given_alarm_is_read_and_answered():
    machine = receiver()
    event = machine.received(octets("D21"), 0.0, AT)
    assert isinstance(event, AlarmReceived)
    alarm = event.alarm
    assert (alarm.action, alarm.category) == (Action.NEW, Category.OTHER)
    assert alarm.native == (Native("sosa.eventcode", "BA", "AL"),)
    assert alarm.transmitter.id == "1234567"
    assert alarm.source.raw == octets("D21")
    assert SECRET not in str(alarm.source.wire)
    answer = read(machine.answer(event, event.verdict, 0.0, AT))
    assert (answer.kind, answer.fields["status"], answer.fields["info"]) == ("alarmresponse", "0", "OK")


def test_a_given_answer_is_delivery():
    reply = reply_of(read(octets("D22")))
    assert (reply.accepted, reply.outcome) == (True, Outcome.OK)
    assert reply.receiver_time == datetime(2006, 12, 24, 15, tzinfo=UTC)


def test_a_given_ping_is_answered_with_its_reference():
    machine = receiver()
    event = machine.received(octets("D23"), 0.0, AT)
    assert isinstance(event, Ping)
    assert event.alarm.action is Action.HEARTBEAT
    answer = read(machine.answer(event, event.verdict, 0.0, AT))
    assert (answer.kind, answer.fields["status"], answer.fields["reference"]) == ("pingresponse", "0", "734632")
    assert answer.fields["arrivaltime"] == "2026-01-02 10:00:00.000"


def test_a_given_refusal_sends_us_to_the_other_centre():
    reply = reply_of(read(octets("D24")))
    assert (reply.accepted, reply.outcome) == (False, Outcome.RETRY_OTHER)


words = st.text(st.characters(codec="iso-8859-1", exclude_categories=["Cc"]), min_size=1, max_size=30)


@given(
    st.sampled_from(sorted(set(Category) - {Category.HEARTBEAT, Category.TEST_MANUAL, Category.TEST_PERIODIC})),
    st.sampled_from([Action.NEW, Action.RESTORE]),
    st.lists(words.map(str.strip).filter(bool).map(Text), max_size=3),
    st.booleans(),
)
def test_an_alarm_comes_back_or_says_what_it_lost(category, action, texts, silent):
    alarm = replace(ALARM, category=category, action=action, text=tuple(texts), silent=silent)
    document, lossy = translate(alarm, ACCOUNT)
    found = read_alarm(read(document), new_id=lambda: "id", received_at=AT)
    assert found.correlation.reference == "0000002a-3-17"
    assert found.correlation.incident_id == "12"
    assert found.mode is Mode.LIVE
    # A duress alarm is a silent one, whatever was said of it.
    for name in ("category", "action", *(["silent"] if category is not Category.DURESS else [])):
        assert name in lossy or getattr(found, name) == getattr(alarm, name)
    said = [text.value for text in found.text]
    assert "text" in lossy or said[len(said) - len(texts) :] == [text.value for text in texts]


@given(
    st.sampled_from(sorted(set(Category) - {Category.HEARTBEAT})),
    st.sampled_from([Mode.TEST, Mode.EXERCISE]),
    st.sampled_from([Action.NEW, Action.RESTORE, Action.TEST]),
    st.booleans(),
)
def test_a_test_never_arrives_as_live(category, mode, action, minimal):
    assert back(replace(ALARM, category=category, mode=mode, action=action), minimal=minimal).mode is Mode.TEST


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=3000))
def test_a_live_alarm_never_fails_for_an_optional_field(place, zone, text):
    alarm = replace(ALARM, where=Where(text=place, zone=zone, area=zone, geo=Geo(raw="?")), text=(Text(text),))
    found = back(alarm)
    assert found.category is Category.PERSONAL_HELP
    assert found.correlation.reference == "0000002a-3-17"


def test_an_unknown_event_code_passes_and_comes_back():
    found = back(replace(ALARM, category=Category.OTHER, native=(Native("sosa.eventcode", "ZZ-17"),)))
    assert found.native[0].value == "ZZ-17"
    assert found.category is Category.OTHER


def test_the_minimal_form_has_what_is_mandatory_and_the_reference():
    document, lossy = translate(replace(ALARM, text=(Text("kitchen"),)), ACCOUNT, minimal=True)
    assert set(read(document).fields) == {
        "reference", "authentication", "receiver", "alarmtype", "transmittertype", "transmittercode", "eventcode",
    }  # fmt: skip
    assert "text" in lossy


def test_the_same_alarm_is_the_same_octets():
    assert alarm_request(ALARM, ACCOUNT) == alarm_request(ALARM, ACCOUNT)


def test_leading_zeros_stay():
    assert back(ALARM).transmitter.id == "0043"


def test_what_the_public_client_writes_is_read():
    text = (
        f'<?xml version="1.0" encoding="iso-8859-1"?>\n<alarmrequest><reference></reference><authentication>{SECRET}'
        "</authentication><receiver>42</receiver><transmittertime>2026-01-02T10:00:00.123456</transmittertime>"
        "<alarmtype></alarmtype><transmittertype>SV300</transmittertype><transmittercode>1</transmittercode>"
        "<eventcode>QA</eventcode><additionalinfo>None</additionalinfo><position></position></alarmrequest>"
    )
    event = receiver().received(text.encode("iso-8859-1"), 0.0, AT)
    assert isinstance(event, AlarmReceived)
    assert event.alarm.correlation.reference is None
    assert event.alarm.text == ()
    assert event.alarm.occurred_at is not None


def _request(*, header=True, **changes):
    fields = {
        "authentication": SECRET, "receiver": "42", "transmittertype": "SV300", "transmittercode": "1",
        "eventcode": "QA", "reference": "r1",
    } | changes  # fmt: skip
    body = "".join(f"<{name}>{text}</{name}>" for name, text in fields.items() if text is not None)
    head = '<?xml version="1.0" encoding="ISO-8859-1"?>' if header else ""
    return f"{head}<alarmrequest>{body}</alarmrequest>".encode("iso-8859-1")


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (_request(header=False), status.HEADER),
        (_request(receiver=None), status.MISSING),
        (_request(eventcode=None), status.MISSING),
        (_request(authentication="wrong-password!"), status.NOT_AUTHORIZED),
        (_request()[:-20] + b"<x></alarmrequest>", status.XML),
        (b'<?xml version="1.0"?><hello/>', status.CONTENT),
        (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><alarmrequest>&b;</alarmrequest>', status.XML),
        (octets("D22"), status.CONTENT),
        (b'<?xml version="1.0"?>' + b"<a>" * 60_000, status.LENGTH),
    ],
)
def test_what_is_refused_has_its_status_and_is_never_acknowledged(document, code):
    machine = receiver()
    event = machine.received(document, 0.0, AT) or machine.closed(0.0, AT)
    assert isinstance(event, Bad)
    assert event.verdict == code
    answer = read(machine.answer(event, event.verdict, 0.0, AT))
    assert answer.fields["status"] == str(code)
    with pytest.raises(ValueError, match="acknowledged"):
        machine.answer(event, status.OK, 0.0, AT)


def test_a_refusal_names_the_reference_where_it_can():
    machine = receiver()
    for document in (_request(header=False), _request(receiver=None), _request(authentication="wrong-password!")):
        event = machine.judge(document, 0.0, AT)
        assert read(machine.answer(event, event.verdict, 0.0, AT)).fields["reference"] == "r1"


def test_a_reference_that_no_answer_can_hold_costs_no_alarm():
    machine = receiver()
    for reference in ("x" * 60, "a\x85b", "☃"):
        document = _request().replace(
            b"<reference>r1<", f"<reference>{reference}<".encode("iso-8859-1", "xmlcharrefreplace")
        )
        event = machine.judge(document, 0.0, AT)
        assert isinstance(event, AlarmReceived)
        assert "reference" not in read(machine.answer(event, event.verdict, 0.0, AT)).fields


@pytest.mark.parametrize("field", ["section", "sectiontext", "detectortext", "additionalinfo", "transmitterarea"])
def test_an_optional_field_that_does_not_fit_is_kept_and_listed(field):
    event = receiver().judge(_request(**{field: "x" * 2500}), 0.0, AT)
    assert isinstance(event, AlarmReceived)
    assert field in event.message.unfit


def test_a_repeat_is_a_duplicate_only_after_it_was_stored():
    machine = receiver()
    first = machine.judge(_request(), 0.0, AT)
    again = machine.judge(_request(), 1.0, AT)
    assert not again.duplicate
    machine.answer(first, first.verdict, 1.0, AT)
    third = machine.judge(_request(), 2.0, AT)
    assert third.verdict == status.DUPLICATE
    assert not machine.judge(_request(transmittercode="2"), 3.0, AT).duplicate


def test_too_many_pings_are_refused():
    machine = receiver()
    ping = octets("D23")
    verdicts = [machine.judge(ping, float(second), AT).verdict for second in range(7)]
    assert verdicts == [status.OK] * 6 + [status.PING_TOO_OFTEN]
    assert machine.judge(ping, 180.0, AT).verdict == status.OK


def test_a_new_password_is_given_once_it_is_chosen():
    machine = receiver()
    fields = {"authentication": SECRET, "transmittercode": "0043", "transmittertype": "LIVL1", "reference": "n1"}
    event = machine.judge(write(documents.NEW_AUTHENTICATION, fields), 0.0, AT)
    assert isinstance(event, NewAuthentication)
    with pytest.raises(ValueError, match="password"):
        machine.answer(event, status.OK, 0.0, AT)
    answer = read(machine.answer(event, status.OK, 0.0, AT, "abcdefghijklmno"))
    assert answer.fields["newauthentication"] == "abcdefghijklmno"
    assert "abcdefghijklmno" not in repr(answer)
    assert SECRET not in repr(event)


def exchange(**options):
    return Exchange(alarm_request(ALARM, ACCOUNT), 0.0, **options)


def answer(reference="0000002a-3-17", code="0", kind=documents.ALARM_REPLY):
    fields = {"status": code} | ({"reference": reference} if reference else {})
    return write(kind, fields)


def test_delivered_is_status_0_or_10_with_the_same_reference():
    for code, outcome in (("0", Outcome.OK), ("10", Outcome.DUPLICATE)):
        result = exchange().received(answer(code=code))
        assert isinstance(result, Answered)
        assert (result.reply.accepted, result.reply.outcome) == (True, outcome)


@pytest.mark.parametrize(
    "document",
    [
        answer(reference="other"),
        answer(reference=None),
        answer(kind=documents.PING_REPLY),
        b"<?xml version='1.0'?><x/>",
    ],
)
def test_nothing_else_delivers(document):
    one = exchange()
    result = one.received(document) or one.closed()
    assert isinstance(result, NoAnswer)


@pytest.mark.parametrize("code", [*sorted(set(status.TABLE) - {0, 10}), 55])
def test_no_other_status_delivers(code):
    for reference in ("0000002a-3-17", None):
        result = exchange().received(answer(code=str(code), reference=reference))
        assert isinstance(result, Answered)
        assert not result.reply.accepted


def test_silence_and_a_close_deliver_nothing():
    assert exchange().closed() == NoAnswer("closed")
    silent = exchange(timeout_s=4.0)
    assert silent.timeout(3.9) is None
    assert silent.timeout(4.0) == NoAnswer("silence")
    assert silent.received(answer()) == NoAnswer("silence")


@settings(max_examples=60)
@given(st.randoms(use_true_random=False))
def test_a_document_in_any_pieces_is_one_document(chance):
    document = alarm_request(replace(ALARM, text=(Text("a < b > c & </alarm>"),)), ACCOUNT)
    collector, at = Collector(), 0
    while at < len(document):
        step = chance.randint(1, 40)
        found = collector.feed(document[at : at + step])
        at += step
        assert (found is not None) == (at >= len(document))
    assert found == document


@given(st.binary(max_size=300))
def test_any_octets_are_read_or_refused(junk):
    for document in (junk, documents.HEADER + junk, documents.HEADER + b"<alarmrequest>" + junk + b"</alarmrequest>"):
        try:
            read(document)
        except DocumentError as error:
            assert error.status in status.TABLE


def test_what_does_not_fit_the_table_is_not_written():
    for changed in ({"transmittercode": ""}, {"eventcode": "x" * 26}, {"eventcode": " QA"}, {"eventcode": "☃"}):
        fields = read(_request()).fields | changed
        with pytest.raises(ValueError, match="characters"):
            write(documents.ALARM, fields)
    with pytest.raises(ValueError, match="has no colour"):
        write(documents.ALARM, {"colour": "red"})


def test_a_password_is_stored_before_it_is_used():
    stored = []
    password = Password(SECRET, None, lambda current, pending: stored.append((current, pending)))
    password.issued("abcdefghijklmno")
    assert stored == [(SECRET, "abcdefghijklmno")]
    assert password.value == "abcdefghijklmno"
    password.taken()
    assert stored[-1] == ("abcdefghijklmno", None)


def test_a_password_that_could_not_be_stored_is_not_used():
    def broken(current, pending):
        raise OSError("disk full")

    password = Password(SECRET, None, broken)
    with pytest.raises(OSError, match="disk full"):
        password.issued("abcdefghijklmno")
    assert password.value == SECRET


def test_the_old_password_is_tried_once_more_before_a_person_is_asked():
    password = Password(SECRET, "abcdefghijklmno", lambda current, pending: None)
    assert password.refused()
    assert password.value == SECRET
    assert not password.refused()


def test_places():
    assert position.read("E597295E0176288").lat is None
    assert position.read("x1234567y1234567").raw_format == "sosa.rt90"
    found = position.read(position.write(Geo(lat=-59.5, lon=17.25)))
    assert (found.lat, found.lon) == (-59.5, 17.25)
    assert position.read("N5972950176288").lat is None


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_a_place_comes_back_within_twenty_metres(lat, lon):
    found = position.read(position.write(Geo(lat=lat, lon=lon)))
    assert found.lat == pytest.approx(lat, abs=1e-4)
    assert found.lon == pytest.approx(lon, abs=1e-4)


def test_times_are_told_in_the_zone_of_the_centre():
    stockholm = timezone(timedelta(hours=1))
    assert times.write(AT, stockholm) == "2026-01-02 11:00:00.000"
    assert times.read("2026-01-02 11:00:00.000", stockholm) == AT
    assert times.read("soon", UTC) is None


def test_an_account_never_shows_its_password():
    assert SECRET not in repr(ACCOUNT)
    assert SECRET not in repr(read(alarm_request(ALARM, ACCOUNT)))


def test_a_seed_of_garbage_takes_no_time_and_no_memory():
    chance = random.Random(7)
    for _ in range(200):
        collector = Collector()
        for _ in range(20):
            collector.feed(chance.randbytes(50))
        assert collector.pending <= 1000
