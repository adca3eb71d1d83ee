"""What an event means, as pure decisions: the codes are the wire's, and no data can break them."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from fleet.technicians import decide
from protocols.wire import messages


def test_the_codes_are_those_of_the_wire() -> None:
    names = {
        "MAINS_LOST", "MAINS_BACK", "BATTERY_LOW", "FAULT", "INPUT_STUCK", "INPUT_RELEASED", "PENDANT_MISSED",
        "PENDANT_BACK", "PENDANT_BATTERY_LOW", "NOT_WORN", "WORN", "SIM_CHANGED", "SIM_PROVEN", "PATHS_NOT_DIVERSE",
        "TECHNOLOGY_CLOSING",
    }  # fmt: skip
    assert {name: getattr(decide, name) for name in names} == {
        name: getattr(messages, f"EVENT_{name}") for name in names
    }
    assert dict(decide.FLAG_CONDITIONS) == {messages.MAINS_LOST: "mains lost", messages.NOT_WORN: "not worn"}


def test_positions_and_cancelled_presses_are_nobodys_task() -> None:
    for kind in (messages.EVENT_POSITION, messages.EVENT_CANCELLED, 99):
        found = decide.consequence_of(kind, {1: 1, 2: 2})
        assert found.task is None and found.condition is None and found.case is None


def test_a_stuck_input_is_a_condition_a_task_and_a_word_for_the_case() -> None:
    found = decide.consequence_of(messages.EVENT_INPUT_STUCK, {1: 3, 2: 2})
    assert found.condition is not None and found.task is not None
    assert (found.condition.part, found.task.step, found.task.kind, found.task.part) == (3, "open", "stuck input", 3)
    assert (found.case, found.input, found.task.detail) == ("stuck", 3, {"why": "chatters"})
    unnamed = decide.consequence_of(messages.EVENT_INPUT_STUCK, {})
    assert unnamed.condition is None and unnamed.task is not None and unnamed.case == "stuck"


VALUES = st.recursive(
    st.integers(-(2**64), 2**64) | st.booleans() | st.none() | st.text(max_size=60) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(0, 9), inner, max_size=3),
    max_leaves=5,
)


@given(st.integers(0, 30), st.dictionaries(st.integers(0, 9), VALUES, max_size=5))
def test_any_event_is_decided_and_can_be_stored(kind: int, data: dict[int, object]) -> None:
    found = decide.consequence_of(kind, data)
    for one in (found.condition, found.task):
        if one is not None:
            text = json.dumps(dict(one.detail))
            assert "\\u0000" not in text and len(text) < 400
            assert one.part is None or -1 <= one.part <= 0xFFFFFFFF
