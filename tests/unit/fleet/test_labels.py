"""Labels and references: what is typed wrong is found, what people confuse in reading is not wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.registry.label import LabelError, label_of, qr_of, unit_of
from fleet.registry.reference import check_digits, normal

UNITS = st.integers(1, 0xFFFFFFFF)
SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
REFERENCES = st.from_regex(r"[A-Z0-9][A-Z0-9-]{0,12}[A-Z0-9]", fullmatch=True)


@given(UNITS)
def test_a_label_is_read_as_printed_typed_or_scanned(unit: int) -> None:
    label = label_of(unit)
    for text in (label, label.lower(), label.replace("-", " "), label.replace("-", ""), qr_of(unit), f"  {label} "):
        assert unit_of(text) == unit


@given(UNITS, st.integers(0, 6), st.sampled_from(SYMBOLS))
def test_one_wrong_symbol_is_found(unit: int, place: int, other: str) -> None:
    plain = label_of(unit).replace("-", "")
    wrong = plain[:place] + other + plain[place + 1 :]
    if wrong == plain:
        return
    with pytest.raises(LabelError):
        unit_of(wrong)


@given(UNITS, st.integers(0, 5))
def test_two_neighbours_in_the_wrong_order_are_found(unit: int, place: int) -> None:
    plain = label_of(unit).replace("-", "")
    wrong = plain[:place] + plain[place + 1] + plain[place] + plain[place + 2 :]
    if wrong == plain:
        return
    with pytest.raises(LabelError):
        unit_of(wrong)


def test_what_is_read_wrong_is_read_right() -> None:
    label = label_of(1 << 5 | 1)
    assert "0" in label and "1" in label
    assert unit_of(label.replace("0", "O").replace("1", "l")) == 1 << 5 | 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("https://example.org/x", "foreign"), ("WIFI:S:home;;", "foreign"), ("", "shape"), ("0000-01", "shape"),
        ("0000-0!A-5", "shape"), ("0000-000-0", "check"), ("ZZZZ-ZZZ-Z", "check"), ("ÅÄÖ0-000-0", "shape"),
    ],
)  # fmt: skip
def test_what_is_no_label_says_why(text: str, why: str) -> None:
    with pytest.raises(LabelError) as found:
        unit_of(text)
    assert found.value.why == why


def test_no_number_beyond_a_unit_s_has_a_label() -> None:
    for number in (0, -1, 1 << 32):
        with pytest.raises(ValueError, match="no unit number"):
            label_of(number)


@given(REFERENCES, st.integers(1, 2000))
def test_a_reference_with_one_wrong_character_has_other_digits(reference: str, municipality: int) -> None:
    digits = check_digits(municipality, reference)
    assert len(digits) == 2 and digits.isdigit()
    for place, one in enumerate(reference):
        if one.isdigit():
            other = str((int(one) + 1) % 10)
            assert check_digits(municipality, reference[:place] + other + reference[place + 1 :]) != digits


def test_references_are_kept_in_one_form() -> None:
    assert normal(" k-10 42a ") == "K-1042A"
    for text in ("", "-1", "K_1", "Å1", "A" * 33):
        with pytest.raises(ValueError, match="reference"):
            normal(text)
