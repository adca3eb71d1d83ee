"""What a gateway hands over, into the bytes of a frame: every spelling of a frame, and nothing that raises."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.ingest.sms_text import LONGEST_TEXT, RequestError, frame_of, read_request

FRAMES = st.binary(min_size=0, max_size=500).map(lambda rest: b"\x83\x43\xa1\x01\x0a" + rest)
BLANKS = st.sampled_from(["", " ", "\n", "\r\n", "\t", "  \n"])


@st.composite
def spelled(draw: st.DrawFn) -> tuple[bytes, str]:
    """A frame and one way in which a gateway may write it."""
    frame = draw(FRAMES)
    if draw(st.booleans()):
        text = frame.hex()
        text = draw(st.sampled_from([text, text.upper()]))
    else:
        text = base64.urlsafe_b64encode(frame).decode()
        text = draw(st.sampled_from([text, text.rstrip("="), text.replace("-", "+").replace("_", "/")]))
    every = draw(st.integers(1, 160))
    pieces = [text[start : start + every] for start in range(0, len(text), every)]
    return frame, draw(BLANKS) + draw(BLANKS.filter(lambda one: len(one) * len(pieces) < 400)).join(pieces) + draw(
        BLANKS
    )


@given(spelled())
def test_every_spelling_of_a_frame_is_the_frame(pair: tuple[bytes, str]) -> None:
    frame, text = pair
    assert frame_of(text) == frame


@given(st.text(max_size=400))
def test_any_text_gives_bytes_or_none(text: str) -> None:
    found = frame_of(text)
    assert found is None or isinstance(found, bytes)


@pytest.mark.parametrize(
    "text", ["", " ", "Hej!", "83", "834", "83zz", "8343a1010a" + "0" * LONGEST_TEXT, "g0Oh*", "=", "a"]
)
def test_what_no_unit_sends(text: str) -> None:
    assert frame_of(text) in (None, b"\x83")


@given(st.binary(max_size=300))
def test_any_body_is_a_request_or_is_refused(body: bytes) -> None:
    try:
        found = read_request(body)
    except RequestError:
        return
    assert found.text.strip()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["from", "text", "data", "x"]), inner),
    )
)
def test_any_json_is_a_request_or_is_refused(document: object) -> None:
    try:
        found = read_request(json.dumps(document).encode())
    except RequestError:
        return
    assert isinstance(document, dict) and found.text in (document.get("text"), document.get("data"))


@pytest.mark.parametrize(
    "body", [b"", b"[" * 8000, b'{"text": ' + b"9" * 7000 + b"}", b"\xff", b'{"text": ""}', b'"83"']
)
def test_no_body_breaks_the_reader(body: bytes) -> None:
    with pytest.raises(RequestError):
        read_request(body)


def test_data_goes_before_text_and_a_number_must_be_one() -> None:
    both = read_request(b'{"text": "hello", "data": "83", "from": "+46700000001", "id": 7}')
    assert (both.text, both.number) == ("83", "+46700000001")
    assert read_request(b'{"text": "83", "data": " ", "from": "Telia"}') == ("83", None)
    assert read_request(b'{"text": "83", "from": ["+46700000001"]}').number is None
    assert read_request('{"text": "83", "from": "٤٦٧٠٠"}'.encode()).number is None
