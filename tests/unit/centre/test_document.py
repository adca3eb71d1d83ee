"""The normalized alarm as JSON: nothing is lost either way, and what does not belong is refused with its place."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.centre.alarm import (
    Action,
    Alarm,
    Category,
    Correlation,
    Device,
    Geo,
    Mode,
    Native,
    Outcome,
    Reply,
    Source,
    Text,
    Transmitter,
    Where,
)
from protocols.centre.document import DocumentError, from_json, line, read_alarm, schema, schema_text, to_json

ROOT = Path(__file__).parents[3]
AT = datetime(2026, 1, 2, 10, 0, 0, tzinfo=UTC)
ALARM = Alarm("1", AT, Source("dc09", "tcp"), Transmitter("0043"), Action.NEW, Category.PERSONAL_HELP)
VALIDATOR = jsonschema.Draft202012Validator(schema())

words = st.text(max_size=12)
maybe = st.none() | words
alarms = st.builds(
    Alarm,
    id=words,
    received_at=st.datetimes(timezones=st.just(UTC)),
    source=st.builds(
        Source, protocol=words, transport=words, raw=st.binary(max_size=20),
        wire=st.dictionaries(words, st.lists(words, max_size=2).map(tuple), max_size=3),
    ),
    transmitter=st.builds(Transmitter, id=words, area=maybe),
    action=st.sampled_from(Action),
    category=st.sampled_from(Category),
    mode=st.sampled_from(Mode),
    silent=st.booleans(),
    priority=st.none() | st.integers(0, 9),
    clock_offset_s=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    correlation=st.builds(Correlation, reference=maybe, more_follows=st.booleans()),
    device=st.builds(Device, component=maybe, battery_pct=st.none() | st.integers(0, 100)),
    native=st.lists(st.builds(Native, scheme=words, value=words, qualifier=maybe), max_size=3).map(tuple),
    where=st.builds(Where, zone=maybe, geo=st.none() | st.builds(Geo, lat=st.none() | st.floats(-90, 90))),
    text=st.lists(st.builds(Text, value=words), max_size=2).map(tuple),
    extra=st.dictionaries(words, words, max_size=3),
)  # fmt: skip


@given(alarms)
def test_an_alarm_comes_back_equal_and_fits_the_schema(alarm):
    text = line(alarm)
    assert "\n" not in text
    assert read_alarm(text) == alarm
    VALIDATOR.validate(json.loads(text))


def test_identity_is_text_from_end_to_end():
    assert json.loads(line(ALARM))["transmitter"]["id"] == "0043"
    with pytest.raises(DocumentError, match=r"transmitter\.id must be a string"):
        read_alarm(line(ALARM).replace('"0043"', "43"))


def test_facets_that_are_left_out_take_their_defaults():
    short = {
        "id": "1", "received_at": "2026-01-02T10:00:00+00:00", "source": {"protocol": "dc09", "transport": "tcp"},
        "transmitter": {"id": "0043"}, "action": "NEW", "category": "PERSONAL_HELP",
    }  # fmt: skip
    assert read_alarm(json.dumps(short)) == ALARM
    VALIDATOR.validate(short)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("colour", "red", "colour is not in the model"),
        ("action", "SHOUT", "action must be one of NEW"),
        ("received_at", "2026-01-02T10:00:00", "time zone"),
        ("received_at", "yesterday", "ISO 8601"),
        ("silent", 1, "silent must be a bool"),
        ("priority", True, "priority must be a int"),
        ("text", "hello", "text must be an array"),
        ("text", [{"value": 3}], "text.0.value must be a string"),
        ("source", None, "source must not be null"),
        ("where", {"geo": {"lat": "north"}}, "where.geo.lat must be a float"),
        ("source", {"protocol": "dc09", "transport": "tcp", "raw": "0g"}, "hex digits"),
        ("source", {"protocol": "dc09"}, "source.transport is missing"),
        ("model_version", 99, "model_version 99"),
        ("extra", {"count": 2}, "extra.count must be a string"),
    ],
)
def test_what_does_not_belong_is_refused_with_its_place(name, value, sentence):
    document = {**to_json(ALARM), name: value}
    with pytest.raises(DocumentError, match=sentence):
        read_alarm(json.dumps(document))


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", "NaN", '{"id":1,"id":2}', "[" * 100_000, " " * 300_000, b"\xff"])
def test_what_is_no_alarm_is_refused(text):
    with pytest.raises(DocumentError):
        read_alarm(text)


def test_a_reply_is_a_document_too():
    reply = Reply(False, Outcome.CLOCK, "NAK", receiver_time=AT)
    assert from_json(json.loads(line(reply)), Reply) == reply
    with pytest.raises(DocumentError, match="accepted must be a bool"):
        from_json(to_json(replace(reply, accepted="yes")), Reply)


def test_the_published_schema_is_the_model():
    published = (ROOT / "docs/normalized-alarm.schema.json").read_text(encoding="utf-8")
    assert published == schema_text(), "run: .venv/bin/livlina centre schema > docs/normalized-alarm.schema.json"


def test_the_schema_refuses_what_the_reader_refuses():
    jsonschema.Draft202012Validator.check_schema(schema())
    for name, value in (("colour", "red"), ("action", "SHOUT"), ("text", "hello"), ("source", None)):
        assert not VALIDATOR.is_valid({**to_json(ALARM), name: value})


def test_a_line_is_one_line_to_a_reader_that_ends_lines_at_nel_or_u_2028():
    alarm = replace(ALARM, text=(Text("a\x85b\u2028c\u2029d\x9b2J\x7f"),))
    assert line(alarm).splitlines() == [line(alarm)]
    assert "\x9b" not in line(alarm)
    assert read_alarm(line(alarm)) == alarm
