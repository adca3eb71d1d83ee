"""Frames of pendants: what is believed, what opens nothing, and who is missed; the same on both engines."""

from primitives import sha256

from firmware.core.pendants import ALIVE, LENGTH, MISSES, PRESS, TEST, Pendant, Pendants, frame
from protocols.wire import cbor

KEY = bytes(range(16))
OTHER = bytes(range(1, 17))


def made(state=None, now=0):
    return Pendants([Pendant(1, 77, KEY, 3600), Pendant(2, 78, OTHER, 60)], sha256, state, now)


def names(actions):
    return [action[0] for action in actions]


def sent(counter, what=PRESS, battery=90, number=77, key=KEY):
    return ("frame", frame(sha256, key, number, counter, what, battery))


def test_a_frame_fits_an_advertisement_and_is_the_same_everywhere():
    data = sent(5)[1]
    assert len(data) == LENGTH
    assert data[:11] == b"\x01\x00\x00\x00\x4d\x00\x00\x00\x05\x01\x5a"
    assert data != sent(5, key=OTHER)[1]


def test_a_press_comes_once_and_before_anything_is_kept():
    hub = made()
    actions = hub.handle(sent(5), 0)
    assert actions[0] == ("press", 1)
    assert names(actions) == ["press", "keep"]
    for _ in range(10):
        assert hub.handle(sent(5), 100) == [], "the same frame once more"
    assert hub.refused == 0
    assert hub.handle(sent(6, TEST), 200)[0] == ("test", 1)


def test_a_replay_opens_nothing_even_after_a_restart():
    hub = made()
    hub.handle(sent(5), 0)
    kept = hub.handle(sent(9), 0)[1][1]
    for again in (hub, made(cbor.decode(cbor.encode(kept)))):
        for counter in range(10):
            assert again.handle(sent(counter), 1) == []
        assert again.refused == 9
    assert made().handle(sent(9), 1), "the control: without what was kept it would be a press"


def test_a_forgery_opens_nothing():
    good = sent(5)[1]
    hub = made()
    for i in range(LENGTH):
        for flip in (1, 128):
            data = bytearray(good)
            data[i] ^= flip
            assert hub.handle(("frame", bytes(data)), 0) == []
    for data in (b"", good[:-1], good + b"\0"):
        assert hub.handle(("frame", data), 0) == []
    assert hub.handle(sent(5, key=OTHER), 0) == []
    assert hub.handle(sent(5, number=79), 0) == [], "a neighbour's"
    assert hub.refused > 20
    assert hub.handle(("frame", good), 0)[0] == ("press", 1), "and the pendant itself still works"


def test_a_genuine_press_is_refused_for_nothing_that_it_says_besides():
    hub = made()
    assert names(hub.handle(sent(1, battery=255), 0)) == ["press", "keep"], "a battery that is not known is not low"
    assert names(hub.handle(sent(2, what=9), 0)) == ["press", "keep"], "a newer pendant has something to say"
    assert hub.handle(sent(2, what=9), 0) == [] and hub.refused == 0


def test_whether_a_frame_is_a_press_is_known_before_it_is_handled_and_changes_nothing():
    hub = made()
    for counter, what in ((1, ALIVE), (2, TEST)):
        assert hub.pressing(sent(counter, what)) is None
        hub.handle(sent(counter, what), 0)
    pressed = sent(3)[1]
    for data in (sent(2)[1], sent(1)[1], sent(3, key=OTHER)[1], sent(3, number=78)[1], pressed[:-1], b""):
        assert hub.pressing(data) is None, "a replay, a forgery, a neighbour's, no frame"
    assert hub.pressing(pressed) == 1 and hub.pressing(pressed) == 1
    assert names(hub.handle(sent(3), 0)) == ["press", "keep"]
    assert hub.pressing(pressed) is None, "once"


def test_each_pendant_is_missed_by_its_own_interval():
    hub = made()
    hub.handle(sent(1, ALIVE), 0)
    hub.handle(sent(1, ALIVE, number=78, key=OTHER), 0)
    assert hub.next_wakeup(0) == (MISSES * 60 + 6) * 1000
    assert hub.handle(("time",), 185999) == []
    assert hub.handle(("time",), 186000) == [("missed", 2, 186)]
    assert hub.handle(("time",), 187000) == []
    late = (MISSES * 3600 + 360) * 1000
    assert hub.next_wakeup(187000) == late
    assert hub.handle(("time",), late)[0] == ("missed", 1, late // 1000)
    assert names(hub.handle(sent(2, ALIVE, number=78, key=OTHER), late + 1)) == ["keep", "back"]


def test_restarts_do_not_hide_a_pendant_that_is_gone():
    hub = made()
    state = hub.handle(sent(1, ALIVE), 0)[0][1]
    for _ in range(2):
        again = made(state)
        actions = again.handle(("time",), 6 * 3600000)
        state = [action[1] for action in actions if action[0] == "keep"][-1]
    assert 1 in [action[1] for action in actions if action[0] == "missed"]


def test_a_pendant_is_proven_by_a_press_only_and_low_is_told_once():
    hub = made()
    assert hub.unproven() == [1, 2]
    assert hub.handle(sent(1, ALIVE, battery=20), 0)[-1] == ("low", 1, 20)
    assert names(hub.handle(sent(2, ALIVE, battery=19), 0)) == ["keep"]
    assert hub.unproven() == [1, 2]
    kept = hub.handle(sent(3, TEST), 0)[1][1]
    assert hub.unproven() == [2]
    assert made(kept).unproven() == [2]


def test_what_cannot_be_is_refused_and_a_damaged_state_passed_over():
    for wrong in ((0, 1, KEY, 60), (1, 0, KEY, 60), (1, 1, b"", 60), (1, 1, KEY, 59), (1, 1, "x" * 16, 60)):
        try:
            Pendant(*wrong)
        except ValueError:
            continue
        raise AssertionError(wrong)
    try:
        Pendants([Pendant(1, 5, KEY, 60), Pendant(1, 6, KEY, 60)], sha256, None, 0)
    except ValueError:
        pass
    else:
        raise AssertionError("two for one input")
    for state in (None, 5, {77: 5}, {77: [1]}, {77: ["x", 0, 0]}):
        assert made(state).handle(sent(0), 0)[0] == ("press", 1)
