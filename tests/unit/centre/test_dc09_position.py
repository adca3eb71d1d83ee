"""Position in DC-09 extended data: the published forms, both ways, and that half a position is none."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.centre.alarm import Action, Alarm, Category, Geo, Source, Transmitter, Where
from protocols.centre.sia_dc09 import alarm_frame, decode, encode, position, read_alarms, translate

AT = datetime(2026, 1, 2, 10, 0, 0, tzinfo=UTC)
ALARM = Alarm("1", AT, Source("fleet", "coap"), Transmitter("0000002a"), Action.NEW, Category.PERSONAL_ATTACK)


def at_place(geo):
    return replace(ALARM, where=Where(geo=geo))


def test_the_published_forms():
    assert position.angle("X", "093W23.456") == pytest.approx(-93.390933, abs=1e-6)
    assert position.angle("Y", "45N23.456") == pytest.approx(45.390933, abs=1e-6)
    assert position.angle_text("X", -93.3909333) == "093W23.456"
    assert position.angle_text("Y", 45.3909333) == "45N23.456"
    assert position.read({"X": "093W23.456", "Y": "45N23.456", "Z": "123.2M"}).alt == 123.2


@pytest.mark.parametrize(
    "text", ["", "93", "093N23.456", "181E00.0", "093W60.0", "093W23.456 junk", "٣W1", "9" * 50, "093W72.95"]
)
def test_what_is_no_place_gives_no_number_and_stays_as_text(text):
    geo = position.read({"X": text, "Y": "45N23.456"})
    assert (geo.lat, geo.lon) == (None, None)
    assert text in geo.raw


def test_without_a_position_there_is_none():
    assert position.read({"Z": "12M", "I": "x"}) is None


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_a_place_comes_back_within_two_metres(lat, lon):
    frame = alarm_frame(at_place(Geo(lat=lat, lon=lon)), 1, "1234")
    (alarm,) = read_alarms(decode(encode(frame)), new_id=lambda: "id", received_at=AT)
    assert alarm.where.geo.lat == pytest.approx(lat, abs=1e-5)
    assert alarm.where.geo.lon == pytest.approx(lon, abs=1e-5)
    assert not any(name.startswith("xdata_") for name in alarm.extra)


@pytest.mark.parametrize("geo", [Geo(raw="x"), Geo(lat=91.0, lon=0.0), Geo(lat=float("nan"), lon=0.0)])
def test_an_alarm_never_fails_for_its_place(geo):
    frame, lossy = translate(at_place(geo), 1, "1234")
    assert "where.geo" in lossy
    assert not {"X", "Y"} & {letter for letter, _ in frame.xdata}


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_any_text_is_read_or_is_no_number(x, y, z):
    geo = position.read({"X": x, "Y": y, "Z": z})
    assert (geo.lat is None) == (geo.lon is None)
