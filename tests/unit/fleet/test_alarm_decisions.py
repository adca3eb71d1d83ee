"""What is odd about a press, how urgent it is, when it was pressed: pure decisions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from fleet.alarms.decide import ACUTE, HIGH, NORMAL, TECHNICAL, marks_of, pressed_at, priority_of

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


def marks(**said: object) -> tuple[str, ...]:
    usual: dict[str, object] = {"received_at": NOW, "kind": 1, "age_s": 0, "flags": 0, "clock": None}
    usual |= {"dropped": (), "unknown": (), "behind": False}
    return marks_of(**{**usual, **said})  # type: ignore[arg-type]


def test_an_ordinary_press_has_no_marks() -> None:
    assert marks() == ()
    assert marks(clock=int(NOW.timestamp())) == ()


def test_every_oddity_is_marked_and_none_refuses() -> None:
    assert marks(clock=0) == ("clock_wrong",)
    assert marks(clock=int((NOW + timedelta(days=40)).timestamp())) == ("clock_wrong",)
    assert marks(flags=1) == ("age_lower_bound",)
    assert marks(flags=4) == ("silent",)
    assert marks(kind=2) == ("silent",), "nobody calls back under duress, whatever the unit says besides"
    assert marks(age_s=61) == ("late",)
    assert marks(kind=200) == ("unknown_kind",)
    assert marks(dropped=(9,)) == ("field_dropped",)
    assert marks(unknown=(99,)) == ("field_unknown",)
    assert marks(behind=True) == ("freshness_unproven",)


def test_priorities() -> None:
    assert priority_of("social", 1) == HIGH
    assert priority_of("personal", 1) == ACUTE
    assert priority_of("social", 2) == ACUTE
    assert priority_of("camera", 1) == NORMAL
    assert priority_of("personal", 9) == TECHNICAL


@given(st.integers(0, 2**32 - 1))
def test_any_age_that_fits_the_wire_gives_a_time_or_none(age: int) -> None:
    at = pressed_at(NOW, age)
    assert at is None or at <= NOW


def test_no_age_gives_no_time() -> None:
    assert pressed_at(NOW, None) is None
    assert pressed_at(NOW, 2**40) is None
