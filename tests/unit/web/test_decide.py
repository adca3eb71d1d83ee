"""The web side's pure decisions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.web.decide import (
    FORGOTTEN_AFTER_S,
    FREE_ATTEMPTS,
    LONGEST_DELAY_S,
    count_attempt,
    is_loopback,
    is_same_origin,
    login_delay,
    page_position,
    safe_next,
)


def test_the_delay_grows_after_five_failures_and_is_bounded() -> None:
    assert [login_delay(n) for n in range(12)] == [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30]
    assert login_delay(10**9) == LONGEST_DELAY_S


@given(failures=st.integers(0, 10**6), since=st.floats(0, 10**7))
def test_an_attempt_is_either_counted_or_has_to_wait(failures: int, since: float) -> None:
    stored, wait = count_attempt(failures, since)
    if since >= FORGOTTEN_AFTER_S:
        assert (stored, wait) == (1, 0)
    elif wait > 0:
        assert stored == failures
        assert wait <= LONGEST_DELAY_S
    else:
        assert stored == failures + 1


@given(st.lists(st.floats(0, 60), max_size=60))
def test_a_guesser_gets_five_guesses_and_then_pays_for_each(pauses: list[float]) -> None:
    failures, since, guesses, spent = 0, float(FORGOTTEN_AFTER_S), 0, 0.0
    for pause in pauses:
        failures, wait = count_attempt(failures, since)
        if wait == 0:
            guesses, since = guesses + 1, 0.0
        since += pause
        spent += pause
    longest = sum(login_delay(n) for n in range(FREE_ATTEMPTS, max(guesses, FREE_ATTEMPTS)))
    assert guesses <= FREE_ATTEMPTS + 1 or spent >= longest - login_delay(guesses)


ORIGINS = [
    ("http", "127.0.0.1:8080", "http://127.0.0.1:8080", True),
    ("http", "127.0.0.1:8080", "http://localhost:8080", False),
    ("http", "127.0.0.1:8080", "http://127.0.0.1:8081", False),
    ("http", "127.0.0.1:8080", "https://127.0.0.1:8080", False),
    ("https", "larm.example", "https://larm.example", True),
    ("https", "larm.example", "https://larm.example:443", True),
    ("https", "larm.example", "https://larm.example.evil", False),
    ("https", "larm.example", "https://evil.larm.example", False),
    ("wss", "larm.example", "https://larm.example", True),
    ("ws", "larm.example", "https://larm.example", False),
    ("https", "larm.example", "null", False),
    ("https", "larm.example", "", False),
    ("https", "larm.example", "https://[", False),
    ("https", "", "https://", False),
]


@pytest.mark.parametrize(("scheme", "host", "origin", "same"), ORIGINS)
def test_same_origin_by_origin(scheme: str, host: str, origin: str, same: bool) -> None:
    assert is_same_origin({"host": host, "origin": origin}, scheme) is same


@pytest.mark.parametrize(
    ("site", "same"), [("same-origin", True), ("none", True), ("same-site", False), ("cross-site", False), ("?", False)]
)
def test_same_origin_by_fetch_metadata(site: str, same: bool) -> None:
    assert is_same_origin({"host": "a", "sec-fetch-site": site}, "https") is same
    assert is_same_origin({"host": "a", "sec-fetch-site": site, "origin": "https://a"}, "https") is same
    assert not is_same_origin({"host": "a", "sec-fetch-site": site, "origin": "https://b"}, "https")


@given(st.text())
def test_no_origin_makes_the_check_fall_over(origin: str) -> None:
    assert is_same_origin({"host": "larm.example", "origin": origin}, "https") in (True, False)


def test_loopback() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1:8080", "localhost", "[::1]:1"))
    assert not any(is_loopback(host) for host in ("", "larm.example", "127.0.0.1.example", "localhost.example:80", "["))


@given(st.text(st.sampled_from("/\\.:abc?#@%\t\n ")))
def test_log_in_never_leads_to_another_site(path: str) -> None:
    goal = safe_next(path)
    assert goal.startswith("/")
    assert not goal.startswith(("//", "/\\"))
    assert goal in (path, "/operators")


def test_log_in_leads_where_one_wanted_to_go() -> None:
    assert safe_next("/operators/closed?before=1") == "/operators/closed?before=1"


@given(st.text())
def test_positions_are_digits_that_a_bigint_holds(text: str) -> None:
    found = page_position(text)
    assert found is None or (text.isdigit() and 0 <= found < 2**63)
