"""Packet ids beyond 65,535: they begin again at 1, and none is used twice at the same time."""

from packet_ids import HIGHEST, run


def test_ids_wrap_and_none_is_in_flight_twice():
    session, _, _ = run(1500, HIGHEST - 700)
    assert session.wraps == 1 and session.breaks > 10
    assert session.doubled == 0 and session.wrong == 0
    assert session.acked + len(session.client.unacked()) == 1500


def test_an_id_that_waits_long_is_passed_over():
    """The negative control of the counting: an id that is still in flight when its number comes again."""
    session, _, _ = run(2, 0)
    held = session.client.unacked()
    assert held == [2] or len(held) == 1
    session.client._packet_id = held[0] - 1
    before = session.client.unacked()
    packet_id, _ = session.client.publish("u/0000002a/up", b"x", session.now)
    assert packet_id not in before
