"""Presses at a path that loses every fifth datagram each way, in small: `make proof` has 10,000 of them."""

from __future__ import annotations

from bench import loss


def test_nothing_is_lost_and_nothing_doubled() -> None:
    found = loss.measure(units=10, presses=3, loss=0.2)
    assert found.presses == found.journals == found.database == found.centre == 30
    assert found.lost == found.doubled == 0 and found.cases == 10
    assert found.carried["up_lost"] and found.carried["down_lost"]
    assert found.passed


def test_a_server_that_does_not_know_a_press_again_is_found_out() -> None:
    """The negative control."""
    found = loss.measure(units=4, presses=3, loss=0.45, sabotage="no_key_check")
    assert found.doubled > 0 and not found.passed
