"""Commands in words: every one that is read fits a frame, and every refusal is a sentence."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.ingest.arguments import COMMANDS, ArgumentError, read_command
from fleet.ingest.commands import LONGEST_ARGUMENTS
from protocols.wire import cbor, messages


@pytest.mark.parametrize(
    ("name", "words", "expected"),
    [
        ("drill", [], (2, None)),
        ("drill", ["input=2"], (2, {1: 2})),
        ("status", [], (3, None)),
        ("sim-policy", ["preferred=1"], (4, {1: 1})),
        ("sim-policy", ["preferred=1", "roaming=0", "hold=60", "apart=600"], (4, {1: 1, 4: 0, 5: 60, 6: 600})),
        (
            "sim-policy",
            ["closings=24001:gsm:2027-12-31,24008:umts:2026-01-01", "forbidden=24001,1", "preferred=0"],
            (4, {1: 0, 2: [24001, 1], 3: [[24001, 1, 1830211200], [24008, 2, 1767225600]]}),
        ),
        ("heartbeat", ["interval=300", "off_duty=3600"], (5, {1: 300, 2: 3600})),
        ("search", ["seconds=0"], (6, {1: 0})),
        ("switch-sim", ["slot=1"], (7, {1: 1})),
        ("reboot", [], (8, None)),
    ],
)
def test_words_become_the_wire(name: str, words: list[str], expected: tuple[int, Any]) -> None:
    assert read_command(name, words) == expected


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("fly", [], "is no command"),
        ("challenge", ["nonce=1"], "is no command"),
        ("reboot", ["now=1"], "takes no arguments"),
        ("drill", ["2"], "does not take '2'"),
        ("drill", ["input=x"], "a whole number"),
        ("drill", ["input=4294967296"], "a whole number"),
        ("drill", ["input=٣"], "a whole number"),
        ("drill", ["input=1", "input=1"], "takes input once"),
        ("switch-sim", [], "needs slot=1"),
        ("switch-sim", ["slot=2"], "from 0 to 1"),
        ("heartbeat", ["interval=1"], "from 5 to 86400"),
        ("sim-policy", ["preferred=0", "forbidden="], "a whole number"),
        ("sim-policy", ["preferred=0", "closings=24001:5g:2027-01-01"], "a radio technology"),
        ("sim-policy", ["preferred=0", "closings=24001:gsm:soon"], "a day such as"),
        ("sim-policy", ["preferred=0", "closings=24001:gsm:1900-01-01"], "a day from"),
        ("sim-policy", ["preferred=0", "forbidden=" + ",".join("1" * 17)], "at most 16"),
    ],
)
def test_a_refusal_says_what_to_write(name: str, words: list[str], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        read_command(name, words)


NUMBERS = st.integers(-5, 2**33).map(str)
TEXTS = NUMBERS | st.text(max_size=30) | st.lists(NUMBERS, max_size=20).map(",".join) | st.just("24001:gsm:2027-12-31")
KEYS = st.sampled_from(sorted({key for _, known in COMMANDS.values() for key in known})) | st.text(max_size=5)


@given(st.sampled_from(sorted(COMMANDS)) | st.text(max_size=8), st.lists(st.tuples(KEYS, TEXTS), max_size=4))
def test_whatever_is_typed_is_read_or_refused(name: str, typed: list[tuple[str, str]]) -> None:
    try:
        kind, args = read_command(name, [f"{key}={text}" for key, text in typed])
    except ArgumentError as error:
        assert str(error)
        return
    encoded = cbor.encode(args or {})
    assert len(encoded) <= LONGEST_ARGUMENTS
    messages.Command(number=2**63, kind=kind, args=args, time=2**32 - 1).encode()


def test_the_most_that_can_be_typed_fits() -> None:
    closing = "999999:nb-iot:2106-02-07"
    words = [
        "preferred=1", "forbidden=" + ",".join(["999999"] * 16), "closings=" + ",".join([closing] * 16),
        "roaming=0", "hold=86400", "apart=86400",
    ]  # fmt: skip
    assert len(cbor.encode(read_command("sim-policy", words)[1])) <= LONGEST_ARGUMENTS
