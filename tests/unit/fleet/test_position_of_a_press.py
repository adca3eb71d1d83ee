"""Where a unit is, as a message about a press: read from any event, never another alarm, the same octets each time."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.forwarding.decide import position_of
from fleet.forwarding.link_webhook import body_of, key_of
from fleet.forwarding.model import Position
from fleet.forwarding.normalize import normalized
from protocols.centre.alarm import Action, Category, Mode
from protocols.centre.sia_dc09.frame import ADM_CID, SIA_DCS, decode, encode
from protocols.centre.sia_dc09.interpret import read_alarms
from protocols.centre.sia_dc09.translate import alarm_frame
from tests.centres import AT, owed

HERE = Position(3, 21, 57.70887, -11.97456, AT + timedelta(minutes=1), AT)


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({1: 577088700, 2: -119745600}, (57.70887, -11.97456)),
        ({1: 0, 2: 0}, (0.0, 0.0)),
        ({1: 900000000, 2: 1800000000}, (90.0, 180.0)),
        ({1: 900000001, 2: 0}, None),
        ({1: 0, 2: -1800000001}, None),
        ({6: 99, 7: 5}, None),
        ({1: 577088700}, None),
        ({1: True, 2: False}, None),
        ({1: "57", 2: b"11"}, None),
        ({}, None),
    ],
)
def test_only_a_place_on_earth_is_one(data: dict[int, object], place: tuple[float, float] | None) -> None:
    found = position_of(data, 1, 2, AT, 0)
    assert (None if found is None else (found.latitude, found.longitude)) == place


def test_when_it_was_found_is_counted_back_by_both_ages() -> None:
    found = position_of({1: 1, 2: 1, 5: 3}, 1, 2, AT, 60)
    assert found is not None and found.fixed_at == AT - timedelta(seconds=63)
    for data, age in (({1: 1, 2: 1}, 60), ({1: 1, 2: 1, 5: 2**32}, 60), ({1: 1, 2: 1, 5: -1}, 0)):
        unknown = position_of(data, 1, 2, AT, age)
        assert unknown is not None and unknown.fixed_at is None


@given(st.dictionaries(st.integers(0, 9), st.integers() | st.text() | st.booleans() | st.none()), st.integers(0, 2**32))
def test_no_event_s_data_does_harm(data: dict[int, object], age: int) -> None:
    position_of(data, 1, 2, datetime(2026, 1, 2, tzinfo=UTC), age)


def test_it_is_news_of_the_press_with_its_reference_and_case_and_another_id() -> None:
    alarm, news = normalized(owed()), normalized(owed(position=HERE))
    assert news.action is Action.INFO and news.mode is Mode.LIVE and news.category is alarm.category
    assert news.correlation == alarm.correlation and news.id == "0000002a-3-17-position-3-21" != alarm.id
    assert key_of(owed(position=HERE)) == news.id and key_of(owed()) == alarm.id
    assert body_of(owed(position=HERE)) == body_of(owed(position=HERE, attempts=7))
    assert json.loads(body_of(owed(position=HERE)))["where"]["geo"]["lat"] == 57.70887
    assert b'"geo"' not in body_of(owed()) or json.loads(body_of(owed()))["where"]["geo"] is None


@pytest.mark.parametrize(("form", "sign"), [(SIA_DCS, "|Ori2/QA002"), (ADM_CID, "|6101 ")])
def test_dc09_says_that_it_is_old(form: str, sign: str) -> None:
    frame = alarm_frame(normalized(owed(position=HERE)), 5, "0000002A", token=form)
    assert sign in frame.data
    (back,) = read_alarms(decode(encode(frame)), new_id=lambda: "x", received_at=AT)
    assert back.action is Action.STATUS and back.category is Category.PERSONAL_HELP
    assert back.correlation.reference == "0000002a-3-17" and back.where.geo is not None
    assert (back.where.geo.lat, back.where.geo.lon) == pytest.approx((57.70887, -11.97456), abs=1e-4)
    # The control: the alarm itself is new.
    (alarm,) = read_alarms(decode(encode(alarm_frame(normalized(owed()), 4, "0000002A", token=form))),
                           new_id=lambda: "x", received_at=AT)  # fmt: skip
    assert alarm.action is Action.NEW


def test_what_a_foreign_panel_puts_among_old_events_is_still_for_a_person() -> None:
    octets = encode(decode(encode(alarm_frame(normalized(owed()), 4, "0000002A"))))
    frame = decode(octets)
    foreign = replace(frame, data=frame.data.replace("|N", "|O"), xdata=())
    (alarm,) = read_alarms(decode(encode(replace(foreign, raw=b""))), new_id=lambda: "x", received_at=AT)
    assert alarm.action is Action.NEW
