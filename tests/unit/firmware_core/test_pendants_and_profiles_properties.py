"""Any frame and any configuration: nothing raises, nothing forged or old is a press, every configuration alarms."""

from __future__ import annotations

import hashlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.core.contact import Inputs
from firmware.core.pendants import ALIVE, PRESS, TEST, Pendant, Pendants, frame
from firmware.core.profiles import LEAST_HEARTBEAT, PROFILES, read
from protocols.wire import cbor

KEYS = (bytes(16), bytes(range(16)))
VALUES = st.recursive(
    st.one_of(st.integers(-(2**40), 2**40), st.booleans(), st.none(), st.binary(max_size=20), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(st.integers(0, 9), inner, max_size=5)),
    max_leaves=20,
)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def hub(state: Any) -> Pendants:
    return Pendants([Pendant(1, 77, KEYS[0], 3600), Pendant(2, 78, KEYS[1], 600)], sha256, state, 0)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.tuples(st.integers(0, 1), st.integers(0, 30), st.integers(0, 3)), st.none()), max_size=60))
def test_only_what_is_new_and_genuine_is_a_press(script: list[tuple[int, int, int] | None]) -> None:
    """None is a restart of the hub, which then has only what was kept."""
    kept: Any = None
    machine = hub(None)
    highest = [-1, -1]
    for step in script:
        if step is None:
            machine = hub(None if kept is None else cbor.decode(kept))
            continue
        which, counter, what = step
        data = frame(sha256, KEYS[which], 77 + which, counter, what, 50)
        actions = machine.handle(("frame", data), 0)
        pressed = [action for action in actions if action[0] in {"press", "test"}]
        if counter > highest[which]:
            highest[which] = counter
            expected = {ALIVE: [], TEST: [("test", which + 1)]}
            assert pressed == expected.get(what, [("press", which + 1)])
        else:
            assert not actions
        for action in actions:
            if action[0] == "keep":
                kept = cbor.encode(action[1])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40), st.integers(0, 18), st.integers(1, 255))
def test_no_bytes_raise_and_no_changed_frame_is_believed(noise: bytes, place: int, flip: int) -> None:
    machine = hub(None)
    assert machine.handle(("frame", noise), 0) == []
    changed = bytearray(frame(sha256, KEYS[0], 77, 5, PRESS, 50))
    changed[place] ^= flip
    assert machine.handle(("frame", bytes(changed)), 0) == []


@settings(max_examples=400, deadline=None)
@given(st.one_of(VALUES, st.fixed_dictionaries({1: st.integers(0, 6)}, optional=dict.fromkeys(range(2, 10), VALUES))))
def test_every_configuration_gives_a_unit_that_alarms(config: Any) -> None:
    setup = read(config)
    assert setup.profile in PROFILES
    assert LEAST_HEARTBEAT <= setup.heartbeat <= setup.profile.heartbeat[1]
    machine = Inputs(setup.inputs)
    for one in setup.inputs:
        machine.handle(("edge", one.code, True), 0)
    told = []
    now = 0
    while now < 120_000:
        due = machine.next_wakeup(now)
        if due is None:
            break
        now = max(now, due)
        told += [action[1] for action in machine.handle(("time",), now) if action[0] == "pressed"]
    assert sorted(told) == sorted(one.code for one in setup.inputs)
