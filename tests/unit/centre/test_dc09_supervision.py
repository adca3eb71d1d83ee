"""Supervision at a receiver: who is overdue, told once, and that signs of life keep nobody's memory growing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.centre.sia_dc09.supervision import Supervision


def test_an_account_is_overdue_once_and_returns_once():
    watch = Supervision(grace_s=10)
    watch.add("0043", 90, now=0)
    assert watch.next_wakeup() == 100
    assert watch.overdue(99) == []
    assert watch.overdue(100) == ["0043"]
    assert watch.overdue(1000) == []
    assert watch.heard("0043", 1000)
    assert not watch.heard("0043", 1001)
    assert watch.overdue(1101) == ["0043"]


def test_strangers_and_the_removed_are_not_watched():
    watch = Supervision()
    assert not watch.heard("1234", 0)
    watch.add("1234", 60, 0)
    watch.remove("1234")
    assert watch.overdue(1000) == []


def test_an_interval_is_positive():
    with pytest.raises(ValueError, match="interval"):
        Supervision().add("1234", 0, 0)


def test_memory_stays_bounded():
    watch = Supervision()
    watch.add("1234", 60, 0)
    for second in range(10_000):
        watch.heard("1234", second)
    assert len(watch._queue) < 100
    assert watch.overdue(9_999 + 69) == []
    assert watch.overdue(9_999 + 70) == ["1234"]


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(1, 200)), max_size=60))
def test_it_agrees_with_looking_at_every_account(steps):
    watch, last, told, now = Supervision(grace_s=5), {}, set(), 0
    for account in "ABC":
        watch.add(account, 60, 0)
        last[account] = 0
    for account, passed in steps:
        now += passed
        late = {name for name in "ABC" if now - last[name] >= 65 and name not in told}
        assert set(watch.overdue(now)) == late
        told |= late
        assert watch.heard(account, now) is (account in told)
        told.discard(account)
        last[account] = now
