"""What may be configured of a centre: each refusal is a sentence without secrets; docs hold the same tables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.clock import SystemClock
from fleet.forwarding.centre_options import (
    OPTIONS,
    SECRETS,
    OptionError,
    check_secret,
    protocol_of,
    read_options,
    settle,
    url_parts,
)
from fleet.forwarding.centre_secrets import Kept
from fleet.forwarding.links import link_to
from fleet.forwarding.model import Centre
from fleet.registry.secret_box import SecretBox, SecretBoxError

DOCS = Path(__file__).parents[3] / "docs/centres.md"
GOOD_SECRET = {"dc09": "0" * 32, "scaip": "secret word", "sos_access": "a" * 15, "webhook": "b" * 16, "jsonl": None}


@pytest.mark.parametrize(
    ("protocol", "options", "word"),
    [
        ("dc09", {"colour": "red"}, "has no option 'colour'"),
        ("dc09", {"form": "SIA"}, "SIA-DCS, ADM-CID"),
        ("dc09", {"transport": "carrier pigeon"}, "tcp, tls, udp"),
        ("dc09", {"utf8": "maybe"}, "yes or no"),
        ("dc09", {"probe_account": "x"}, "hex digits"),
        ("dc09", {"pin": "00" * 32}, "belongs to transport=tls"),
        ("dc09", {"transport": "tls", "pin": "00"}, "64 hex digits"),
        ("dc09", {"transport": "tls", "ca": "no certificate"}, "PEM"),
        ("dc09", {"transport": "tls", "ca": "sertifikaatti \x80"}, "PEM"),
        ("dc09", {"transport": "tls", "ca": " "}, "PEM"),
        ("scaip", {"cid": "roman"}, "decimal10"),
        ("scaip", {"user": " x"}, "printable"),
        ("sos_access", {"type": "AB"}, "5 to 5"),
        ("sos_access", {"rotate_days": "30"}, "transmitter=CODE"),
        ("sos_access", {"rotate_days": "-1"}, "0 to 9999"),
        ("sos_access", {"ping_level": "1h"}, "25h, 5h, 180s, 90s, none"),
        ("sos_access", {"zone": "Mars/Base"}, "Europe/Stockholm"),
        ("webhook", {"url": "http://centre.example/"}, "https"),
        ("webhook", {"url": "https://u:p@centre.example/"}, "no password"),
    ],
)
def test_each_wrong_option_is_one_sentence(protocol: str, options: dict[str, object], word: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_options(protocol, options)
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("protocol", "secret"),
    [("dc09", "zz"), ("dc09", "0" * 31), ("sos_access", "short"), ("sos_access", None), ("webhook", "brief"),
     ("webhook", None), ("jsonl", "anything"), ("scaip", "without a user")],
)  # fmt: skip
def test_each_wrong_secret_is_refused_without_being_said(protocol: str, secret: str | None) -> None:
    with pytest.raises(OptionError) as caught:
        check_secret(protocol, {}, secret)
    assert secret is None or secret not in str(caught.value)


def test_a_password_that_is_missing_for_a_named_user_is_asked_for() -> None:
    with pytest.raises(OptionError):
        check_secret("scaip", {"username": "fleet"}, None)
    check_secret("scaip", {}, None)
    check_secret("dc09", {}, None)


def test_protocols_have_one_name_and_are_written_two_ways() -> None:
    assert protocol_of("sosaccess") == protocol_of("sos_access") == "sos_access"
    with pytest.raises(OptionError):
        protocol_of("telex")


def test_what_was_read_reads_the_same_again() -> None:
    given_ = {"form": "ADM-CID", "utf8": "yes", "transport": "tls", "pin": ":".join(["AB"] * 32)}
    kept = read_options("dc09", given_)
    assert kept == {"form": "ADM-CID", "utf8": True, "transport": "tls", "pin": "ab" * 32}
    assert read_options("dc09", kept) == kept
    assert settle("dc09", {**kept, "secret_set_at": "2026-01-02"})["probe_account"] == "00000000"


@given(
    st.sampled_from(sorted(OPTIONS)),
    st.dictionaries(
        st.sampled_from(sorted({option.name for table in OPTIONS.values() for option in table})),
        st.text(max_size=40) | st.integers() | st.booleans() | st.none() | st.floats() | st.just([1]),
        max_size=6,
    ),
    st.none() | st.text(max_size=40),
)
def test_any_configuration_makes_a_link_or_is_refused_in_words(
    protocol: str, options: dict[str, object], secret: str | None
) -> None:
    """ValueError is what forwarding takes for an unfit configuration; anything else would end it."""
    centre = Centre(1, "A", protocol, "127.0.0.1", 1, options=options)
    try:
        link_to(centre, Kept(secret), SystemClock())
    except ValueError as error:
        assert secret is None or len(secret) < 8 or secret not in str(error)


@given(st.text(max_size=60))
def test_any_text_is_a_webhooks_address_or_is_refused_in_words(text: str) -> None:
    try:
        host, port = url_parts(text)
    except OptionError:
        return
    assert host
    assert 0 <= port <= 65535


def test_the_documented_tables_are_those_of_the_code() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for protocol, options in OPTIONS.items():
        section = text.split(f"\n## {protocol}\n")[1].split("\n## ")[0]
        rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", section, re.MULTILINE)
        wanted = [
            (one.name, "" if one.default is None else f"`{shown(one.default)}`", words(one))
            for one in options
            if one.name not in ("url", "file")
        ]
        assert rows == wanted
        assert f"Secret: {SECRETS[protocol].meaning}." in section


def shown(default: object) -> object:
    return {"True": "yes", "False": "no"}.get(str(default), default)


def words(option: object) -> str:
    choices = "".join(f"`{one}` " for one in getattr(option, "choices", ()))
    return f"{getattr(option, 'meaning', '')}{': ' + choices.strip() if choices else ''}"


def test_a_sealed_secret_opens_for_its_centre_and_kind_only() -> None:
    box = SecretBox(bytes(32))
    sealed = box.seal_for_centre(b"secret", 7, "secret")
    assert box.open_for_centre(sealed, 7, "secret") == b"secret"
    for centre, kind, other in ((8, "secret", box), (7, "next", box), (7, "secret", SecretBox(b"1" * 32))):
        with pytest.raises(SecretBoxError):
            other.open_for_centre(sealed, centre, kind)
    with pytest.raises(SecretBoxError):
        box.open_secret(sealed, 7, 0)
    assert b"secret" not in sealed
    assert "x" * 20 not in repr(Kept("x" * 20, next="x" * 20, taken=b"x" * 20))
