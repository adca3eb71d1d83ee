"""Digests, links, records and retention rules by themselves."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.evidence.decide import RecordError, canonical, checked_detail, digest_of, instant, link
from fleet.evidence.heads import HeadsFileError, head_line, keep_line, read_heads
from fleet.evidence.model import GENESIS, Entry
from fleet.evidence.retention import Retention, RetentionError, read_retention
from fleet.evidence.signing import SigningKey, SigningKeyError, genuine_head, read_public_keys

AT = datetime(2026, 11, 22, 8, tzinfo=UTC)
ENTRY = Entry(1, "audit", "7", 1480, AT, AT, bytes(32), b"")


def test_a_link_is_what_the_page_says() -> None:
    place = [1, "audit", "7", 1480, "2026-11-22T08:00:00.000000Z", "2026-11-22T08:00:00.000000Z"]
    by_hand = hashlib.sha256(b"livlina-evidence-1\x00" + GENESIS + json.dumps(place).encode() + bytes(32)).digest()
    assert link(GENESIS, ENTRY) == by_hand


def test_every_part_of_an_entry_is_under_its_hash() -> None:
    changed = [
        replace(ENTRY, position=2), replace(ENTRY, source="press"), replace(ENTRY, key="8"),
        replace(ENTRY, municipality=1481), replace(ENTRY, at=AT + timedelta(microseconds=1)),
        replace(ENTRY, chained_at=AT + timedelta(microseconds=1)), replace(ENTRY, digest=b"\x01" + bytes(31)),
    ]  # fmt: skip
    hashes = {link(GENESIS, entry) for entry in (ENTRY, *changed)} | {link(b"\x01" + bytes(31), ENTRY)}
    assert len(hashes) == len(changed) + 2


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(
    one=st.dictionaries(st.text(max_size=4), PLAIN, max_size=4),
    other=st.dictionaries(st.text(max_size=4), PLAIN, max_size=4),
)
def test_another_content_is_another_digest(one: dict[str, object], other: dict[str, object]) -> None:
    assert (digest_of(one) == digest_of(other)) == (
        json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    )
    assert digest_of(dict(reversed(one.items()))) == digest_of(one), "the order of the columns says nothing"


def test_times_and_octets_have_one_form() -> None:
    stockholm = AT.astimezone(timezone(timedelta(hours=1)))
    assert canonical({"at": AT, "raw": b"\x0a"}) == canonical({"raw": memoryview(b"\x0a"), "at": stockholm})
    assert instant(stockholm) == "2026-11-22T08:00:00.000000Z"


@given(text=st.text(min_size=1, max_size=30))
def test_a_detail_takes_identifiers_and_nothing_like_a_persons_words(text: str) -> None:
    fit = text.isascii() and all(one.isalnum() or one in "_.:/,-" for one in text)
    try:
        assert checked_detail("person:1", "unit.assigned", "unit:1", {"x": text}) == {"x": text} and fit
    except RecordError:
        assert not fit


def test_actors_actions_and_subjects_have_their_forms() -> None:
    good = {"actor": "person:17", "action": "unit.retired", "subject": "unit:0000002a"}
    assert checked_detail(**good, detail={"ids": {3, 1, 2}, "at": AT}) == {"ids": [1, 2, 3], "at": instant(AT)}
    for wrong in (
        {"actor": "Anna Berg"}, {"actor": "17"}, {"action": "retired"}, {"action": "Unit.x"}, {"subject": "the lamp"},
    ):  # fmt: skip
        with pytest.raises(RecordError):
            checked_detail(**{**good, **wrong}, detail={})
    for detail in (
        {"Name": 1},
        {"x": 1.5},
        {"x": object()},
        {"x": ["a b"]},
        {"x": {"y": "a@b"}},
        {"x": ["a" * 99] * 40},
    ):
        with pytest.raises(RecordError):
            checked_detail(**good, detail=detail)


def test_heads_are_kept_and_read_again_even_after_a_torn_line(tmp_path: Path) -> None:
    key = SigningKey.open(tmp_path / "signing.key", create=True)
    file = tmp_path / "kept" / "heads.jsonl"
    first, second = (key.sign_head(position, bytes([position] * 32), AT) for position in (1, 2))
    keep_line(file, first)
    with file.open("ab") as out:
        out.write(head_line(second).encode()[:40])
    assert read_heads(file) == [first], "a line that was cut while it was written says nothing"
    keep_line(file, second)
    assert read_heads(file) == [first, second]
    with file.open("ab") as out:
        out.write(b"not a head\n")
    with pytest.raises(HeadsFileError, match="line 3"):
        read_heads(file)
    keys = read_public_keys(tmp_path / "signing.pub")
    assert genuine_head(first, keys)
    for forged in (
        replace(first, position=3), replace(first, hash=bytes(32)), replace(first, at=AT + timedelta(seconds=1)),
        replace(first, key_id="0" * 16), replace(first, signature=bytes(64)), replace(first, signature=b""),
    ):  # fmt: skip
        assert not genuine_head(forged, keys)
    other = SigningKey.open(tmp_path / "other.key", create=True)
    assert not genuine_head(other.sign_head(1, bytes(32), AT), keys), "another key is not trusted"
    (tmp_path / "wrong.pub").write_text("no key\n")
    with pytest.raises(SigningKeyError):
        read_public_keys(tmp_path / "wrong.pub")


def test_retention_rules() -> None:
    assert read_retention("") == Retention()
    assert read_retention('[days]\naudit = 10\nreadings = "for ever"\n') == Retention(audit=10, readings=None)
    for wrong in (
        "days = 3",
        "[days]\naudit = 0",
        "[days]\naudit = true",
        "[days]\nx = 1",
        "[other]",
        "[days",
        "[days]\naudit='x'",
    ):
        with pytest.raises(RetentionError):
            read_retention(wrong)
